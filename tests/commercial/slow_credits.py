"""An independent, slow model of prepaid credits: fractions, and one smallest unit after the other.

Written from docs/reference/vectors.md; it shares no code with the product.
"""

import calendar
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

EXPONENTS = {"USD": 2, "EUR": 2, "JPY": 0, "KWD": 3}
FAR = datetime(9999, 1, 1, tzinfo=UTC)
# Counted one by one up to here.
ONE_BY_ONE = 100_000
Batch = dict[str, Any]


def num(text: object) -> Fraction:
    return Fraction(str(text).replace("_", ""))


def is_yes(text: object) -> bool:
    return str(text) in {"yes", "true"}


def rounded(value: Fraction, decimals: int, how: str) -> Fraction:
    """Round towards or away from zero, or to the nearest."""
    sign = -1 if value < 0 else 1
    scaled = abs(value) * 10**decimals
    whole, rest = divmod(scaled, 1)
    up = {
        "down": False,
        "up": rest > 0,
        "half_up": rest >= Fraction(1, 2),
        "half_even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
    }[how]
    return Fraction(sign * (whole + (1 if up else 0)), 10**decimals)


class Slow:
    """Runs one vector."""

    def __init__(self, given: Mapping[str, Any], *, late: bool = True) -> None:
        self.given = given
        self.zone = ZoneInfo(given.get("zone", "UTC"))
        self.policy = given.get("policy", {})
        self.currency = given["currency"]
        self.minor = EXPONENTS[self.currency]
        self.unit = self.policy.get("unit", "")
        default = 12 if self.unit else self.minor
        self.decimals = int(self.policy.get("decimals", default))
        self.credit_decimals = int(self.policy.get("credit_decimals", 6))
        self.how = self.policy.get("rounding", "half_even")
        self.draw = self.policy.get("draw", "for_period")
        self.batches: list[Batch] = []
        self.over: dict[str, Fraction] = {}
        self.moves: list[tuple[str, str, Fraction, Fraction]] = []  # kind, batch, credits, cost
        self.stacks: dict[str, list[list[Any]]] = defaultdict(list)
        self.sums: dict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
        self.draws: dict[str, Fraction] = defaultdict(Fraction)
        self.firsts: list[str] = []
        self.paid = self.rest = self.tax = self.refunded = Fraction(0)
        self.waiting: list[tuple[datetime, Mapping[str, Any]]] = []
        self.topped = 0
        self.survived: dict[str, int] = defaultdict(int)
        self.todo: list[tuple[datetime, int, int, str, Any]] = []
        self.happenings = [*given.get("happenings", []), *(given.get("late", []) if late else [])]
        self.end = self.last()

    # Time.

    def midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)

    def after(self, day: str) -> datetime:
        return self.midnight(date.fromisoformat(day) + timedelta(days=1))

    def shifted(self, at: datetime, months: int, days: int) -> datetime:
        local = at.astimezone(self.zone)
        index = local.year * 12 + local.month - 1 + months
        year, month = divmod(index, 12)
        day = min(local.day, calendar.monthrange(year, month + 1)[1])
        moved = date(year, month + 1, day) + timedelta(days=days)
        return datetime.combine(moved, local.time(), tzinfo=self.zone).astimezone(UTC)

    def when(self, one: Mapping[str, Any], day: str, at: str) -> datetime | None:
        if at in one:
            return datetime.fromisoformat(one[at]).astimezone(UTC)
        return self.midnight(date.fromisoformat(one[day])) if day in one else None

    def at(self, one: Mapping[str, Any]) -> datetime:
        found = self.when(one, "on", "at")
        assert found is not None
        return found

    def last(self) -> datetime:
        if "until" in self.given:
            text = self.given["until"]
            if "T" in text:
                return datetime.fromisoformat(text).astimezone(UTC)
            return self.midnight(date.fromisoformat(text))
        return max(self.at(one) for one in self.happenings)

    def plan(self, at: datetime, rank: int, what: str, thing: Any) -> None:
        self.todo.append((at, rank, len(self.todo) + self.done, what, thing))

    # Grants.

    def lasts(self, grant: Mapping[str, Any]) -> tuple[int, int] | None:
        months, days = int(grant.get("valid_months", 0)), int(grant.get("valid_days", 0))
        return (months, days) if months or days else None

    def batches_of(self, grant: Mapping[str, Any], listed: int) -> list[Batch]:  # noqa: C901, PLR0912
        first = self.when(grant, "granted_on", "granted_at")
        assert first is not None
        months, days = int(grant.get("every_months", 0)), int(grant.get("every_days", 0))
        starts = [first]
        if months or days:
            anchor = first
            if "anchor_on" in grant:
                anchor = self.midnight(date.fromisoformat(grant["anchor_on"]))
            n = 0
            while not starts or starts[-1] <= self.end:
                at = self.shifted(anchor, n * months, n * days)
                n += 1
                if at > first:
                    starts.append(at)
        found = []
        for number, start in enumerate(starts, start=1):
            if start > self.end or number > int(grant.get("times", 10**9)):
                break
            if "until_on" in grant and start >= self.after(grant["until_on"]):
                break
            ends = []
            if grant.get("expires_on", "never") != "never":
                ends.append(self.after(grant["expires_on"]))
            if grant.get("expires_at", "never") != "never":
                ends.append(datetime.fromisoformat(grant["expires_at"]).astimezone(UTC))
            valid = self.lasts(grant)
            if valid is not None:
                if months and "anchor_on" not in grant:
                    ends.append(self.shifted(first, (number - 1) * months + valid[0], valid[1]))
                else:
                    ends.append(self.shifted(start, *valid))
            if is_yes(grant.get("until_next", "no")) and number < len(starts):
                ends.append(starts[number])
            name = f"{grant['id']}/{number}" if months or days else grant["id"]
            found.append(self.batch(grant, name, start, min(ends, default=None), listed))
        return found

    def batch(
        self,
        grant: Mapping[str, Any],
        name: str,
        start: datetime,
        end: datetime | None,
        listed: int,
    ) -> Batch:
        amount, kind = num(grant["amount"]), grant.get("kind", "paid")
        rate = num(grant["rate"]) if "rate" in grant else None
        if "cost" in grant:
            cost = num(grant["cost"])
        elif "unit_cost" in grant:
            cost = amount * num(grant["unit_cost"])
        elif kind == "promotional" or (self.unit and rate is None):
            cost = Fraction(0)
        else:
            cost = amount * (rate or 1)
        return {
            "id": name,
            "grant": grant,
            "amount": amount,
            "whole_cost": rounded(cost, self.minor, "half_even"),
            "left": Fraction(0),
            "cost": Fraction(0),
            "start": start,
            "end": end,
            "void": self.when(grant, "voided_on", "voided_at"),
            "rate": rate,
            "kind": kind,
            "priority": num(grant.get("priority", 0)),
            "products": list(grant.get("products", [])),
            "listed": listed,
            "rolled": 0,
            "gone": None,
            "source": "grant",
        }

    # The book.

    def move(self, batch: Batch, kind: str, credits_: Fraction, cost: Fraction) -> None:
        batch["left"] += credits_
        batch["cost"] += cost
        assert batch["left"] >= 0
        self.moves.append((kind, batch["id"], credits_, cost))

    def leaving(self, batch: Batch, credits_: Fraction) -> Fraction:
        """The cost that leaves with credits: what stays keeps its share, half a cent up."""
        if credits_ == 0:
            return Fraction(0)
        share = batch["cost"] * (batch["left"] - credits_) / batch["left"]
        left: Fraction = batch["cost"] - rounded(share, self.minor, "half_up")
        return left

    def worth(self, batch: Batch) -> Fraction:
        worth: Fraction = batch["left"] * (batch["rate"] or 1)
        return rounded(worth, self.decimals, "down")

    def credits_for(self, batch: Batch, paid: Fraction) -> Fraction:
        if batch["rate"] is None:
            return paid
        return rounded(paid / batch["rate"], self.credit_decimals, "half_even")

    def live(self) -> list[Batch]:
        found = [batch for batch in self.batches if batch["left"] > 0]
        order = self.policy.get("order", ["priority", "expires", "promotional_first", "granted"])
        found.sort(key=lambda b: (b["grant"]["id"], b["start"], b["rolled"], b["id"]))
        for key in reversed(order):
            self.sort(found, key)
        apply = {"first": 0, "in_order": 1, "last": 2}
        found.sort(key=lambda b: apply[self.roll(b).get("apply", "in_order")] if b["rolled"] else 1)
        return found

    def sort(self, found: list[Batch], key: str) -> None:
        """Sort by one key; those alike keep their order."""
        zero = Fraction(0)
        keys: dict[str, Any] = {
            "priority": lambda b: b["priority"],
            "priority_highest": lambda b: -b["priority"],
            "expires": lambda b: b["end"] or FAR,
            "expires_latest": lambda b: FAR - (b["end"] or FAR),
            "promotional_first": lambda b: b["kind"] != "promotional",
            "paid_first": lambda b: b["kind"] != "paid",
            "free_first": lambda b: b["whole_cost"] > 0,
            "cost_lowest": lambda b: b["whole_cost"] / b["amount"] if b["amount"] else zero,
            "cost_highest": lambda b: -b["whole_cost"] / b["amount"] if b["amount"] else zero,
            "granted": lambda b: b["start"],
            "granted_latest": lambda b: FAR - b["start"],
            "rolled_first": lambda b: b["rolled"] == 0,
            "rolled_last": lambda b: b["rolled"] > 0,
            "scoped_first": lambda b: not b["products"],
            "fewest_products": lambda b: len(b["products"]) or 10**9,
            "smallest": lambda b: b["left"],
            "largest": lambda b: -b["left"],
            "listed": lambda b: b["listed"],
            "id": lambda b: (b["grant"]["id"], b["start"], b["rolled"], b["id"]),
        }
        found.sort(key=keys[key])

    def roll(self, batch: Batch) -> Mapping[str, Any]:
        rule = batch["grant"].get("roll_over", {})
        if isinstance(rule, str):
            return {"percent": rule.removesuffix("%").strip()}
        found: Mapping[str, Any] = rule
        return found

    def balance(self) -> Fraction:
        return sum((b["left"] for b in self.batches), Fraction(0)) - sum(
            self.over.values(), Fraction(0)
        )

    def as_far_as(self, owed: Fraction, worth: Fraction) -> Fraction:
        """Count one smallest unit after the other while it is owed and can be paid."""
        units, most = (int(value * 10**self.decimals) for value in (owed, worth))
        if min(units, most) > ONE_BY_ONE:
            return min(owed, worth)
        count = 0
        while count < units and count < most:
            count += 1
        return Fraction(count, 10**self.decimals)

    def take(self, batch: Batch, owed: Fraction, product: str) -> list[Any] | None:
        paid = self.as_far_as(owed, self.worth(batch))
        if paid <= 0:
            return None
        credits_ = min(batch["left"], self.credits_for(batch, paid))
        cost = self.leaving(batch, credits_)
        self.move(batch, "drawdown", -credits_, -cost)
        return [batch["id"], batch, paid, credits_, cost, product]

    def arrive(self, batch: Batch) -> None:
        at = batch["start"]
        if (batch["void"] and batch["void"] <= at) or (batch["end"] and batch["end"] <= at):
            return
        self.batches.append(batch)
        self.move(batch, batch["source"], batch["amount"], batch["whole_cost"])
        for product in list(self.over):
            if batch["products"] and product not in batch["products"]:
                continue
            entry = self.take(batch, self.over[product], product)
            if entry is not None:
                self.lower(product, entry[2])
                self.stand_in(product, entry)
        self.watch(batch)

    def stand_in(self, product: str, entry: list[Any]) -> None:
        """Put a batch where the overdraft had paid, oldest first."""
        left, found, placed = entry[2], [], False
        for old in self.stacks[product]:
            if old[0] != "overdraft" or left == 0:
                found.append(old)
                continue
            if not placed:
                found.append(entry)
                placed = True
            part = min(left, old[2])
            left -= part
            if old[2] > part:
                found.append(["overdraft", None, old[2] - part, 0, 0, product])
        self.stacks[product] = found

    def lower(self, product: str, amount: Fraction) -> None:
        self.over[product] -= amount
        self.moves.append(("overdraft", "overdraft", amount, Fraction(0)))
        if self.over[product] == 0:
            del self.over[product]

    def watch(self, batch: Batch) -> None:
        if batch["end"] is not None:
            late = []
            for one in self.happenings:
                if self.draw == "for_period" and "invoice" in one and "from" in one:
                    start = self.midnight(date.fromisoformat(one["from"]))
                    if start < batch["end"] <= self.at(one):
                        late.append(self.at(one))
            if late:
                self.plan(max(late), 3, "expiry", batch)
            else:
                self.plan(batch["end"], 0, "expiry", batch)
        if batch["void"] is not None:
            self.plan(max(batch["void"], batch["start"]), 0, "void", batch)

    def lapse(self, batch: Batch, kind: str) -> None:
        if batch["gone"] is not None:
            return
        batch["gone"] = kind
        self.remove(batch, kind, batch["left"])

    def remove(self, batch: Batch, kind: str, credits_: Fraction) -> Fraction:
        cost = self.leaving(batch, credits_)
        if credits_:
            self.move(batch, kind, -credits_, -cost)
        return cost

    def kept(self, batch: Batch) -> Fraction:
        rule = self.roll(batch)
        places = self.decimals if batch["rate"] is None else self.credit_decimals
        kept = rounded(batch["left"] * num(rule.get("percent", 100)) / 100, places, "down")
        if "minimum" in rule:
            kept = max(kept, num(rule["minimum"]))
        return min(kept, num(rule["maximum"])) if "maximum" in rule else kept

    def expire(self, batch: Batch) -> None:
        rule = self.roll(batch)
        may = int(rule.get("times", 10**9)) > batch["rolled"]
        if rule and rule.get("at", "expiry") == "expiry" and may and batch["gone"] is None:
            self.roll_over(batch, rule)
        self.lapse(batch, "expiry")
        self.look_at_balance(batch["end"])

    def roll_over(self, batch: Batch, rule: Mapping[str, Any]) -> None:
        kept = self.kept(batch)
        if kept <= 0:
            return
        grant = batch["grant"]
        valid = self.lasts(rule) or self.lasts(grant)
        if valid is None and is_yes(grant.get("until_next", "no")):
            valid = int(grant.get("every_months", 0)), int(grant.get("every_days", 0))
        root = batch["id"].rsplit("+", 1)[0] if batch["rolled"] else batch["id"]
        new = {
            **batch,
            "id": f"{root}+{batch['rolled'] + 1}",
            "amount": kept,
            "left": Fraction(0),
            "cost": Fraction(0),
            "start": batch["end"],
            "end": self.shifted(batch["end"], *valid) if valid else None,
            "rolled": batch["rolled"] + 1,
            "gone": None,
        }
        if "priority" in rule:
            new["priority"] = num(rule["priority"])
        self.batches.append(new)
        carried = min(kept, batch["left"])
        cost = self.leaving(batch, carried)
        self.move(batch, "roll_over", -carried, -cost)
        self.move(new, "roll_over", carried, cost)
        if kept > carried:
            self.move(new, "grant", kept - carried, Fraction(0))
        self.watch(new)

    # Top-ups.

    def is_low(self) -> bool:
        rule = self.policy.get("top_up", {})
        low = "below" in rule and self.balance() < num(rule["below"])
        return low or ("at_or_below" in rule and self.balance() <= num(rule["at_or_below"]))

    def look_at_balance(self, at: datetime) -> None:
        if self.is_low():
            self.top_up(at)

    def top_up(self, at: datetime) -> bool:
        rule = self.policy["top_up"]
        if self.topped >= int(rule.get("times", 10**9)):
            return False
        amount = num(rule["target"]) - self.balance() if "target" in rule else num(rule["amount"])
        if amount <= 0:
            return False
        self.topped += 1
        names = ("kind", "rate", "unit_cost", "priority", "products", "valid_months", "valid_days")
        grant = {key: rule[key] for key in names if key in rule}
        self.add_by_hand({**grant, "id": f"top-up/{self.topped}", "amount": amount}, at)
        return True

    def add_by_hand(self, grant: Mapping[str, Any], at: datetime) -> None:
        valid = self.lasts(grant)
        end = self.shifted(at, *valid) if valid else None
        if grant.get("expires_at", "never") != "never":
            end = datetime.fromisoformat(grant["expires_at"]).astimezone(UTC)
        batch = self.batch(grant, grant["id"], at, end, 10**6 + len(self.batches))
        batch["source"] = "top_up"
        self.arrive(batch)

    # What happens.

    def run(self) -> dict[str, Any]:  # noqa: C901, PLR0912
        self.done = 0
        for listed, grant in enumerate(self.given.get("grants", [])):
            for batch in self.batches_of(grant, listed):
                self.plan(batch["start"], 1, "start", batch)
        rule = self.policy.get("top_up", {})
        if "starts_on" in rule:
            start, n = self.midnight(date.fromisoformat(rule["starts_on"])), 0
            while True:
                at = self.shifted(
                    start, n * int(rule.get("every_months", 0)), n * int(rule.get("every_days", 0))
                )
                if at > self.end:
                    break
                self.plan(at, 1, "top_up", None)
                n += 1
        for one in sorted(self.happenings, key=self.at):
            self.plan(self.at(one), 2, "happening", one)
        while self.todo:
            first = min(self.todo, key=lambda one: one[:3])
            if first[0] > self.end:
                break
            self.todo.remove(first)
            self.done += 1
            at, _, _, what, thing = first
            if what == "start":
                self.arrive(thing)
            elif what == "top_up":
                self.top_up(at)
            elif what == "expiry":
                self.expire(thing)
            elif what == "void":
                self.lapse(thing, "void")
                self.look_at_balance(at)
            else:
                self.happen(thing, at)
        return self.found()

    def happen(self, one: Mapping[str, Any], at: datetime) -> None:  # noqa: C901, PLR0912
        if "use" in one:
            line = {**one, "amount": one["use"]}
            if self.draw == "as_used":
                self.pay([line], one, at)
            else:
                self.waiting.append((at, line))
        elif "invoice" in one:
            lines = one["invoice"] if one["invoice"] != "used" else self.used_in(one)
            self.pay(lines, one, at)
        elif "top_up" in one:
            self.add_by_hand({"id": "top-up", **one["top_up"]}, at)
        elif "expire" in one or "void" in one:
            kind = "expiry" if "expire" in one else "void"
            name = one.get("expire") or one.get("void")
            mine = [b for b in self.live() if name in {b["id"], b["grant"]["id"]}]
            if "amount" in one:
                self.remove_some(mine, kind, num(one["amount"]))
            else:
                for batch in mine:
                    self.lapse(batch, kind)
        elif "deduct" in one:
            self.remove_some(self.live(), "void", num(one["deduct"]))
        elif "refund" in one:
            name = one["refund"]
            mine = [b for b in self.live() if name in {b["id"], b["grant"]["id"]}]
            held = sum((b["left"] for b in mine), Fraction(0))
            wanted = num(one["amount"]) if "amount" in one else held
            self.refunded += self.remove_some(mine, "refund", wanted)
        elif "period_end" in one:
            self.end_period()
        if "look" not in one and "top_up" not in one:
            self.look_at_balance(at)

    def remove_some(self, batches: list[Batch], kind: str, amount: Fraction) -> Fraction:
        cost = Fraction(0)
        for batch in batches:
            part = min(amount, batch["left"])
            cost += self.remove(batch, kind, part)
            amount -= part
        assert amount == 0
        return cost

    def end_period(self) -> None:  # noqa: C901
        for batch in self.live():
            rule = self.roll(batch)
            if rule.get("at") != "period_end":
                continue
            self.survived[batch["id"]] += 1
            over = self.survived[batch["id"]] > int(rule.get("times", 10**9))
            kept = Fraction(0) if over else self.kept(batch)
            if kept < batch["left"]:
                self.remove(batch, "expiry", batch["left"] - kept)
            elif kept > batch["left"]:
                self.move(batch, "grant", kept - batch["left"], Fraction(0))
        how = self.policy.get("overdraft_at_period_end", "kept")
        if how == "kept":
            return
        for product, amount in list(self.over.items()):
            self.lower(product, amount)
            if how == "billed":
                self.rest += amount
            stack = []
            for entry in self.stacks[product]:
                if entry[0] != "overdraft":
                    stack.append(entry)
                elif how == "billed":
                    stack.append(["rest", None, entry[2], 0, 0, product])
            self.stacks[product] = stack

    def used_in(self, one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        lines: dict[str, dict[str, Any]] = {}
        still = []
        for at, line in self.waiting:
            if "from" in one:
                start = self.midnight(date.fromisoformat(one["from"]))
                stop = self.midnight(date.fromisoformat(one["until"]))
                if not start <= at < stop:
                    still.append((at, line))
                    continue
            name = line.get("product", "")
            amount = num(line["amount"]) + (num(lines[name]["amount"]) if name in lines else 0)
            lines[name] = {**line, "amount": amount}
        self.waiting = still
        return list(lines.values())

    def rate_of(self, line: Mapping[str, Any]) -> Fraction:
        text = str(line.get("tax", "0"))
        return num(text[:-1].strip()) / 100 if text.endswith("%") else num(text)

    def owed(self, product: str, amount: Fraction) -> Fraction:
        exact, before = self.sums[product]
        exact += amount
        now = rounded(exact, self.decimals, self.how)
        self.sums[product] = [exact, now]
        return now - before

    def may_pay(self, batch: Batch, one: Mapping[str, Any], at: datetime, product: str) -> bool:
        if batch["products"] and product not in batch["products"]:
            return False
        if self.draw == "for_period" and "from" in one:
            start = self.midnight(date.fromisoformat(one["from"]))
            stop = self.midnight(date.fromisoformat(one["until"]))
            return batch["start"] < stop and (batch["end"] is None or batch["end"] > start)
        return batch["end"] is None or batch["end"] > at

    def pay(self, lines: list[Mapping[str, Any]], one: Mapping[str, Any], at: datetime) -> None:  # noqa: C901
        tax_how = self.policy.get("tax", "untouched")
        opened = []
        for line in lines:
            product = line.get("product", "")
            net = self.owed(product, num(line["amount"]))
            left = net
            if tax_how == "after":
                left += rounded(net * self.rate_of(line), self.decimals, self.how)
            opened.append({"line": line, "product": product, "net": net, "left": left, "got": []})
        for row in opened:
            if row["left"] < 0:
                row["got"] = self.take_back(row["product"], -row["left"])
        due = [row for row in opened if row["left"] > 0]
        if self.policy.get("lines", "in_order") == "spread":
            self.spread(due, one, at)
        for row in due:
            self.pay_row(row, one, at)
        for row in opened:
            credited = sum((entry[2] for entry in row["got"]), Fraction(0))
            base = row["net"] - credited if tax_how == "before" else row["net"]
            tax = rounded(base * self.rate_of(row["line"]), self.decimals, self.how)
            self.paid += credited
            self.tax += tax
            self.rest += row["net"] + tax - credited
            for entry in row["got"]:
                name = entry[1]["grant"]["id"] if entry[1] else entry[0]
                self.draws[name] += entry[2]
                if entry[0] not in self.firsts:
                    self.firsts.append(entry[0])
            if row["net"] >= 0:
                self.stacks[row["product"]] += row["got"]
                if row["left"] > 0:
                    owed = ["rest", None, row["left"], 0, 0, row["product"]]
                    self.stacks[row["product"]].append(owed)

    def got(self, row: dict[str, Any], entry: list[Any] | None) -> None:
        if entry is not None:
            row["got"].append(entry)
            row["left"] -= entry[2]

    def pay_row(self, row: dict[str, Any], one: Mapping[str, Any], at: datetime) -> None:
        during = is_yes(self.policy.get("top_up", {}).get("during_draw", "no"))
        while True:
            for batch in self.live():
                if row["left"] > 0 and self.may_pay(batch, one, at, row["product"]):
                    self.got(row, self.take(batch, row["left"], row["product"]))
            if row["left"] <= 0 or not during or not self.is_low() or not self.top_up(at):
                break
        limit = num(self.policy.get("overdraft", 0)) - sum(self.over.values(), Fraction(0))
        part = min(row["left"], limit)
        if part > 0:
            product = row["product"]
            self.over[product] = self.over.get(product, Fraction(0)) + part
            self.moves.append(("overdraft", "overdraft", -part, Fraction(0)))
            self.got(row, ["overdraft", None, part, part, Fraction(0), product])

    def spread(self, due: list[dict[str, Any]], one: Mapping[str, Any], at: datetime) -> None:
        unit = Fraction(1, 10**self.decimals)
        for batch in self.live():
            mine = [r for r in due if r["left"] > 0 and self.may_pay(batch, one, at, r["product"])]
            if not mine:
                continue
            whole = sum((r["left"] for r in mine), Fraction(0))
            taken = self.as_far_as(whole, self.worth(batch))
            shares = [taken * r["left"] / whole for r in mine]
            given = [share // unit * unit for share in shares]
            missing = int((taken - sum(given)) / unit)
            for _ in range(missing):
                rests = [share - part for share, part in zip(shares, given, strict=True)]
                at_most = rests.index(max(rests))
                given[at_most] += unit
            for row, part in zip(mine, given, strict=True):
                if part:
                    self.got(row, self.take(batch, part, row["product"]))

    def take_back(self, product: str, amount: Fraction) -> list[list[Any]]:
        stack, back = self.stacks[product], []
        while amount > 0 and stack:
            name, batch, paid, credits_, cost, _ = stack.pop()
            part = min(amount, paid)
            amount -= part
            rest = paid - part
            if name == "rest":
                if rest:
                    stack.append(["rest", None, rest, 0, 0, product])
                continue
            if name == "overdraft":
                self.lower(product, part)
                if rest:
                    stack.append(["overdraft", None, rest, rest, Fraction(0), product])
                back.append([name, None, -part, -part, Fraction(0), product])
                continue
            given = min(credits_, self.credits_for(batch, part)) if rest else credits_
            stays = rounded(cost * (credits_ - given) / credits_, self.minor, "half_up")
            if credits_ == given:
                stays = Fraction(0)
            self.move(batch, "return", given, cost - stays)
            if batch["gone"] is not None:
                self.move(batch, batch["gone"], -given, -(cost - stays))
            if rest:
                stack.append([name, batch, rest, credits_ - given, stays, product])
            back.append([name, batch, -part, -given, -(cost - stays), product])
        return back

    def found(self) -> dict[str, Any]:
        kinds: dict[str, Fraction] = defaultdict(Fraction)
        for kind, _, credits_, _ in self.moves:
            kinds[kind] += credits_
        balances: dict[str, Fraction] = defaultdict(Fraction)
        for batch in self.batches:
            balances[batch["grant"]["id"]] += batch["left"]
        used = sum(
            (c for kind, _, _, c in self.moves if kind in {"drawdown", "return"}), Fraction(0)
        )
        gone = sum((c for kind, _, _, c in self.moves if kind == "expiry"), Fraction(0))
        return {
            "balance": self.balance(),
            "balances": dict(balances),
            "blocks": {batch["id"]: batch["left"] for batch in self.batches},
            "paid": self.paid,
            "rest": self.rest,
            "tax": self.tax,
            "draws": dict(self.draws),
            "order": self.firsts,
            "kinds": dict(kinds),
            "overdraft": sum(self.over.values(), Fraction(0)),
            "used_cost": -used,
            "breakage": -gone,
            "refunded": self.refunded,
            "cost_left": sum((batch["cost"] for batch in self.batches), Fraction(0)),
            "movements": [
                {"kind": kind, "grant": name, "amount": credits_, "cost": cost}
                for kind, name, credits_, cost in self.moves
            ],
        }
