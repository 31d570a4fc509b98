"""Vectors of credit memos: what is taken back of an issued invoice's lines, and of their tax."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from tollbook.flow.invoice.credit import Credited, Level, Line, credit
from tollbook.values.money import ROUNDINGS, Money, Rounding, money_of, settle_fraction, sum_money
from tollbook.vectors.given import choice, invalid, items, number, only, text


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Credit an invoice by one memo after the other; amounts in major units, positive."""
    only(given, "currency", "lines", "memos", "rounded", "rounding")
    currency = text(given, "currency")
    lines = [_line(line, currency) for line in items(given, "lines")]
    level = cast("Level", choice(given, "rounded", ("line", "total"), "line"))
    mode = cast("Rounding", choice(given, "rounding", ROUNDINGS, "half_up"))
    memos = []
    for memo in items(given, "memos"):
        credited = credit(lines, _amounts(memo, lines, currency), level=level, rounding=mode)
        for one in credited:
            lines[one.line] = _after(lines[one.line], one)
        memos.append(_shown(credited, currency))
    left = [line.net + line.tax - line.credited_net - line.credited_tax for line in lines]
    return {"memos": memos, "left": sum_money(left, currency).major}


def _line(given: Mapping[str, Any], currency: str) -> Line:
    only(given, "net", "tax")
    nothing = Money(0, currency)
    return Line(_money(given, "net", currency), _money(given, "tax", currency), nothing, nothing)


def _amounts(memo: Mapping[str, Any], lines: Sequence[Line], currency: str) -> dict[int, Money]:
    only(memo, "lines", "percent")
    if "percent" in memo:
        part = Fraction(number(memo, "percent")) / 100
        return {
            at: settle_fraction(Fraction(line.net.major) * part, currency, "half_up")
            for at, line in enumerate(lines)
        }
    found = {}
    for one in items(memo, "lines"):
        only(one, "line", "net")
        at = int(number(one, "line")) - 1
        if not 0 <= at < len(lines):
            raise invalid(f"line {at + 1} is not there: the invoice has {len(lines)}")
        found[at] = _money(one, "net", currency)
    return found


def _money(given: Mapping[str, Any], name: str, currency: str) -> Money:
    try:
        return money_of(number(given, name), currency)
    except ValueError as error:
        raise invalid(str(error)) from error


def _after(line: Line, one: Credited) -> Line:
    return Line(line.net, line.tax, line.credited_net + one.net, line.credited_tax + one.tax)


def _shown(credited: Sequence[Credited], currency: str) -> dict[str, Any]:
    return {
        "lines": [
            {"line": one.line + 1, "net": one.net.major, "tax": one.tax.major,
             "total": one.total.major}
            for one in credited
        ],
        "net": sum_money([one.net for one in credited], currency).major,
        "tax": sum_money([one.tax for one in credited], currency).major,
        "total": sum_money([one.total for one in credited], currency).major,
    }  # fmt: skip
