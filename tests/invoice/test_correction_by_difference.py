"""From metered usage to revenue: whatever arrives after issue, the documents sum to the truth."""

from dataclasses import replace
from decimal import Decimal

import pytest

from books import AT, NOVEMBER, TOKENS, US, catalog, contract, draft_and_issue
from tollbook.flow.invoice.store import issued_invoices
from tollbook.flow.meter.store import insert_usages
from tollbook.flow.rate.step import rate
from tollbook.flow.recognize.step import recognize
from tollbook.flow.recognize.store import recognized_totals
from tollbook.ledger.store import balances
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import PriceVersion, Tier
from tollbook.records.commercial import Commitment, ContractItem
from tollbook.records.credits import CreditGrant
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Database
from tollbook.values.ids import CustomerId, MeterId, UsageId
from tollbook.values.money import Money, Precise, settle

PRICE = PriceVersion(
    "tokens@1",
    "USD",
    tiers=(Tier(None, Decimal("0.005")),),
    per=Decimal(1),
    product_id="tokens",
)
PAID = ContractItem("tokens", price=PRICE)


def meter(database: Database, quantities: list[str]) -> None:
    """Store the last of these quantities as what is known now; the ones before it were replaced."""
    number = len(quantities)
    usage = MeteredUsage(
        usage_id=UsageId(f"use_{number}"),
        customer_id=CustomerId("acme"),
        meter_id=MeterId("tokens"),
        period=NOVEMBER.period,
        quantity=Decimal(quantities[-1]),
        event_count=1,
        product_id="tokens",
        contract_id="acme-1",
    )
    before = UsageId(f"use_{number - 1}") if number > 1 else None
    with database.transaction() as connection:
        insert_usages(connection, [(usage, before)], at=AT)


def bill(database: Database, known: Catalog) -> None:
    with database.transaction() as connection:
        rate(connection, catalog=known, month=NOVEMBER, at=AT)
    draft_and_issue(database, known)
    with database.transaction() as connection:
        recognize(connection, catalog=known, month=NOVEMBER, at=AT)


def invoiced(database: Database) -> Money:
    with database.transaction() as connection:
        documents = issued_invoices(connection, NOVEMBER)
    return Money(sum(document.net.minor for document in documents), "USD")


def documents(database: Database) -> list[tuple[str, int]]:
    with database.transaction() as connection:
        found = issued_invoices(connection, NOVEMBER)
    return sorted((document.number or "", document.net.minor) for document in found)


def ledger(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return {role: minor for _, _, role, minor in balances(connection)}


def test_usage_that_arrives_or_is_voided_after_issue_is_billed_by_difference(
    database: Database,
) -> None:
    known = catalog(contract(items=(PAID,)), products=[TOKENS])
    for quantities in (["1000"], ["1000", "1201"], ["1000", "1201", "900"]):
        meter(database, quantities)
        bill(database, known)

    assert documents(database) == [("US-000001", 500), ("US-000002", 100), ("US-CM-000001", -150)]


@pytest.mark.parametrize(
    "quantities",
    [
        ["1", "3"],
        ["3", "1", "3"],
        ["1000", "1001", "1002", "1003", "0", "1003"],
        ["0", "1", "0"],
        ["4130389", "4130388", "17", "123456789"],
    ],
    ids="-".join,
)
def test_whatever_was_corrected_the_documents_sum_to_the_settled_truth(
    database: Database, quantities: list[str]
) -> None:
    known = catalog(contract(items=(PAID,)), products=[TOKENS])
    for known_so_far in range(1, len(quantities) + 1):
        meter(database, quantities[:known_so_far])

        bill(database, known)

        quantity = Decimal(quantities[known_so_far - 1])
        truth = settle(Precise(quantity * Decimal("0.005"), "USD")).money
        assert invoiced(database) == truth
        assert ledger(database).get("revenue:tokens", 0) == -truth.minor
        assert ledger(database).get("unbilled_receivable", 0) == 0


def test_commitment_and_credits_follow_the_usage_that_changed(database: Database) -> None:
    terms = contract(
        items=(PAID,),
        commitment=Commitment(Decimal("8.00")),
        credits=(CreditGrant("grant-1", Decimal("6.00"), NOVEMBER.first),),
    )
    known = catalog(terms, products=[TOKENS])
    for quantities in (["1000"], ["1000", "1201"], ["1000", "1201", "100"]):
        meter(database, quantities)

        bill(database, known)

        used = settle(Precise(Decimal(quantities[-1]) * Decimal("0.005"), "USD")).money.minor
        drawn = min(used, 600)
        assert invoiced(database).minor == max(used, 800) + 600 - drawn
        assert ledger(database)["contract_liability"] == drawn - 600
        assert ledger(database)["revenue:tokens"] == -max(used, 800)
        with database.transaction() as connection:
            [total] = recognized_totals(connection, NOVEMBER)
        assert total.recognized + total.deferred == invoiced(database)


def test_a_draft_is_rebuilt_and_not_corrected_while_nobody_holds_it(database: Database) -> None:
    known = catalog(
        contract(items=(PAID,)), products=[TOKENS], entity=replace(US, approval="manual")
    )
    for quantities in (["1000"], ["1000", "1200"]):
        meter(database, quantities)
        bill(database, known)

    draft_and_issue(database, catalog(contract(items=(PAID,)), products=[TOKENS]))

    assert documents(database) == [("US-000001", 600)]
