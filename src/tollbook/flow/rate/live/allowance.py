"""How many units of a product a contract includes in each billing period."""

from datetime import date
from decimal import Decimal

from tollbook.errors import Rejected
from tollbook.flow.rate.ruled import rules_of
from tollbook.flow.rate.terms import terms_of
from tollbook.flow.rate.working import ZERO, total
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import PriceVersion
from tollbook.records.commercial import Contract


def allowance_of(catalog: Catalog, contract: Contract, product_id: str, on: date) -> Decimal:
    """Return the included units of a product on the terms of a day; nothing when it has no price."""
    for item in contract.items:
        if item.product_id == product_id:
            try:
                return included_in(terms_of(catalog, contract, item, on).price)
            except Rejected:
                return ZERO
    return ZERO


def included_in(price: PriceVersion) -> Decimal:
    """Return the units of a price that are free in each billing period, in all its steps."""
    steps = rules_of(price).steps
    free = [step.quantity for step in steps if step.kind == "include" and step.quantity is not None]
    return total([price.included, *free])
