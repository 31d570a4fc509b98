"""A small company and its charges, for the tests of what happens after rating."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tollbook.flow.invoice.step import draft
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.store import insert_charges, supersede
from tollbook.flow.tax.step import Issued, issue
from tollbook.masterdata.catalog import SINCE_EVER, Catalog, Record, Version
from tollbook.records.charge import Charge, ChargeKind, PriceVersion
from tollbook.records.commercial import Contract, ContractItem, Product, TaxRate, TaxTable
from tollbook.records.parties import Customer, LegalEntity
from tollbook.storage.database import Database
from tollbook.values.ids import ChargeId, CustomerId, EntityId, MeterId, derive
from tollbook.values.money import Precise, Rounding
from tollbook.values.period import Month, Period, midnight

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
NOVEMBER = Month(2023, 11)
US = LegalEntity(
    entity_id=EntityId("us"),
    name="Example Inc.",
    currency="USD",
    country="US",
    target="erp",
    invoice_prefix="US",
    approval="automatic",
)
ACME = Customer(customer_id=CustomerId("acme"), name="Acme", jurisdiction="US-WA")
TOKENS = Product(
    product_id="tokens",
    name="Input tokens, code-large",
    revenue="usage",
    tax_class="saas",
    meter_id=MeterId("tokens"),
    unit="tokens",
)
SUPPORT = Product(product_id="support", name="Support", revenue="ratable", tax_class="service")
RATES = (
    TaxRate("US-WA", "saas", "WA-SAAS", Decimal("0.10"), SINCE_EVER),
    TaxRate("US-WA", "service", "WA-SERVICE", Decimal("0.05"), SINCE_EVER),
)


def contract(contract_id: str = "acme-1", **changes: Any) -> Contract:
    """Build a contract for support and tokens, in that order."""
    return replace(
        Contract(
            contract_id=contract_id,
            version=1,
            customer_id=ACME.customer_id,
            entity_id=US.entity_id,
            currency="USD",
            price_book_id="standard",
            effective_from=date(2023, 1, 1),
            items=(ContractItem("support"), ContractItem("tokens")),
        ),
        **changes,
    )


def catalog(
    *contracts: Contract,
    entity: LegalEntity = US,
    customer: Customer | None = ACME,
    rates: Iterable[TaxRate] = RATES,
    products: Iterable[Product] = (TOKENS, SUPPORT),
) -> Catalog:
    """Build master data in which everything is in force since ever."""
    found: list[tuple[str, str, Record]] = [("entity", entity.entity_id, entity)]
    if customer:
        found.append(("customer", customer.customer_id, customer))
    found += [("product", product.product_id, product) for product in products]
    found += [("contract", one.contract_id, one) for one in contracts or (contract(),)]
    found.append(("tax_table", entity.entity_id, TaxTable(entity.entity_id, tuple(rates))))
    return Catalog(
        AT,
        {
            (kind, key): (Version(kind, key, 1, SINCE_EVER, record, "hash"),)
            for kind, key, record in found
        },
    )


def charge(
    amount: str,
    *,
    kind: ChargeKind = "usage",
    product_id: str = "tokens",
    contract_id: str = "acme-1",
    quantity: str = "1",
    period: Period | None = None,
    month: Month = NOVEMBER,
    currency: str = "USD",
    rounding: Rounding = "half_even",
    corrects: ChargeId | None = None,
) -> RatedCharge:
    """Build a rated charge; its id follows from what it says."""
    period = period or month.period
    name = derive("chg", amount, kind, product_id, contract_id, str(period), str(corrects))
    return RatedCharge(
        Charge(
            charge_id=ChargeId(name),
            customer_id=ACME.customer_id,
            price_version_id="price@1",
            period=period,
            amount=Precise(Decimal(amount), currency),
            parts=(),
            quantity=Decimal(quantity),
            kind=kind,
            product_id=product_id,
            contract_id=contract_id,
            rounding=rounding,
            corrects=corrects,
        ),
        US.entity_id,
        month,
        PriceVersion("price@1", currency, product_id=product_id, rounding=rounding),
    )


def year_of_support(amount: str, month: Month = NOVEMBER) -> RatedCharge:
    """Build an annual fee in advance, from the first day of a month."""
    year = Period(midnight(month.first), midnight(month.plus(12).first))
    return charge(amount, kind="fixed", product_id="support", period=year, month=month)


def add(database: Database, *charges: RatedCharge) -> list[ChargeId]:
    """Store charges and return their ids."""
    with database.transaction() as connection:
        insert_charges(connection, charges, at=AT)
    return [one.charge.charge_id for one in charges]


def replace_charge(database: Database, old: ChargeId, new: RatedCharge) -> None:
    """Store that an unbilled charge no longer counts, and what stands in its place."""
    with database.transaction() as connection:
        supersede(connection, [old], at=AT)
    add(database, new)


def draft_and_issue(
    database: Database, known: Catalog | None = None, *, month: Month = NOVEMBER
) -> Issued:
    """Draft a month and issue what the entity approves automatically."""
    known = known or catalog()
    with database.transaction() as connection:
        draft(connection, catalog=known, month=month, at=AT)
    with database.transaction() as connection:
        return issue(connection, catalog=known, month=month, booked_on=None, at=AT)
