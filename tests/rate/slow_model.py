"""The price models written again, slowly: fractions, one unit after the other, no shared code."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

Written = Mapping[str, Any]


def amount(price: Written, quantity: Fraction) -> Fraction:
    """Return what a quantity costs at a price as it is written in a file."""
    included = Fraction(price.get("included", 0))
    paid = quantity - included if quantity > included else Fraction(0)
    model = price["model"]
    if model == "flat":
        result = Fraction(price.get("amount", price.get("flat_amount", 0)))
    elif model == "package":
        result = _packages(Fraction(price["per"]), Fraction(price["unit_price"]), paid)
    elif model == "volume":
        result = _volume(price, paid)
    else:
        result = _unit_by_unit(price, paid)
    minimum = Fraction(price.get("minimum", 0))
    return max(result, minimum)


def payable(exact: Fraction, decimals: int, rounding: str) -> Fraction:
    """Return an amount rounded to a currency's decimals, decided on the remainder alone."""
    scaled = exact * 10**decimals
    below = scaled.numerator // scaled.denominator
    rest = scaled - below
    up = {
        "floor": False,
        "ceiling": rest > 0,
        "down": scaled < 0 and rest > 0,
        "up": scaled > 0 and rest > 0,
        "half_up": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and scaled > 0),
        "half_down": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and scaled < 0),
        "half_even": rest > Fraction(1, 2) or (rest == Fraction(1, 2) and below % 2 == 1),
    }[rounding]
    return Fraction(below + up, 10**decimals)


def _tiers(price: Written) -> list[tuple[Fraction | None, Fraction, Fraction]]:
    written: Sequence[Written] = price.get("tiers") or [{"unit_price": price["unit_price"]}]
    return [
        (
            Fraction(tier["up_to"]) if tier.get("up_to") is not None else None,
            Fraction(tier["unit_price"]) / Fraction(price.get("per", 1)),
            Fraction(tier.get("flat_amount", 0)),
        )
        for tier in written
    ]


def _unit_by_unit(price: Written, quantity: Fraction) -> Fraction:
    """Sell the quantity unit by unit (in large steps where nothing changes), at each one's tier."""
    tiers, sold, result, entered = _tiers(price), Fraction(0), Fraction(0), set()
    while sold < quantity:
        at = next(n for n, (up_to, _, _) in enumerate(tiers) if up_to is None or sold < up_to)
        up_to, unit_price, flat_amount = tiers[at]
        if at not in entered:
            entered.add(at)
            result += flat_amount
        room = quantity - sold if up_to is None else min(quantity, up_to) - sold
        step = min(room, Fraction(1)) if quantity < 2000 else room
        result += step * unit_price
        sold += step
    return result


def _volume(price: Written, quantity: Fraction) -> Fraction:
    if quantity == 0:
        return Fraction(0)
    reached = [tier for tier in _tiers(price) if tier[0] is None or tier[0] >= quantity]
    _, unit_price, flat_amount = reached[0]
    return quantity * unit_price + flat_amount


def _packages(size: Fraction, unit_price: Fraction, quantity: Fraction) -> Fraction:
    if quantity / size < 2000:
        opened = 0
        while opened * size < quantity:
            opened += 1
    else:
        opened = -((-quantity / size).__floor__())
    return opened * unit_price
