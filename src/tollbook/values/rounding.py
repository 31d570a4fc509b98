"""Rounds an exact number to whole units, to decimals or to a multiple, by every mode there is."""

from decimal import Decimal
from fractions import Fraction

from tollbook.values.money import EXACT, Rounding

HALF = Fraction(1, 2)


def whole(value: Fraction, rounding: Rounding) -> int:
    """Return the whole number that an exact one is rounded to; `up` is away from zero."""
    below = value.numerator // value.denominator
    rest = value - below
    if not rest:
        return below
    is_up = {
        "floor": False,
        "ceiling": True,
        "down": value < 0,
        "up": value > 0,
        "half_up": rest > HALF or (rest == HALF and value > 0),
        "half_down": rest > HALF or (rest == HALF and value < 0),
        "half_even": rest > HALF or (rest == HALF and below % 2 == 1),
    }
    return below + is_up[rounding]


def to_decimals(value: Decimal, decimals: int, rounding: Rounding) -> Decimal:
    """Return a number with at most so many decimals."""
    scaled = Fraction(value) * 10**decimals
    return Decimal(whole(scaled, rounding)).scaleb(-decimals, EXACT)


def to_multiple(value: Fraction, multiple: Decimal, rounding: Rounding) -> Decimal:
    """Return the multiple that an exact number is rounded to; `multiple` is above zero."""
    return EXACT.multiply(Decimal(whole(value / Fraction(multiple), rounding)), multiple)
