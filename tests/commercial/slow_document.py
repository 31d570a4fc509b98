"""Documents again, slowly: cent by cent and with fractions, written from docs/reference/vectors.md."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

CENT = Fraction(1, 100)


def cents(exact: Fraction, mode: str) -> int:
    """Round to cents by walking to the nearest ones."""
    low = exact * 100 // 1
    rest = exact * 100 - low
    up = {
        "half_up": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and exact > 0),
        "half_even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and low % 2 == 1),
        "down": exact < 0 and rest > 0,
        "floor": False,
        "ceiling": rest > 0,
    }[mode]
    return int(low) + int(up)


def divided(total: int, weights: Sequence[Fraction]) -> list[int]:
    """Hand out cents one by one, each to the part that has least of what is its due."""
    whole = sum(weights)
    given = [int(total * weight / whole // 1) for weight in weights]
    while sum(given) < total:
        gaps = [
            total * weight / whole - share for weight, share in zip(weights, given, strict=True)
        ]
        given[gaps.index(max(gaps))] += 1
    return given


def document(given: Mapping[str, Any]) -> dict[str, Any]:
    """Lines, discounts, limits: the net cents of each line and of the lines that are added."""
    gross = [cents(Fraction(line["amount"]), "half_even") for line in given["lines"]]
    net, lines = list(gross), list(given["lines"])
    for rule in given["adjustments"]:
        scope = [at for at, line in enumerate(lines) if _is_for(rule, line)]
        if rule["kind"] == "minimum":
            so_far = sum(net[at] for at in scope)
            missing = cents(Fraction(rule["amount"]), "half_up") - so_far
            if missing > 0 and not (so_far == 0 and rule.get("without_usage") == "skip"):
                lines.append(_added(rule, lines))
                net.append(missing)
                gross.append(missing)
            continue
        scope = [at for at in scope if net[at] > 0]
        if not scope:
            continue
        for at, cut in zip(scope, _cuts(rule, scope, gross, net), strict=True):
            net[at] -= min(max(cut, 0), net[at])
    own = len(given["lines"])
    return {"net": net[:own], "added": net[own:]}


def _added(rule: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The line of a minimum: for its product, the first it is for, or the first there is."""
    products = [
        rule.get("product"),
        *rule.get("products", []),
        *(line["product"] for line in lines),
    ]
    kind = "fixed" if rule.get("applies_to") == "fixed" else "usage"
    return {"product": next(filter(None, products), ""), "kind": kind}


