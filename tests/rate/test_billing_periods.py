"""Billing periods that are not calendar months, through the whole street."""

from decimal import Decimal

import pytest

from small_month import NOVEMBER, SmallMonth
from tollbook.flow.invoice.store import issued_invoices
from tollbook.records.invoice import Invoice
from tollbook.reports.verify import verify

DECEMBER = NOVEMBER.plus(1)

# Billed on the 15th; a fee of 30 a period, prorated by days.
MIDDLE = """
products:
  - {id: desk, name: Desk, revenue: ratable, tax_class: standard}
customers:
  - {id: echo, name: Echo, jurisdiction: US-WA, external_ids: {erp: C-9}}
contracts:
  - id: echo-1
    customer: echo
    entity: us
    currency: USD
    price_book: usd
    effective_from: 2023-10-15
    billing: {anchor_day: 15}
    items: [large, {product: desk, price: {model: flat, amount: 31}}]
"""

AMENDED = (
    MIDDLE
    + """
  - id: echo-1
    version: 2
    customer: echo
    entity: us
    currency: USD
    price_book: usd
    effective_from: 2023-11-25
    billing: {anchor_day: 15}
    items: [large, {product: desk, quantity: 2, price: {model: flat, amount: 31}}]
"""
)


@pytest.fixture
def echo(month: SmallMonth) -> SmallMonth:
    """Echo used 100 before 15 November and 2000 after it, and one on the first instant of it."""
    month.know(MIDDLE)
    month.use("e1", "echo", "large", 60, at="2023-10-20T00:00:00Z")
    month.use("e2", "echo", "large", 40, at="2023-11-14T23:59:59Z")
    month.use("e3", "echo", "large", 1, at="2023-11-15T00:00:00Z")
    month.use("e4", "echo", "large", 1999, at="2023-11-30T23:59:59Z")
    return month


def lines(invoice: Invoice) -> list[tuple[str, Decimal, Decimal, str, str]]:
    return [
        (
            line.product_id,
            line.quantity,
            line.amount.major,
            f"{line.period.start:%m-%d}",
            f"{line.period.end:%m-%d}",
        )
        for line in invoice.lines
    ]


def test_a_month_bills_the_periods_that_end_in_it_and_fees_of_those_that_begin(
    echo: SmallMonth,
) -> None:
    echo.run()

    assert lines(echo.invoice_of("echo")) == [
        ("large", Decimal(100), Decimal("1.00"), "10-15", "11-15"),
        ("desk", Decimal(1), Decimal("31.00"), "11-15", "12-15"),
    ]


def test_what_no_period_of_the_month_bills_is_not_said_to_be_unpriced(echo: SmallMonth) -> None:
    echo.run()

    assert [item.code for item in echo.items() if item.code.startswith("meter.")] == []


def test_a_window_over_two_months_is_rated_as_metered(echo: SmallMonth) -> None:
    echo.run()
    echo.clock.wait(31 * 86_400)
    echo.run(month=DECEMBER)

    for service_month in (NOVEMBER, DECEMBER):
        assert echo.reconcile(service_month).variances == ()
    quantities = echo.ask(
        "select quantity from metered_usage where customer_id = 'echo' order by starts_at"
    )
    assert quantities == [Decimal(100), Decimal(2000)]


def test_what_is_billed_by_period_is_verified(echo: SmallMonth) -> None:
    echo.run()
    number = str(echo.invoice_of("echo").number)

    with echo.database.transaction() as connection:
        verified = verify(connection, number)

    assert verified.wrong == ()
    assert verified.event_count == 2


def test_running_again_changes_nothing(echo: SmallMonth) -> None:
    echo.run()
    before = echo.ask("select charge_id from charge order by sequence")

    echo.later()
    echo.run()

    assert echo.ask("select charge_id from charge order by sequence") == before


def test_an_amendment_inside_a_billed_period_is_charged_by_difference_and_verified(
    echo: SmallMonth,
) -> None:
    echo.run()
    echo.later(AMENDED)
    echo.run()

    documents = [one for one in echo.invoices().values() if one.customer_id == "echo"]

    # 10 of 30 days on one desk, 20 on two: 31 x 10/30 + 62 x 20/30, less the 31 that were billed.
    [correction] = [one for one in documents if one.corrects is not None]
    assert sum(line.amount.minor for line in correction.lines) == 1033 + 4133 - 3100
    assert echo.reconcile().variances == ()
    with echo.database.transaction() as connection:
        assert verify(connection, str(correction.number)).wrong == ()


def test_a_change_inside_a_period_that_began_a_month_before_is_charged_in_its_own_month(
    echo: SmallMonth,
) -> None:
    echo.run()
    echo.clock.wait(31 * 86_400)
    echo.know(AMENDED.replace("2023-11-25", "2023-12-05"))
    echo.run(month=DECEMBER)

    with echo.database.transaction() as connection:
        found = issued_invoices(connection, DECEMBER)
        [invoice] = [one for one in found if one.customer_id == "echo"]
        verified = verify(connection, str(invoice.number))

    # One desk more for the 10 days left of 30 is 10.33; then two for the next period.
    assert [line[2:] for line in lines(invoice) if line[0] == "desk"] == [
        (Decimal("10.33"), "12-05", "12-15"),
        (Decimal("62.00"), "12-15", "01-15"),
    ]
    assert verified.wrong == ()
    assert echo.reconcile(DECEMBER).variances == ()
    assert echo.reconcile().variances == ()


def test_a_calendar_of_months_bills_what_a_contract_without_one_bills(
    month: SmallMonth,
) -> None:
    month.know(
        """
customers:
  - {id: plain, name: Plain, jurisdiction: US-WA, external_ids: {erp: C-7}}
  - {id: stated, name: Stated, jurisdiction: US-WA, external_ids: {erp: C-8}}
contracts:
  - {id: plain-1, customer: plain, entity: us, currency: USD, price_book: usd,
     effective_from: 2023-11-01, items: [large, support]}
  - {id: stated-1, customer: stated, entity: us, currency: USD, price_book: usd, billing: month,
     effective_from: 2023-11-01, items: [large, support]}
"""
    )
    for customer in ("plain", "stated"):
        month.use(f"{customer}-1", customer, "large", 1500)

    month.run()

    assert lines(month.invoice_of("stated")) == lines(month.invoice_of("plain"))
