"""Prices computed again from their documentation alone: fractions and loops, no shared code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

Written = Mapping[str, Any]
ZERO, ONE = Fraction(0), Fraction(1)
OF_AMOUNT = {"percentage", "graduated_percentage", "volume_percentage", "dynamic", "cost_plus"}
DECIMALS = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3, "CLF": 4}


@dataclass
class Use:
    """What was used."""

    quantity: Fraction
    events: int = 0
    amount: Fraction | None = None
    each: list[tuple[Fraction, Fraction]] | None = None
    cells: list[tuple[dict[str, str], "Use"]] = field(default_factory=list)
    windows: list[Fraction] | None = None

    @property
    def money(self) -> Fraction:
        return self.quantity if self.amount is None else self.amount


class Unsaid(Exception):
    """The price cannot be applied to what is known."""


def number(text: Any) -> Fraction:
    """Read a number or a percentage."""
    text = str(text).replace("_", "").strip()
    return Fraction(text[:-1].strip()) / 100 if text.endswith("%") else Fraction(text)


def use_of(written: Any) -> Use:
    """Read a usage."""
    if not isinstance(written, Mapping):
        return Use(number(written))
    events = written.get("events")
    each = [_event(one) for one in events] if isinstance(events, list) else None
    count = len(each) if each is not None else int(events or 0)
    windows = [number(one) for one in written["windows"]] if "windows" in written else None
    cells = []
    for cell in written.get("cells", []):
        inside = use_of({k: v for k, v in cell.items() if k != "when"} or {"quantity": 0})
        cells.append(({k: str(v) for k, v in cell["when"].items()}, inside))
    amount = number(written["amount"]) if "amount" in written else None
    if amount is None and each is not None:
        amount = sum((money for _, money in each), ZERO)
    if amount is None and any(use.amount is not None for _, use in cells):
        amount = sum((use.amount or ZERO for _, use in cells), ZERO)
    if "quantity" in written:
        quantity = number(written["quantity"])
    elif windows is not None:
        quantity = sum(windows, ZERO)
    elif cells:
        quantity = sum((use.quantity for _, use in cells), ZERO)
    elif each is not None:
        quantity = sum((counted for counted, _ in each), ZERO)
    else:
        assert amount is not None
        quantity = amount
    count = count or sum(use.events for _, use in cells)
    return Use(quantity, count, amount, each, cells, windows)


def _event(written: Any) -> tuple[Fraction, Fraction]:
    if not isinstance(written, Mapping):
        return number(written), number(written)
    quantity = number(written.get("quantity", 1))
    return quantity, number(written["amount"]) if "amount" in written else quantity


def together(first: Use, second: Use) -> Use:
    """Return two usages as one."""
    empty: list[tuple[Fraction, Fraction]] = []
    each = None
    if (first.each is not None or not (first.events or first.money)) and (
        second.each is not None or not (second.events or second.money)
    ):
        each = (first.each or empty) + (second.each or empty)
    has_amount = first.amount is not None or second.amount is not None
    windows = None
    if first.windows is not None or second.windows is not None:
        windows = (first.windows or []) + (second.windows or [])
    return Use(
        first.quantity + second.quantity,
        first.events + second.events,
        first.money + second.money if has_amount else None,
        each,
        first.cells + second.cells,
        windows,
    )


def given_amount(given: Written) -> Fraction:
    """Return what a vector comes to."""
    price = given["price"]
    if "split" in given:
        return sum(given_slices(given), ZERO)
    now = use_of({k: v for k, v in given.items() if k not in {"price", "before", "ends"}})
    is_last = given.get("ends", "yes") == "yes"
    so_far = price if is_last else unfinished(price)
    if "before" not in given:
        return amount(so_far, now)
    before = use_of(given["before"])
    return amount(so_far, together(before, now)) - amount(unfinished(price), before)


def unfinished(price: Written) -> Written:
    """Return a price without what is only due when the span ends."""
    if price.get("minimum_due") != "at_end":
        return price
    bare = {key: value for key, value in price.items() if key != "minimum"}
    if "steps" in price:
        bare["steps"] = [one for one in price["steps"] if one == "price" or "minimum" not in one]
    if "commitment" in price:
        bare["commitment"] = {**price["commitment"], "true_up": "no"}
    return bare


def given_slices(given: Written) -> list[Fraction]:
    """Return what each slice of a vector comes to."""
    found: list[Fraction] = []
    whole: Use | None = None
    for at, one in enumerate(given["split"]):
        whole = use_of(one) if whole is None else together(whole, use_of(one))
        is_last = at == len(given["split"]) - 1
        price = given["price"] if is_last else unfinished(given["price"])
        found.append(amount(price, whole) - sum(found, ZERO))
    return found


def amount(price: Written, use: Use) -> Fraction:
    """Return what a usage costs."""
    return sum(lines_of(price, use, price["currency"]), ZERO)


def lines_of(price: Written, use: Use, currency: str) -> list[Fraction]:
    """Return the lines of what a usage costs."""
    measure = use.money if price["model"] in OF_AMOUNT else use.quantity
    if measure < 0 and price["model"] != "matrix":
        policy = price.get("negative_usage", "refuse")
        if policy == "refuse":
            raise Unsaid
        if policy == "zero":
            windows = None if use.windows is None else [ZERO for _ in use.windows]
            return _steps(price, Use(ZERO, each=[], windows=windows), currency)
        turned = Use(
            -use.quantity,
            use.events,
            None if use.amount is None else -use.amount,
            None if use.each is None else [(-q, -a) for q, a in use.each],
            use.cells,
            use.windows,
        )
        unbound = {k: v for k, v in price.items() if k not in {"minimum", "maximum"}}
        if "steps" in price:
            unbound["steps"] = [
                one for one in price["steps"] if not (set(one) & {"minimum", "maximum"})
            ]
        return [-line for line in _steps(unbound, turned, currency)]
    return _steps(price, use, currency)


def _steps(price: Written, use: Use, currency: str) -> list[Fraction]:
    steps = price.get("steps")
    if steps is None:
        steps = [{"include": price["included"]}] if number(price.get("included", 0)) else []
        steps += ["price"]
        steps += [{name: price[name]} for name in ("maximum", "minimum") if name in price]
    measured = "money" if price["model"] in OF_AMOUNT else "quantity"
    is_used = bool(use.quantity or use.events or use.money or use.cells)
    left: Fraction = use.money if measured == "money" else use.quantity
    lines: list[Fraction] = []
    for step in steps:
        if step == "price":
            now = Use(use.quantity, use.events, use.amount, use.each, use.cells, use.windows)
            if measured == "money":
                now.amount = left
            else:
                now.amount = use.amount
                now.quantity = left
            lines += _rounded(price, _lines(price, now, currency), currency)
            continue
        [(kind, what)] = step.items()
        if kind == "convert":
            left = converted(left, what)
        elif kind in {"include", "discount_usage"}:
            off = left * number(what) if str(what).endswith("%") else number(what)
            left -= max(min(off, left), ZERO)
        else:
            change = _change(kind, what, sum(lines, ZERO))
            if kind == "minimum" and not is_used and price.get("minimum_at_zero") == "skip":
                change = ZERO
            lines += _rounded(price, [change], currency)
    return lines


def _change(kind: str, what: Any, total: Fraction) -> Fraction:
    if kind == "discount":
        if total <= 0:
            return ZERO
        if isinstance(what, Mapping):
            what = f"{what['percent']}%" if "percent" in what else what["amount"]
        return -total * number(what) if str(what).endswith("%") else -min(number(what), total)
    if kind == "factor":
        return total * (number(what) - 1)
    if kind == "maximum":
        return min(number(what) - total, ZERO)
    return max(number(what) - total, ZERO)


def converted(quantity: Fraction, how: Written) -> Fraction:
    """Return a quantity in another unit."""
    value = quantity * number(how.get("multiply_by", 1)) / number(how.get("divide_by", 1))
    rounding = how.get("rounding", "none")
    if rounding == "none":
        return value
    grid = number(how.get("multiple_of", Fraction(1, 10 ** int(how.get("decimals", 0)))))
    return rounded(value / grid, 0, rounding) * grid


def rounded(value: Fraction, decimals: int, rounding: str) -> Fraction:
    """Round by looking at the two neighbours and at which of them is nearer."""
    scaled = value * 10**decimals
    low = Fraction(scaled.numerator // scaled.denominator)
    if low == scaled:
        return value
    high = low + 1
    toward_zero, away = (low, high) if scaled > 0 else (high, low)
    nearer = low if scaled - low < high - scaled else high
    is_half = scaled - low == high - scaled
    even = low if int(low) % 2 == 0 else high
    chosen: Fraction = {
        "floor": low,
        "ceiling": high,
        "down": toward_zero,
        "up": away,
        "half_up": away if is_half else nearer,
        "half_down": toward_zero if is_half else nearer,
        "half_even": even if is_half else nearer,
    }[rounding]
    return chosen / Fraction(10**decimals)


def payable(value: Fraction, price: Written) -> Fraction:
    """Return what an invoice line shows."""
    return rounded(value, DECIMALS[price["currency"]], price.get("rounding", "half_even"))


def _rounded(price: Written, lines: Sequence[Fraction], currency: str) -> list[Fraction]:
    policy = price.get("round_parts")
    if policy is None:
        return list(lines)
    if isinstance(policy, str):
        policy = {"rounding": policy}
    decimals = int(policy.get("decimals", DECIMALS[currency]))
    rounding = policy.get("rounding", "half_up")
    return [rounded(line, decimals, rounding) for line in lines]


def _lines(price: Written, use: Use, currency: str) -> list[Fraction]:
    """Return the lines of the model, with the commitment over it."""
    promise = price.get("commitment")
    if promise is None:
        return _model(price, use, currency)
    windows = [use.quantity]
    if promise.get("window", "period") != "period":
        if use.windows is None:
            raise Unsaid
        windows = use.windows

    def cost(quantity: Fraction) -> Fraction:
        return sum(_model(price, Use(quantity), currency), ZERO)

    level = number(promise["amount"]) if "amount" in promise else cost(number(promise["quantity"]))
    owed = ZERO
    for window in windows:
        spent = cost(window)
        if spent > level:
            owed += level + (spent - level) * number(promise.get("overage_factor", 1))
        else:
            owed += level if str(promise.get("true_up", "no")) in {"yes", "true"} else spent
    return [owed]


def _model(price: Written, use: Use, currency: str) -> list[Fraction]:
    model = price["model"]
    known: dict[str, Callable[[], list[Fraction]]] = {
        "flat": lambda: [number(price.get("amount", price.get("flat_amount", 0)))],
        "unit": lambda: [use.quantity * number(price["unit_price"]) / number(price.get("per", 1))],
        "package": lambda: [
            packages(use.quantity, number(price.get("per", 1))) * number(price["unit_price"])
        ],
        "percentage": lambda: _percentage(price, use),
        "dynamic": lambda: [use.money],
        "cost_plus": lambda: [use.money, use.money * number(price["markup"])],
        "matrix": lambda: _matrix(price, use, currency),
        "expression": lambda: [_formula(price["expression"], use)],
    }
    if model in known:
        return known[model]()
    return _tiered(price, use.money if model in OF_AMOUNT else use.quantity)


def packages(quantity: Fraction, size: Fraction) -> Fraction:
    """Return the packages that are begun."""
    full = Fraction((quantity / size).__floor__())
    return full + 1 if full * size < quantity else full


def _tiered(price: Written, quantity: Fraction) -> list[Fraction]:
    """Fill the tiers one after the other, or find the one that is reached."""
    model, tiers = price["model"], price.get("tiers") or [{"unit_price": price["unit_price"]}]
    is_open = price.get("tier_edge") == "exclusive"
    edges = [number(tier["up_to"]) if tier.get("up_to") else None for tier in tiers]
    lows = [ZERO] + [edge for edge in edges if edge is not None]
    entered: list[tuple[int, Fraction]] = []
    if model.startswith("volume"):
        for at, edge in enumerate(edges):
            if edge is None or quantity < edge or (quantity == edge and not is_open):
                entered = [(at, quantity)]
                break
    else:
        for at, edge in enumerate(edges):
            if at and not (quantity > lows[at] or (is_open and quantity == lows[at])):
                break
            top = quantity if edge is None else min(edge, quantity)
            entered.append((at, top - lows[at]))
    if quantity == 0 and price.get("tier_flat_at_zero") != "bill":
        entered = []
    lines = []
    for place, (at, inside) in enumerate(entered):
        tier = tiers[at]
        lines.append(_tier(price, tier, inside))
        if place == len(entered) - 1 or price.get("tier_flat", "entered") == "entered":
            lines.append(number(tier.get("flat_amount", 0)))
    return lines


def _tier(price: Written, tier: Written, inside: Fraction) -> Fraction:
    if price["model"] in OF_AMOUNT:
        return inside * number(tier["rate"])
    unit_price = number(tier.get("unit_price", 0))
    if not price["model"].endswith("package"):
        return inside * unit_price / number(price.get("per", 1))
    size = tier.get("per", price.get("per", 1))
    if "per" not in tier and number(size) == 1:
        return inside * unit_price
    return packages(inside, number(size)) * unit_price


def _percentage(price: Written, use: Use) -> list[Fraction]:
    rate, fee = number(price.get("rate", 0)), number(price.get("fixed_fee", 0))
    limit = number(price["free_amount"]) if "free_amount" in price else None
    bounds = [number(price[k]) if k in price else None for k in ("event_minimum", "event_maximum")]
    by_event = "free_events" in price or bounds != [None, None] or (limit is not None and fee != 0)
    if not by_event:
        free = min(limit or ZERO, use.money)
        return [(use.money - free) * rate, use.events * fee]
    if use.each is None and (use.events or use.money):
        raise Unsaid
    seen, lines = ZERO, [ZERO, ZERO, ZERO, ZERO]
    for at, (_, money) in enumerate(use.each or []):
        may_be_free = limit is not None or "free_events" in price
        if "free_events" in price and at >= int(price["free_events"]):
            may_be_free = False
        free = ZERO
        if may_be_free:
            free = money if limit is None else min(money, max(limit - seen, ZERO))
        seen += money
        if may_be_free and (
            limit is None
            or seen < limit
            or (seen == limit and price.get("free_edge", "inclusive") == "inclusive")
        ):
            continue
        cost = (money - free) * rate + fee
        lines[0] += (money - free) * rate
        lines[1] += fee
        least, most = bounds
        wanted = cost if least is None else max(cost, least)
        wanted = wanted if most is None else min(wanted, most)
        lines[2 if wanted > cost else 3] += wanted - cost
    return lines


def _matrix(price: Written, use: Use, currency: str) -> list[Fraction]:
    left: list[tuple[dict[str, str], Use]] = list(use.cells)
    lines: list[Fraction] = []
    if not left and (use.quantity or use.events):
        raise Unsaid
    for cell in price.get("cells", []):
        mine = [one for one in left if all(one[0].get(k) == v for k, v in cell["when"].items())]
        left = [one for one in left if one not in mine]
        if mine:
            inside = {k: v for k, v in cell.items() if k != "when"}
            lines += lines_of(_nested(inside.get("price", inside)), _sum(mine), currency)
    if left:
        if "default" not in price:
            raise Unsaid
        lines += lines_of(_nested(price["default"]), _sum(left), currency)
    return lines


def _nested(written: Any) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        return {"model": "unit", "unit_price": written}
    return {"model": "unit", **written}


def _sum(cells: Sequence[tuple[dict[str, str], Use]]) -> Use:
    uses = [use for _, use in cells]
    has_amount = any(use.amount is not None for use in uses)
    return Use(
        sum((use.quantity for use in uses), ZERO),
        sum(use.events for use in uses),
        sum((use.amount or ZERO for use in uses), ZERO) if has_amount else None,
    )


def _formula(text: str, use: Use) -> Fraction:
    """Let Python itself read the formula, on fractions: only for the texts of these tests."""
    names = {
        "quantity": use.quantity,
        "events": Fraction(use.events),
        "amount": use.money,
        "min": min,
        "max": max,
        "ceil": lambda x: Fraction(x.__ceil__()),
        "floor": lambda x: Fraction(x.__floor__()),
        "round": lambda x, n=ZERO: rounded(x, int(n), "half_up"),
        "choose": lambda c, x, y: x if c else y,
        "F": Fraction,
    }
    tokens, at = [], 0
    while at < len(text):
        start = at
        while at < len(text) and (text[at].isdigit() or text[at] == "."):
            at += 1
        if at > start:
            tokens.append(f"F('{text[start:at]}')")
            continue
        tokens.append(text[at])
        at += 1
    source = "".join(tokens).replace("if(", "choose(")
    return Fraction(eval(source, {"__builtins__": {}}, names))
