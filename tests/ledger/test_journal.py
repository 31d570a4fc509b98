"""The subledger: an entry balances in Python and again in the database."""

from datetime import UTC, date, datetime

import psycopg
import pytest

from tollbook.ledger.chart import RECEIVABLE, UNBILLED, billed_role
from tollbook.ledger.journal import JournalEntry, JournalLine, entry
from tollbook.ledger.store import balances, book
from tollbook.storage.database import Database
from tollbook.values.ids import EntityId
from tollbook.values.money import Money
from tollbook.values.period import Month

AT = datetime(2023, 12, 1, tzinfo=UTC)


def invoice_entry(debit: int, credit: int, cause: str = "inv_1") -> JournalEntry:
    return entry(
        entity_id=EntityId("us"),
        currency="USD",
        booked_on=date(2023, 11, 30),
        service_month=Month(2023, 11),
        kind="invoice",
        cause=cause,
        lines=[
            JournalLine(RECEIVABLE, Money(debit, "USD"), "cus_1", "invoice"),
            JournalLine(UNBILLED, Money(-credit, "USD"), "cus_1", "usage"),
        ],
    )


def test_an_unbalanced_entry_cannot_be_built() -> None:
    with pytest.raises(AssertionError, match="differ by 1"):
        invoice_entry(101, 100)


def test_the_database_refuses_an_unbalanced_entry_at_commit(database: Database) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="does not balance"):
        book_with_planted_line(database)


def book_with_planted_line(database: Database) -> None:
    with database.transaction() as connection:
        book(connection, [invoice_entry(100, 100)], at=AT)
        connection.execute(
            """insert into journal_line (entry_id, line_no, role, amount_minor, customer_id, memo)
               select entry_id, 9, 'revenue', 1, 'cus_1', 'planted' from journal_entry"""
        )


def test_booking_the_same_cause_twice_books_it_once(database: Database) -> None:
    with database.transaction() as connection:
        first = book(connection, [invoice_entry(100, 100)], at=AT)
        again = book(connection, [invoice_entry(100, 100)], at=AT)
        found = balances(connection)

    assert len(first) == 1
    assert again == []
    assert found == [("us", "USD", RECEIVABLE, 100), ("us", "USD", UNBILLED, -100)]


def test_a_booked_entry_cannot_be_edited(database: Database) -> None:
    with database.transaction() as connection:
        book(connection, [invoice_entry(100, 100)], at=AT)

    with (
        pytest.raises(psycopg.errors.RestrictViolation, match="corrected by a new record"),
        database.transaction() as connection,
    ):
        connection.execute("update journal_line set amount_minor = 0")


def test_fees_and_credits_are_owed_service_and_usage_was_accrued() -> None:
    assert billed_role("usage", "usage") == UNBILLED
    assert billed_role("commitment_shortfall", "usage") == UNBILLED
    assert billed_role("fixed", "ratable") == "contract_liability"
    assert billed_role("credit_applied", "usage") == "contract_liability"
