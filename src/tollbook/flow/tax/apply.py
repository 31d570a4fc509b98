"""Tax amounts, rounded per line or per document as the legal entity's policy says.

Tax is rounded half up, away from zero, so that a credit memo mirrors its invoice. The Streamlined
Sales and Use Tax Agreement (section 324) asks for half up and leaves the choice between item and
invoice to the seller; the two differ by cents. Parts always sum to the tax of the document.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Final, Literal

from tollbook.flow.tax.determine import AppliedRate
from tollbook.records.invoice import InvoiceLine, TaxLine
from tollbook.values.money import EXACT, Money, Precise, Rounding, settle

ROUNDING: Final[Rounding] = "half_up"

TaxRounding = Literal["line", "document"]


def tax_lines(
    lines: Sequence[InvoiceLine], rates: Mapping[str, AppliedRate], policy: TaxRounding
) -> tuple[TaxLine, ...]:
    """Return one tax line for each line that is taxed; a line of 0 or of an untaxed class has none."""
    by_rate: dict[AppliedRate, list[InvoiceLine]] = defaultdict(list)
    for line in lines:
        if line.tax_class in rates and line.amount.minor != 0:
            by_rate[rates[line.tax_class]].append(line)
    taxes = []
    for rate, taxed in by_rate.items():
        exact = [_exact(line.amount, rate.rate) for line in taxed]
        amounts = _by_document(exact) if policy == "document" else _by_line(exact)
        taxes += [
            TaxLine(
                line_no=line.line_no,
                jurisdiction=rate.jurisdiction,
                tax_code=rate.tax_code,
                rate=rate.rate,
                base=line.amount,
                amount=amount,
                tax_version=rate.tax_version,
            )
            for line, amount in zip(taxed, amounts, strict=True)
        ]
    return tuple(sorted(taxes, key=lambda tax: tax.line_no))


def _exact(base: Money, rate: Decimal) -> Precise:
    return Precise(EXACT.multiply(base.major, rate), base.currency)


def _by_line(exact: Sequence[Precise]) -> list[Money]:
    return [settle(tax, ROUNDING).money for tax in exact]


def _by_document(exact: Sequence[Precise]) -> list[Money]:
    """Round the sum once, then give the missing units to the largest remainders, first wins.

    What is in favour of the customer is divided as its mirror image: a full credit memo takes back
    the tax of each line, whatever the signs of its lines.
    """
    whole = reduce(add, exact)
    sign = next((tax.value for tax in (whole, *exact) if tax.value), Decimal(0))
    if sign < 0:
        return [-amount for amount in _by_document([-tax for tax in exact])]
    total = settle(whole, ROUNDING).money
    floors = [settle(tax, "floor") for tax in exact]
    amounts = [floor.money.minor for floor in floors]
    missing = total.minor - sum(amounts)
    by_remainder = sorted(range(len(floors)), key=lambda at: (-floors[at].residue, at))
    for at in by_remainder[:missing]:
        amounts[at] += 1
    assert sum(amounts) == total.minor, "parts sum to the whole"
    return [Money(minor, total.currency) for minor in amounts]
