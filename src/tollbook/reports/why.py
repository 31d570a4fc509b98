"""Why an amount is what it is: each line of a document with its working, its terms and its usage."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.invoice.store import load_invoice
from tollbook.flow.meter.store import usages_by_id
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.store import charges_by_id
from tollbook.flow.rate.working import total
from tollbook.records.charge import ChargePart, PriceVersion
from tollbook.records.invoice import Invoice, InvoiceLine, TaxLine
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.codec import to_builtins
from tollbook.values.money import Money

# What a price says of itself elsewhere, or that a reader of amounts need not know.
_NOT_POLICY: Final = frozenset({"price_version_id", "currency", "product_id", "tiers"})


@dataclass(frozen=True, slots=True)
class Why:
    """A line and everything that its amount rests on.

    `exact` is the sum of `parts`, in major units, before `rounding`; `residue` is exact less amount.
    `policies` are the terms of the price that are not the default.
    """

    number: str
    line_no: int
    description: str
    amount: Money
    exact: Decimal
    residue: Decimal
    rounding: str
    parts: tuple[ChargePart, ...]
    charge_id: str
    corrects: str | None
    rule_id: str
    price_version_id: str
    price_model: str
    policies: dict[str, Any]
    contract_id: str
    contract_version: int
    usage: MeteredUsage | None
    taxes: tuple[TaxLine, ...]


def why(connection: Connection, reference: str, *, line_no: int | None = None) -> list[Why]:
    """Return why the lines of a document are what they are, or one of them.

    Raises Rejected `invoice.unknown`, `invoice.unknown_line`.
    """
    invoice = load_invoice(connection, reference)
    if invoice is None:
        raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
    lines = [line for line in invoice.lines if line_no in {None, line.line_no}]
    if not lines:
        raise Rejected(
            "invoice.unknown_line",
            f"{reference} has the lines 1 to {len(invoice.lines)}, not {line_no}.",
        )
    charges = {
        rated.charge.charge_id: rated
        for rated in charges_by_id(connection, [line.charge_id for line in lines])
    }
    usage_ids = [rated.charge.usage_id for rated in charges.values() if rated.charge.usage_id]
    usages = {usage.usage_id: usage for usage in usages_by_id(connection, usage_ids)}
    return [_why(invoice, line, charges[line.charge_id], usages) for line in lines]


def _why(
    invoice: Invoice, line: InvoiceLine, rated: RatedCharge, usages: dict[Any, MeteredUsage]
) -> Why:
    charge = rated.charge
    return Why(
        number=invoice.number or invoice.invoice_id,
        line_no=line.line_no,
        description=line.description,
        amount=line.amount,
        exact=total(part.amount for part in charge.parts),
        residue=line.residue,
        rounding=charge.rounding,
        parts=charge.parts,
        charge_id=charge.charge_id,
        corrects=charge.corrects,
        rule_id=charge.rule_id,
        price_version_id=charge.price_version_id,
        price_model=rated.price.model,
        policies=_policies(rated.price),
        contract_id=charge.contract_id,
        contract_version=charge.contract_version,
        usage=usages.get(charge.usage_id) if charge.usage_id else None,
        taxes=tuple(tax for tax in invoice.taxes if tax.line_no == line.line_no),
    )


def _policies(price: PriceVersion) -> dict[str, Any]:
    """Return what of a price is not its default."""
    return {
        field.name: to_builtins(getattr(price, field.name))
        for field in fields(PriceVersion)
        if field.name not in _NOT_POLICY and getattr(price, field.name) != field.default
    }
