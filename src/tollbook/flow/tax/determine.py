"""Which tax rate applies to each line of a document."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from tollbook.errors import Blocked
from tollbook.records.commercial import TaxTable
from tollbook.records.invoice import Invoice

UNTAXED: Final = frozenset({"none", "exempt"})


@dataclass(frozen=True, slots=True)
class AppliedRate:
    """A rate with where it came from; 0.20 means 20 %."""

    jurisdiction: str
    tax_code: str
    rate: Decimal
    tax_version: int


def rate_in_force(
    table: TaxTable | None, *, jurisdiction: str, tax_class: str, on: date
) -> AppliedRate | None:
    """Return the rate of a class in a jurisdiction on a day: the one that started last.

    None when there is no rate, and when two started on the same day: which one is meant is for a
    person to say.
    """
    if table is None:
        return None
    in_force = [
        rate
        for rate in table.rates
        if (rate.jurisdiction, rate.tax_class) == (jurisdiction, tax_class)
        and rate.effective_from <= on
        and (rate.effective_until is None or on < rate.effective_until)
    ]
    latest = max((rate.effective_from for rate in in_force), default=None)
    chosen = [rate for rate in in_force if rate.effective_from == latest]
    if len(chosen) != 1:
        return None
    return AppliedRate(jurisdiction, chosen[0].tax_code, chosen[0].rate, table.version)


def rates_charged(invoice: Invoice) -> dict[str, AppliedRate]:
    """Return the rate that an issued invoice charged for each tax class on it."""
    classes = {line.line_no: line.tax_class for line in invoice.lines}
    return {
        classes[tax.line_no]: AppliedRate(tax.jurisdiction, tax.tax_code, tax.rate, tax.tax_version)
        for tax in invoice.taxes
    }


def rates_for(
    invoice: Invoice,
    *,
    table: TaxTable | None,
    jurisdiction: str,
    on: date,
    original: Invoice | None,
) -> dict[str, AppliedRate]:
    """Return the rate for each taxed class of a document; `on` is its accounting date.

    A credit memo takes tax back at the rate that was charged, even if the rate changed since: it
    reduces the taxable amount of the original supply (EU VAT Directive, article 90(1)). Raises
    Blocked `tax.missing_rate`.
    """
    pinned: Mapping[str, AppliedRate] = {}
    if invoice.kind == "credit_memo" and original:
        pinned = rates_charged(original)
    rates = {}
    for tax_class in sorted({line.tax_class for line in invoice.lines} - UNTAXED):
        rate = pinned.get(tax_class) or rate_in_force(
            table, jurisdiction=jurisdiction, tax_class=tax_class, on=on
        )
        if rate is None:
            raise Blocked(
                "tax.missing_rate",
                f"{invoice.entity_id} has no single tax rate for class {tax_class} in "
                f"{jurisdiction} on {on}: add one to its tax table, then issue again.",
                cause=f"{invoice.entity_id}|{jurisdiction}|{tax_class}",
            )
        rates[tax_class] = rate
    return rates