def _is_for(rule: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    products, kinds = rule.get("products"), rule.get("applies_to", "all")
    return (not products or line["product"] in products) and kinds in {"all", line["kind"]}


def _cuts(
    rule: Mapping[str, Any], scope: Sequence[int], gross: Sequence[int], net: Sequence[int]
) -> list[int]:
    weights = [Fraction(net[at]) for at in scope]
    if rule["kind"] == "maximum":
        excess = sum(net[at] for at in scope) - cents(Fraction(rule["amount"]), "half_up")
        return divided(excess, weights) if excess > 0 else [0] * len(scope)
    mode = rule.get("rounding", "half_up")
    if "amount" in rule:
        most = min(cents(Fraction(rule["amount"]), mode), sum(net[at] for at in scope))
        return divided(most, weights)
    of = [gross[at] if rule.get("base") == "gross" else net[at] for at in scope]
    rate = Fraction(rule["percent"]) / 100
    if rule.get("rounded") == "line":
        return [cents(one * CENT * rate, mode) for one in of]
    return divided(cents(sum(of) * CENT * rate, mode), [Fraction(one) for one in of])


def taxes(given: Mapping[str, Any]) -> list[list[int]]:
    """The cents of tax of each line at each rate."""
    rates = [Fraction(rate) for rate in given["rates"].values()]
    whole = 1 + sum(rates) if "gross" in given else 1
    bases = given.get("gross") or given["net"]
    exact = [[Fraction(base) * rate / whole for rate in rates] for base in bases]
    places = [(at, one) for at in range(len(exact)) for one in range(len(rates))]
    groups: dict[Any, list[tuple[int, int]]] = {}
    for place in places:
        key = {"line": place, "document": place[1], "total": 0}[given["tax_rounding"]]
        groups.setdefault(key, []).append(place)
    found = [[0] * len(rates) for _ in exact]
    for members in groups.values():
        parts = [exact[at][one] for at, one in members]
        sign = -1 if sum(parts) < 0 or (sum(parts) == 0 and next(filter(None, parts), 0) < 0) else 1
        parts = [sign * part for part in parts]
        total = cents(sum(parts, Fraction(0)), given["tax_rounding_mode"])
        shares = [int(part * 100 // 1) for part in parts]
        while sum(shares) < total:
            gaps = [part * 100 - share for part, share in zip(parts, shares, strict=True)]
            shares[gaps.index(max(gaps))] += 1
        for (at, one), share in zip(members, shares, strict=True):
            found[at][one] = sign * share
    return found


def pool(given: Mapping[str, Any]) -> tuple[list[Fraction], Fraction]:
    """Hand a pool to usages in turn, a unit at a time."""
    left, free = int(given["pool"]), []
    for usage in map(int, given["usages"]):
        share = 0
        while share < usage and left > 0:
            share, left = share + 1, left - 1
        free.append(Fraction(share))
    return free, Fraction(left)


def rolled(given: Mapping[str, Any]) -> list[dict[str, int]]:
    """Use units one by one, each with the last period in which it may be used."""
    life = int(given["roll_over"]["periods"])
    cap = given["roll_over"].get("cap")
    units: list[int] = []
    found = []
    for period, usage in enumerate(map(int, given["usages"])):
        carried = len(units)
        units += [period + life] * int(given["allowance"])
        free = min(usage, len(units))
        last = given["roll_over"].get("use") == "last"
        own = period + life
        units = sorted(units, key=lambda ends: (ends != own, ends) if last else (False, ends))[
            free:
        ]
        units.sort()
        kept = [last for last in units if last > period]
        if cap is not None:
            kept = kept[max(0, len(kept) - int(cap)) :]
        found.append(
            {
                "free": free,
                "paid": usage - free,
                "carried": carried,
                "expired": len(units) - len(kept),
                "rolled": len(kept),
            }
        )
        units = kept
    return found


def committed(given: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Shortfall and overage of each period, in cents."""
    amount, factor = Fraction(given["amount"]), Fraction(given["overage_factor"])
    so_far, found = Fraction(0), []
    for at, used in enumerate(map(Fraction, given["used"])):
        if given["true_up"] == "each_period":
            so_far = Fraction(0)
        is_end = given["true_up"] == "each_period" or at == len(given["used"]) - 1
        beyond = max(so_far + used - amount, Fraction(0)) - max(so_far - amount, Fraction(0))
        so_far += used
        missing = max(amount - so_far, Fraction(0)) if is_end else Fraction(0)
        found.append((cents(missing, "half_even"), cents(beyond * (factor - 1), "half_even")))
    return found


def credited(given: Mapping[str, Any]) -> list[list[int]]:
    """Tax of each memo's lines when each line is rounded: what is due so far less what was given."""
    so_far = [0] * len(given["lines"])
    taken = [0] * len(given["lines"])
    found = []
    for memo in given["memos"]:
        taxes_of_memo = []
        for one in memo["lines"]:
            at = int(one["line"]) - 1
            net = int(Fraction(given["lines"][at]["net"]) * 100)
            tax = int(Fraction(given["lines"][at]["tax"]) * 100)
            so_far[at] += int(Fraction(one["net"]) * 100)
            due = Fraction(tax * so_far[at], net) - taken[at]
            share = tax - taken[at] if so_far[at] == net else cents(due / 100, "half_up")
            taken[at] += share
            taxes_of_memo.append(share)
        found.append(taxes_of_memo)
    return found
