"""Credits part of an issued invoice: what is taken back of each line, and the tax with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tollbook.errors import Rejected
from tollbook.values.money import Money, Rounding, settle_fraction, settle_together

Level = Literal["line", "total"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the invoice with the tax on it, and what earlier credit memos took back of both."""

    net: Money
    tax: Money
    credited_net: Money
    credited_tax: Money


@dataclass(frozen=True, slots=True)
class Credited:
    """What a credit memo takes back of one line; both are positive."""

    line: int
    net: Money
    tax: Money

    @property
    def total(self) -> Money:
        """Net and tax."""
        return self.net + self.tax


def credit(
    lines: Sequence[Line],
    amounts: Mapping[int, Money],
    *,
    level: Level = "line",
    rounding: Rounding = "half_up",
) -> list[Credited]:
    """Return what a memo takes back, given the net amount for each line.

    The tax of a line taken back so far is its tax times the part of its net taken back so far, so
    that credits of the whole line take back the whole tax, however they were divided. `level: line`
    rounds it on each line, and the total is the sum of rounded parts; `total` rounds the sum of the
    exact parts once and gives the difference to the largest remainders.

    Raises Rejected `invoice.credit_too_much` when more is taken back than is left.
    """
    exact: dict[int, Fraction] = {}
    for at, amount in sorted(amounts.items()):
        line = lines[at]
        so_far = line.credited_net + amount
        if amount.minor < 0 or so_far.minor > line.net.minor:
            raise Rejected(
                "invoice.credit_too_much",
                f"Line {at + 1} has {line.net - line.credited_net} left to credit, not {amount}.",
            )
        part = Fraction(so_far.minor, line.net.minor) if line.net.minor else Fraction(0)
        exact[at] = Fraction(line.tax.major) * part - Fraction(line.credited_tax.major)
    taxes = _rounded(exact, lines, amounts, level, rounding)
    return [Credited(at, amounts[at], taxes[at]) for at in exact]


def _rounded(
    exact: Mapping[int, Fraction],
    lines: Sequence[Line],
    amounts: Mapping[int, Money],
    level: Level,
    rounding: Rounding,
) -> dict[int, Money]:
    currency = next((line.tax.currency for line in lines), "")
    if level == "total":
        return dict(
            zip(exact, settle_together(list(exact.values()), currency, rounding), strict=True)
        )
    found = {}
    for at, tax in exact.items():
        left = lines[at].tax - lines[at].credited_tax
        is_last = lines[at].credited_net + amounts[at] == lines[at].net
        found[at] = left if is_last else settle_fraction(tax, currency, rounding)
    return found
