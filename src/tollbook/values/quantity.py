"""Exact quantities: read from text or JSON, bounded, never a float."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from typing import Final

# What numeric(38, 12) holds: 26 digits before the point and 12 after it.
INTEGER_DIGITS_MAX: Final = 26
DECIMALS_MAX: Final = 12
TEXT_MAX: Final = 100
_WIDE: Final = Context(prec=2 * TEXT_MAX)

# Sums and products of quantities, never rounded: rather an error than a lost digit.
EXACT: Final = Context(prec=1000, traps=[Inexact, InvalidOperation])


def parse_quantity(value: object) -> Decimal:
    """Read a JSON number or a decimal string as an exact quantity.

    Raises ValueError with a sentence when it is no finite decimal of at most 26 digits before and
    12 after the point. Booleans and floats are refused: a float has already lost its exactness.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError(  # noqa: TRY004 - one kind of error for a caller that has a JSON value
            f"a quantity is a number or a decimal string, not {type(value).__name__}"
        )
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        raise ValueError("a quantity is written with the digits 0 to 9")
    if isinstance(value, str) and len(value) > TEXT_MAX:
        raise ValueError(f"a quantity is written with at most {TEXT_MAX} characters")
    try:
        quantity = Decimal(value)
    except InvalidOperation:
        raise ValueError("a quantity is a number or a decimal string") from None
    if not quantity.is_finite():
        raise ValueError("a quantity must be finite")
    if not quantity:
        # Nothing is nothing: 0E-999999999 would be written with a billion digits.
        return Decimal(0)
    if quantity.adjusted() >= INTEGER_DIGITS_MAX:
        raise ValueError(f"a quantity has at most {INTEGER_DIGITS_MAX} digits before the point")
    # The first digit alone may be too far behind the point for any context to normalize.
    if quantity.adjusted() < -DECIMALS_MAX or _decimals(quantity) > DECIMALS_MAX:
        raise ValueError(f"a quantity has at most {DECIMALS_MAX} decimals")
    return quantity


def to_quantity(value: Fraction) -> Decimal:
    """Write a fraction with 12 decimals, half to even; exact when it has no more of them.

    For what cannot be written exactly, such as an average; done once, at the very end.
    """
    scaled = value * 10**DECIMALS_MAX
    whole, rest = divmod(scaled.numerator, scaled.denominator)
    doubled = 2 * rest
    if doubled > scaled.denominator or (doubled == scaled.denominator and whole % 2):
        whole += 1
    return Decimal(plain(EXACT.scaleb(Decimal(whole), -DECIMALS_MAX)))


def plain(value: Decimal) -> str:
    """Write a decimal as people do: no exponent, no trailing zeros."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _decimals(value: Decimal) -> int:
    exponent = value.normalize(_WIDE).as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)
