"""The open charges of a contract's month become one document, or none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.invoice.correction import correction_id, document_kind, first_invoice_id
from tollbook.flow.invoice.describe import description
from tollbook.flow.invoice.settlement import Billed, Settlement, settle_in_turn
from tollbook.flow.rate.rated import Obligation, RatedCharge
from tollbook.ledger.chart import billed_role
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import REDUCTIONS, Charge, ChargeKind
from tollbook.records.commercial import Contract, Product, RevenueMethod
from tollbook.records.invoice import Invoice, InvoiceLine
from tollbook.values.ids import CustomerId, EntityId, InvoiceId
from tollbook.values.money import sum_money
from tollbook.values.period import Month, Period

NOT_TAXED: Final = "none"

# Products first, in the order of the contract; then what was computed from them.
_KIND_ORDER: Final[dict[ChargeKind, int]] = {
    "usage": 0,
    "fixed": 0,
    "discount": 0,
    "maximum": 0,
    "minimum": 1,
    "overage": 2,
    "commitment_shortfall": 3,
    "credit_purchase": 4,
    "credit_applied": 5,
    "credit_discount": 6,
}
_CREDITS: Final[frozenset[ChargeKind]] = frozenset(
    {"credit_purchase", "credit_applied", "credit_discount"}
)


@dataclass(frozen=True, slots=True, order=True)
class Terms:
    """What one document is for: a contract's month, with one seller, one payer, one currency."""

    entity_id: EntityId
    contract_id: str
    month: Month
    customer_id: CustomerId
    currency: str

    @property
    def first_id(self) -> InvoiceId:
        """The id of the first invoice on these terms."""
        return first_invoice_id(
            self.contract_id, str(self.month), self.entity_id, self.customer_id, self.currency
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """The open charges on one set of terms, and what is already billed of their obligations.

    `corrects` is the first invoice once it is issued; None until then.
    """

    terms: Terms
    charges: tuple[RatedCharge, ...]
    billed: Mapping[Obligation, Billed]
    corrects: InvoiceId | None


def terms_of(rated: RatedCharge, catalog: Catalog) -> Terms:
    """Return the terms that a charge is billed on."""
    charge = rated.charge
    payer = _contract(charge, catalog).bill_to or charge.customer_id
    return Terms(
        entity_id=rated.entity_id,
        contract_id=charge.contract_id,
        month=rated.month,
        customer_id=payer,
        currency=charge.amount.currency,
    )


def assemble(bundle: Bundle, catalog: Catalog) -> Invoice | None:
    """Build the draft of a bundle; None while there is nothing to bill.

    Charges of nothing get no line. A correction that settles to 0 waits for one that does not,
    then rides along, so that no charge stays unbilled for ever. Raises Rejected
    `invoice.unknown_product`.
    """
    terms = bundle.terms
    charges = sorted(bundle.charges, key=lambda rated: _position(rated.charge, catalog))
    kept = [item for item in settle_in_turn(charges, bundle.billed) if _has_line(item)]
    if not kept or (bundle.corrects and all(item.amount.minor == 0 for item in kept)):
        return None
    return Invoice(
        invoice_id=_document_id(bundle, kept),
        kind=document_kind(sum_money([item.amount for item in kept], terms.currency)),
        state="draft",
        entity_id=terms.entity_id,
        customer_id=terms.customer_id,
        contract_id=terms.contract_id,
        currency=terms.currency,
        service_month=terms.month,
        lines=tuple(_line(line_no, item, catalog) for line_no, item in enumerate(kept, start=1)),
        corrects=bundle.corrects,
    )


def _document_id(bundle: Bundle, kept: Sequence[Settlement]) -> InvoiceId:
    if bundle.corrects:
        return correction_id(item.charge.charge_id for item in kept)
    return bundle.terms.first_id


def _has_line(item: Settlement) -> bool:
    """Tell whether a charge is worth a line: a reader wants to see usage that cost nothing."""
    if item.amount.minor != 0:
        return True
    is_told = item.charge.kind == "usage" or item.charge.corrects is not None
    return is_told and (item.charge.amount.value != 0 or item.charge.quantity != 0)


def _line(line_no: int, item: Settlement, catalog: Catalog) -> InvoiceLine:
    charge = item.charge
    product = _product(charge, catalog)
    method: RevenueMethod = product.revenue if product else "on_drawdown"
    # Credits are taxed when they pay for usage: the usage line carries the tax.
    tax_class = product.tax_class if product and charge.kind not in _CREDITS else NOT_TAXED
    return InvoiceLine(
        line_no=line_no,
        charge_id=charge.charge_id,
        kind=charge.kind,
        product_id=charge.product_id,
        description=description(charge, product),
        quantity=charge.quantity,
        amount=item.amount,
        residue=item.residue,
        period=charge.period,
        role=billed_role(charge.kind, method),
        tax_class=tax_class,
    )


def _position(charge: Charge, catalog: Catalog) -> tuple[int, int, str, Period, bool, bool, str]:
    """Return where a charge stands on the document: the same charges give the same order."""
    products = [item.product_id for item in _contract(charge, catalog).items]
    at = products.index(charge.product_id) if charge.product_id in products else len(products)
    is_correction = charge.corrects is not None
    kind = _KIND_ORDER[charge.kind]
    reduces = charge.kind in REDUCTIONS
    return kind, at, charge.product_id, charge.period, reduces, is_correction, charge.charge_id


def _product(charge: Charge, catalog: Catalog) -> Product | None:
    """Return the product of a charge; prepaid credits need not be one."""
    day = charge.period.start.date()
    product = catalog.product(charge.product_id, day)
    if product is None and charge.kind not in _CREDITS:
        raise Rejected(
            "invoice.unknown_product",
            f"Product {charge.product_id or '(none)'} of contract {charge.contract_id} is not in "
            f"force on {day}: add it with an earlier effective_from, then draft the month again.",
            cause=charge.product_id or charge.contract_id,
        )
    return product


def _contract(charge: Charge, catalog: Catalog) -> Contract:
    version = catalog.numbered("contract", charge.contract_id, charge.contract_version)
    assert version is not None, "a charge pins a contract version that exists"
    assert isinstance(version.record, Contract)
    return version.record
