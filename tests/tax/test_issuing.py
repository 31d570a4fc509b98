"""Issuing: taxed, numbered without gaps, booked, and refused without a trace in the numbers."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from books import (
    ACME,
    AT,
    NOVEMBER,
    RATES,
    US,
    add,
    catalog,
    charge,
    contract,
    draft_and_issue,
    replace_charge,
    year_of_support,
)
from tollbook.controls.lineage import parents
from tollbook.flow.invoice.step import draft
from tollbook.flow.invoice.store import issued_invoices, list_invoices
from tollbook.flow.rate.store import lock, open_charges, supersede
from tollbook.flow.tax.step import Issued, issue
from tollbook.ledger.store import balances
from tollbook.masterdata.catalog import SINCE_EVER, Catalog
from tollbook.records.commercial import TaxRate
from tollbook.records.control import WorkItem
from tollbook.records.invoice import Invoice
from tollbook.storage.database import Connection, Database
from tollbook.values.money import Money
from tollbook.values.period import Month
from tollbook.worklist.store import list_items

CONTRACTS = [contract(f"acme-{number}") for number in range(1, 6)]


def issue_november(
    database: Database, known: Catalog | None = None, booked_on: date | None = None
) -> Issued:
    with database.transaction() as connection:
        return issue(
            connection, catalog=known or catalog(), month=NOVEMBER, booked_on=booked_on, at=AT
        )


def draft_month(database: Database, known: Catalog, month: Month = NOVEMBER) -> None:
    with database.transaction() as connection:
        draft(connection, catalog=known, month=month, at=AT)


def issued(database: Database, month: Month = NOVEMBER) -> list[Invoice]:
    with database.transaction() as connection:
        return issued_invoices(connection, month)


def ledger(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return {role: minor for _, _, role, minor in balances(connection)}


def open_items(database: Database) -> list[WorkItem]:
    with database.transaction() as connection:
        return list(list_items(connection))


class Accident(Exception):
    """What a crash in the middle of a transaction looks like to the database."""


def issue_and_crash(connection: Connection, known: Catalog) -> None:
    issue(connection, catalog=known, month=NOVEMBER, booked_on=None, at=AT)
    raise Accident


def wait_until_done_or_waiting(running: Future[Issued], connection: Connection) -> None:
    """Return once the other transaction ended or stands before a lock."""
    for _ in range(200):
        waiting = connection.execute(
            """select 1 from pg_locks join pg_database d on d.oid = database
               where not granted and locktype = 'advisory' and d.datname = current_database()"""
        ).fetchone()
        if waiting or running.done():
            return
        wait([running], timeout=0.05)
    raise AssertionError("the other transaction neither ended nor waits")


def test_an_issued_invoice_has_number_dates_tax_and_an_entry(database: Database) -> None:
    charge_ids = add(database, charge("100"), year_of_support("1200"))

    draft_and_issue(database)

    [invoice] = issued(database)
    assert (invoice.number, invoice.state) == ("US-000001", "issued")
    assert (invoice.booked_on, invoice.due_on) == (date(2023, 11, 30), date(2023, 12, 30))
    assert [(tax.tax_code, tax.base.minor, tax.amount.minor) for tax in invoice.taxes] == [
        ("WA-SERVICE", 120000, 6000),
        ("WA-SAAS", 10000, 1000),
    ]
    assert invoice.total == Money(137000, "USD")
    assert ledger(database) == {
        "accounts_receivable": 137000,
        "contract_liability": -120000,
        "tax_payable": -7000,
        "unbilled_receivable": -10000,
    }
    with database.transaction() as connection:
        assert open_charges(connection, NOVEMBER) == []
    assert sorted(line.charge_id for line in invoice.lines) == sorted(charge_ids)


def test_the_entry_knows_its_invoice(database: Database) -> None:
    add(database, charge("100"))
    [invoice_id] = draft_and_issue(database).invoice_ids

    with database.transaction() as connection:
        row = connection.execute("select entry_id from journal_entry").fetchone()
        assert row is not None
        edges = parents(connection, [row[0]])

    assert edges == [(row[0], invoice_id, "tax")]


def test_issuing_twice_writes_nothing_new(database: Database) -> None:
    add(database, charge("100"))
    draft_and_issue(database)
    before = (issued(database), ledger(database))

    again = draft_and_issue(database)

    assert again == Issued((), ())
    assert (issued(database), ledger(database)) == before


def test_the_accounting_date_can_be_later_than_the_month(database: Database) -> None:
    add(database, charge("100"))
    draft_month(database, catalog())

    issue_november(database, booked_on=date(2023, 12, 4))

    [invoice] = issued(database)
    assert (invoice.booked_on, invoice.due_on) == (date(2023, 12, 4), date(2024, 1, 3))


def test_a_draft_is_not_issued(database: Database) -> None:
    add(database, charge("100"))
    draft_month(database, catalog(entity=replace(US, approval="manual")))

    assert issue_november(database) == Issued((), ())


def test_an_invoice_of_nothing_is_issued_without_an_entry(database: Database) -> None:
    add(database, charge("0", quantity="250"))

    draft_and_issue(database)

    assert [invoice.total.minor for invoice in issued(database)] == [0]
    assert ledger(database) == {}


def test_credits_that_pay_all_of_it_still_move_the_liability(database: Database) -> None:
    add(database, charge("40"), charge("-40", kind="credit_applied", product_id=""))
    untaxed = catalog(rates=[replace(rate, rate=Decimal(0)) for rate in RATES])

    draft_and_issue(database, untaxed)

    assert ledger(database) == {"contract_liability": 4000, "unbilled_receivable": -4000}


class TestACreditMemo:
    def test_reverses_at_the_rate_of_its_invoice_in_its_own_series(
        self, database: Database
    ) -> None:
        [first] = add(database, charge("100"))
        draft_and_issue(database)
        add(database, charge("-30", corrects=first))
        dearer = TaxRate("US-WA", "saas", "WA-SAAS-2", Decimal("0.20"), date(2023, 11, 1))

        draft_and_issue(database, catalog(rates=(*RATES, dearer)))

        invoice, memo = issued(database)
        assert (memo.kind, memo.number) == ("credit_memo", "US-CM-000001")
        assert memo.corrects == invoice.invoice_id
        assert memo.due_on == memo.booked_on
        assert [(tax.tax_code, tax.amount.minor) for tax in memo.taxes] == [("WA-SAAS", -300)]
        assert ledger(database) == {
            "accounts_receivable": 7700,
            "tax_payable": -700,
            "unbilled_receivable": -7000,
        }


class TestARefusal:
    def test_takes_no_number_and_stops_no_other(self, database: Database) -> None:
        add(
            database,
            charge("1", contract_id="acme-1"),
            charge("2", contract_id="acme-2", product_id="support"),
            charge("3", contract_id="acme-3"),
        )
        no_service_rate = catalog(*CONTRACTS, rates=RATES[:1])

        result = draft_and_issue(database, no_service_rate)

        numbers = {one.contract_id: one.number for one in issued(database)}
        assert numbers == {"acme-1": "US-000001", "acme-3": "US-000002"}
        [item] = open_items(database)
        assert (item.code, item.cause, item.object_count) == (
            "tax.missing_rate",
            "us|US-WA|service",
            1,
        )
        assert len(result.set_aside) == 1

    def test_is_cured_by_the_next_run(self, database: Database) -> None:
        add(database, charge("2", product_id="support"))
        draft_and_issue(database, catalog(rates=RATES[:1]))

        issue_november(database)

        assert [one.number for one in issued(database)] == ["US-000001"]
        assert open_items(database) == []

    def test_of_many_documents_for_one_cause_is_one_work_item(self, database: Database) -> None:
        add(database, *(charge("1", contract_id=one.contract_id) for one in CONTRACTS))

        draft_and_issue(database, catalog(*CONTRACTS, customer=None))

        [item] = open_items(database)
        assert (item.code, item.cause, item.object_count) == ("tax.unknown_customer", "acme", 5)

    def test_of_a_customer_without_jurisdiction(self, database: Database) -> None:
        add(database, charge("1"))

        draft_and_issue(database, catalog(customer=replace(ACME, jurisdiction="")))

        assert [item.code for item in open_items(database)] == ["tax.unknown_customer"]

    def test_of_an_entity_that_is_not_in_force_on_the_accounting_date(
        self, database: Database
    ) -> None:
        add(database, charge("1"))
        draft_month(database, catalog())

        issue_november(database, booked_on=date(1999, 12, 31))

        assert [item.code for item in open_items(database)] == ["tax.unknown_entity"]
        assert date(1999, 12, 31) < SINCE_EVER

    def test_moves_to_the_work_item_of_what_stops_it_now(self, database: Database) -> None:
        add(database, charge("2", product_id="support"))
        draft_and_issue(database, catalog(customer=None))

        issue_november(database, catalog(rates=RATES[:1]))

        assert [item.code for item in open_items(database)] == ["tax.missing_rate"]

    def test_of_a_document_whose_charges_changed_until_it_is_drafted_again(
        self, database: Database
    ) -> None:
        [old] = add(database, charge("1"))
        draft_month(database, catalog())
        replace_charge(database, old, charge("2"))

        refused = issue_november(database)
        codes = [item.code for item in open_items(database)]
        draft_and_issue(database)

        assert refused.invoice_ids == ()
        assert codes == ["tax.facts_changed"]
        assert [(one.number, one.net.minor) for one in issued(database)] == [("US-000001", 200)]
        assert open_items(database) == []

    def test_waits_for_a_rating_that_is_under_way_and_sees_what_it_found(
        self, database: Database
    ) -> None:
        [old] = add(database, charge("1"))
        draft_month(database, catalog())

        with ThreadPoolExecutor(1) as pool:
            with database.transaction() as rating:
                lock(rating)
                supersede(rating, [old], at=AT)
                issuing = pool.submit(issue_november, database)
                wait_until_done_or_waiting(issuing, rating)
            refused = issuing.result(timeout=30)

        assert refused.invoice_ids == ()
        assert [item.code for item in open_items(database)] == ["tax.facts_changed"]


class TestNumbers:
    def test_have_no_gap_after_a_crash(self, database: Database) -> None:
        add(database, *(charge("1", contract_id=one.contract_id) for one in CONTRACTS))
        known = catalog(*CONTRACTS)
        draft_month(database, known)
        with pytest.raises(Accident), database.transaction() as connection:
            issue_and_crash(connection, known)

        issue_november(database, known)

        assert [one.number for one in issued(database)] == [f"US-{n:06d}" for n in range(1, 6)]

    def test_have_no_gap_when_months_and_repeats_are_issued_at_once(
        self, database: Database
    ) -> None:
        months = [Month(2023, 9), Month(2023, 10), NOVEMBER]
        known = catalog(*CONTRACTS, rates=RATES[:1])
        for month in months:
            add(
                database,
                *(charge("1", contract_id=one.contract_id, month=month) for one in CONTRACTS[:4]),
                charge("1", contract_id="acme-5", product_id="support", month=month),
            )
            draft_month(database, known, month)

        def issue_month(month: Month) -> Issued:
            with database.transaction() as connection:
                return issue(connection, catalog=known, month=month, booked_on=None, at=AT)

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(issue_month, months * 2))

        with database.transaction() as connection:
            numbers = sorted(one.number or "" for one in list_invoices(connection, state="issued"))
        assert numbers == [f"US-{n:06d}" for n in range(1, 13)]
        assert sum(len(result.invoice_ids) for result in results) == 12
