"""Revenue: earned in its months, booked once, and never more or less than was invoiced."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from books import (
    AT,
    NOVEMBER,
    add,
    catalog,
    charge,
    draft_and_issue,
    year_of_support,
)
from tollbook.controls.lineage import parents
from tollbook.flow.invoice.store import issued_invoices
from tollbook.flow.recognize.schedule import by_days
from tollbook.flow.recognize.step import Recognized, recognize
from tollbook.flow.recognize.store import (
    RecognizedTotal,
    deferred_balance,
    recognized_totals,
    schedules_of_invoice,
)
from tollbook.ledger.store import balances
from tollbook.records.revenue import RevenueSchedule
from tollbook.storage.database import Database
from tollbook.values.money import Money, money_of
from tollbook.values.period import Month, Period, midnight

VECTORS = Path(__file__).parents[1] / "vectors" / "recognize"
DECEMBER = NOVEMBER.plus(1)

days = st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 1, 1))


def cases(name: str) -> list[Any]:
    found = yaml.safe_load((VECTORS / f"{name}.yaml").read_text())
    return [pytest.param(case, id=case["why"]) for case in found]


def recognize_month(database: Database, month: Month = NOVEMBER) -> Recognized:
    with database.transaction() as connection:
        return recognize(connection, catalog=catalog(), month=month, at=AT)


def ledger(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return {role: minor for _, _, role, minor in balances(connection)}


def schedules(database: Database) -> list[RevenueSchedule]:
    with database.transaction() as connection:
        return [
            schedule
            for invoice in issued_invoices(connection, NOVEMBER)
            for schedule in schedules_of_invoice(connection, invoice.invoice_id)
        ]


def totals(database: Database, month: Month = NOVEMBER) -> RecognizedTotal:
    with database.transaction() as connection:
        [total] = recognized_totals(connection, month)
    return total


@pytest.mark.parametrize("case", cases("by_days"))
def test_a_fee_is_earned_by_days(case: dict[str, Any]) -> None:
    first, end = (midnight(day) for day in case["days"])

    lines = by_days(money_of(Decimal(case["amount"]), "USD"), Period(first, end))

    assert {str(line.month): line.amount.minor for line in lines} == case["months"]


@given(st.integers(min_value=-(10**12), max_value=10**12), days, days)
def test_the_months_of_a_fee_sum_to_the_fee(minor: int, one: date, other: date) -> None:
    first, last = sorted((one, other))
    period = Period(midnight(first), midnight(last).replace(hour=23))

    lines = by_days(Money(minor, "USD"), period) if period.days else ()

    assert sum(line.amount.minor for line in lines) == (minor if period.days else 0)
    assert len({line.month for line in lines}) == len(lines)


def test_usage_is_revenue_of_its_month(database: Database) -> None:
    add(database, charge("100"))
    draft_and_issue(database)

    result = recognize_month(database)

    assert result == Recognized(schedules=1, entries=1)
    assert ledger(database) == {
        "accounts_receivable": 11000,
        "revenue:tokens": -10000,
        "tax_payable": -1000,
        "unbilled_receivable": 0,
    }
    with database.transaction() as connection:
        row = connection.execute(
            """select entry_id, booked_on, service_month, cause from journal_entry
               where kind = 'recognition'"""
        ).fetchone()
        memos = connection.execute(
            "select distinct memo from journal_line where entry_id = %s", [row[0] if row else ""]
        ).fetchall()
    [schedule] = schedules(database)
    assert row is not None
    assert row[1:] == (date(2023, 11, 30), "2023-11", f"{schedule.schedule_id}:2023-11")
    assert memos == [("Input tokens, code-large · 2023-11 · US-000001",)]


def test_entry_schedule_and_line_know_each_other(database: Database) -> None:
    add(database, charge("100"))
    [invoice_id] = draft_and_issue(database).invoice_ids

    recognize_month(database)

    [schedule] = schedules(database)
    with database.transaction() as connection:
        row = connection.execute("select entry_id from revenue_schedule_line").fetchone()
        assert row is not None
        edges = parents(connection, [schedule.schedule_id, row[0]])
    assert set(edges) == {
        (schedule.schedule_id, f"{invoice_id}#1", "recognize"),
        (row[0], schedule.schedule_id, "recognize"),
    }


def test_a_year_in_advance_is_earned_month_by_month(database: Database) -> None:
    add(database, year_of_support("1200"))
    draft_and_issue(database)

    recognize_month(database)

    [schedule] = schedules(database)
    november = schedule.lines[0].amount
    assert (schedule.method, len(schedule.lines)) == ("ratable", 12)
    assert ledger(database)["revenue:support"] == -november.minor
    assert totals(database).recognized == november
    assert totals(database).deferred == Money(120000, "USD") - november


def test_recognizing_twice_books_nothing_new(database: Database) -> None:
    add(database, charge("100"), year_of_support("1200"))
    draft_and_issue(database)
    recognize_month(database)
    before = ledger(database)

    again = recognize_month(database)

    assert again == Recognized(schedules=0, entries=0)
    assert ledger(database) == before


def test_all_of_a_year_is_earned_when_its_last_month_is(database: Database) -> None:
    add(database, year_of_support("1200"))
    draft_and_issue(database)

    for months in range(12):
        recognize_month(database, NOVEMBER.plus(months))

    assert ledger(database)["revenue:support"] == -120000
    assert ledger(database)["contract_liability"] == 0
    assert totals(database).deferred == Money(0, "USD")


def test_months_that_were_missed_are_booked_late_and_keep_their_own_month(
    database: Database,
) -> None:
    add(database, year_of_support("1200"))
    draft_and_issue(database)

    recognize_month(database, NOVEMBER.plus(2))

    with database.transaction() as connection:
        rows = connection.execute(
            """select service_month, booked_on from journal_entry where kind = 'recognition'
               order by service_month"""
        ).fetchall()
    assert rows == [
        ("2023-11", date(2024, 1, 31)),
        ("2023-12", date(2024, 1, 31)),
        ("2024-01", date(2024, 1, 31)),
    ]


def test_credits_bought_are_owed_until_usage_draws_them_down(database: Database) -> None:
    add(
        database,
        charge("100", kind="credit_purchase", product_id=""),
        charge("40"),
        charge("-40", kind="credit_applied", product_id=""),
    )
    draft_and_issue(database)

    recognize_month(database)

    assert ledger(database)["revenue:tokens"] == -4000
    assert ledger(database)["contract_liability"] == -6000
    assert totals(database).recognized == Money(4000, "USD")
    assert totals(database).deferred == Money(6000, "USD")
    assert [one.lines for one in schedules(database) if one.method == "on_drawdown"] == [(), ()]


def test_a_credit_memo_takes_revenue_back_at_once(database: Database) -> None:
    [first] = add(database, charge("100"))
    draft_and_issue(database)
    recognize_month(database)
    add(database, charge("-30", corrects=first))
    draft_and_issue(database)

    recognize_month(database, DECEMBER)

    assert ledger(database)["revenue:tokens"] == -7000
    assert totals(database).recognized == Money(7000, "USD")


def test_usage_that_cost_nothing_has_a_schedule_and_no_entry(database: Database) -> None:
    add(database, charge("0", quantity="250"))
    draft_and_issue(database)

    result = recognize_month(database)

    assert result == Recognized(schedules=1, entries=0)


def test_nothing_is_recognized_before_it_is_issued(database: Database) -> None:
    add(database, charge("100"))

    assert recognize_month(database) == Recognized(schedules=0, entries=0)


def test_recognized_and_deferred_make_up_what_was_invoiced_in_every_month(
    database: Database,
) -> None:
    add(
        database,
        charge("123.456"),
        year_of_support("999.99"),
        charge("77.77", kind="credit_purchase", product_id=""),
        charge("-50", kind="credit_applied", product_id=""),
        charge("12.5", kind="commitment_shortfall"),
    )
    draft_and_issue(database)
    with database.transaction() as connection:
        invoiced = issued_invoices(connection, NOVEMBER)[0].net

    for months in range(14):
        month = NOVEMBER.plus(months)
        recognize_month(database, month)

        total = totals(database)
        assert total.recognized + total.deferred == invoiced
        with database.transaction() as connection:
            owed = deferred_balance(connection, month)
        assert owed["us", "USD"].minor == -ledger(database)["contract_liability"]
