"""Exact amounts: `Precise` until the document, `Money` from the document on, `settle` between."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    Inexact,
)
from fractions import Fraction
from typing import Final, Literal, Self, get_args

Rounding = Literal["half_even", "half_up", "half_down", "down", "up", "floor", "ceiling"]

ROUNDINGS: Final[tuple[Rounding, ...]] = get_args(Rounding)

_DECIMAL_ROUNDING: Final[dict[Rounding, str]] = {
    "half_even": ROUND_HALF_EVEN,
    "half_up": ROUND_HALF_UP,
    "half_down": ROUND_HALF_DOWN,
    "down": ROUND_DOWN,
    "up": ROUND_UP,
    "floor": ROUND_FLOOR,
    "ceiling": ROUND_CEILING,
}

# Wide enough for a 38-digit quantity times a 12-decimal price and every factor that the steps of a
# price may multiply it with, exactly.
DIGITS_MAX: Final = 1000
EXACT: Final = Context(prec=DIGITS_MAX, traps=[Inexact])
_ROUNDING: Final = Context(prec=DIGITS_MAX)
# One minor unit, by how many decimals it has.
_UNITS: Final = [Decimal(1).scaleb(-decimals) for decimals in range(5)]

# ISO 4217:2015, by the number of decimals of the minor unit.
_CURRENCIES: Final[dict[int, str]] = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN
        BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP
        GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP
        LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR
        NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN
        SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR
        ZMW ZWG""",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS: Final[dict[str, int]] = {
    code: exponent for exponent, codes in _CURRENCIES.items() for code in codes.split()
}


def minor_exponent(currency: str) -> int:
    """Return how many decimals the currency's minor unit has (ISO 4217); ValueError if unknown."""
    if currency not in _EXPONENTS:
        raise ValueError(f"{currency!r} is not a currency of ISO 4217")
    return _EXPONENTS[currency]


@dataclass(frozen=True, slots=True)
class Precise:
    """An exact amount in major units of a currency. Rating works here; it is never payable."""

    value: Decimal
    currency: str

    def __post_init__(self) -> None:
        minor_exponent(self.currency)
        if not self.value.is_finite():
            raise ValueError(f"an amount must be a finite decimal, not {self.value}")

    def __add__(self, other: Self) -> "Precise":
        _same_currency(self.currency, other.currency)
        return Precise(EXACT.add(self.value, other.value), self.currency)

    def __sub__(self, other: Self) -> "Precise":
        _same_currency(self.currency, other.currency)
        return Precise(EXACT.subtract(self.value, other.value), self.currency)

    def __neg__(self) -> "Precise":
        return Precise(EXACT.minus(self.value), self.currency)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """A whole number of minor units (cents) of a currency. Documents, ledger and ERP work here."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        minor_exponent(self.currency)

    def __add__(self, other: Self) -> "Money":
        _same_currency(self.currency, other.currency)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Self) -> "Money":
        _same_currency(self.currency, other.currency)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    @property
    def major(self) -> Decimal:
        """The amount in major units, with the currency's own number of decimals."""
        return Decimal(self.minor).scaleb(-minor_exponent(self.currency))

    def __str__(self) -> str:
        return f"{self.major:,f} {self.currency}"


@dataclass(frozen=True, slots=True)
class Settled:
    """What `settle` returns: the payable amount, and what rounding left over, in major units."""

    money: Money
    residue: Decimal


def _same_currency(left: str, right: str) -> None:
    if left != right:
        raise ValueError(f"{left} and {right} cannot meet in one sum: convert with a dated rate")


def settle(precise: Precise, rounding: Rounding = "half_even") -> Settled:
    """Round a precise amount to minor units; residue = precise - money. The only place that rounds.

    The rounding is a policy stored with the price; half to even is the default (IEEE 754, and no
    bias over many lines).
    """
    exponent = minor_exponent(precise.currency)
    rounded = precise.value.quantize(
        _UNITS[exponent], rounding=_DECIMAL_ROUNDING[rounding], context=_ROUNDING
    )
    money = Money(int(_ROUNDING.scaleb(rounded, exponent)), precise.currency)
    return Settled(money, EXACT.subtract(precise.value, rounded))


def settle_fraction(value: Fraction, currency: str, rounding: Rounding = "half_even") -> Money:
    """Round an exact fraction of major units, such as a third, to minor units; as `settle` does."""
    exponent = minor_exponent(currency)
    digits, rest = divmod(abs(value.numerator) * 10 ** (exponent + 1), value.denominator)
    # One digit more than is kept, then one that only says whether anything is left behind them:
    # enough to tell below, at and above the half.
    told = Decimal(digits * 10 + bool(rest)).scaleb(-exponent - 2)
    return settle(Precise(told if value >= 0 else -told, currency), rounding).money


def settle_together(
    exact: Sequence[Fraction], currency: str, rounding: Rounding = "half_even"
) -> list[Money]:
    """Round the sum once, and give the parts' missing units to the largest remainders, first wins.

    What is negative in all is divided as its mirror image, so that taking everything back takes
    back each part, whatever their signs.
    """
    whole = sum(exact, Fraction(0))
    sign = next((part for part in (whole, *exact) if part), Fraction(0))
    if sign < 0:
        return [-part for part in settle_together([-one for one in exact], currency, rounding)]
    floors = [settle_fraction(part, currency, "floor") for part in exact]
    missing = settle_fraction(whole, currency, rounding).minor - sum(one.minor for one in floors)
    residues = [part - Fraction(one.major) for part, one in zip(exact, floors, strict=True)]
    by_remainder = sorted(range(len(floors)), key=lambda at: (-residues[at], at))
    for at in by_remainder[:missing]:
        floors[at] += Money(1, currency)
    return floors


def money_of(value: Decimal, currency: str) -> Money:
    """Read an amount in major units that must already be whole minor units; ValueError if not."""
    settled = settle(Precise(value, currency))
    if settled.residue != 0:
        raise ValueError(f"{value} has more decimals than {currency} has")
    return settled.money


def is_payable(value: Decimal, currency: str) -> bool:
    """Tell whether an amount in major units is whole minor units of its currency."""
    try:
        money_of(value, currency)
    except ValueError:
        return False
    return True


def split(money: Money, weights: Sequence[int | Decimal]) -> list[Money]:
    """Divide money by weights so that the parts sum to the whole (largest remainder, first wins)."""
    shares = [Fraction(weight) for weight in weights]
    total = sum(shares, Fraction(0))
    if total <= 0 or any(share < 0 for share in shares):
        raise ValueError("weights must not be negative and must not all be zero")
    ideal = [Fraction(money.minor) * share / total for share in shares]
    floors = [amount.numerator // amount.denominator for amount in ideal]
    missing = money.minor - sum(floors)
    by_remainder = sorted(range(len(ideal)), key=lambda at: (floors[at] - ideal[at], at))
    for at in by_remainder[:missing]:
        floors[at] += 1
    assert sum(floors) == money.minor
    return [Money(minor, money.currency) for minor in floors]


def sum_money(amounts: Sequence[Money], currency: str) -> Money:
    """Add money of one currency; zero of that currency when there is none."""
    total = Money(0, currency)
    for amount in amounts:
        total = total + amount
    return total


def sum_precise(amounts: Sequence[Precise]) -> Precise:
    """Add exact amounts of one currency; there must be at least one."""
    first, *others = amounts
    for amount in others:
        first = first + amount
    return first
