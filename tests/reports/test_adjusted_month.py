"""Discounts, maximums and minimums of a contract, from terms to ERP: billed, verified, corrected."""

from decimal import Decimal

import pytest

from small_month import SmallMonth
from tollbook.flow.invoice.store import issued_invoices
from tollbook.reports.verify import verify
from tollbook.values.period import Month

RULES = """contracts: [{id: acme-1, version: 2, customer: acme, entity: us, currency: USD,
  price_book: usd, effective_from: 2023-11-01,
  items: [large, small, {product: support, interval_months: 12}],
  adjustments: [
    {id: launch, kind: discount, percent: 10, applies_to: usage},
    {id: cap, kind: maximum, amount: 1100, products: [support]},
    {id: floor, kind: minimum, amount: 1200, product: large}]}]"""


def lines(month: SmallMonth, number: str) -> list[tuple[str, str, str, Decimal]]:
    invoice = month.invoices()[number]
    return [
        (line.kind, line.product_id, line.description.partition(" · ")[0], line.amount.major)
        for line in invoice.lines
    ]


def wrong(month: SmallMonth) -> list[str]:
    with month.database.transaction() as connection:
        return [
            f"{number}: {check}"
            for number in month.invoices()
            for check in verify(connection, number).wrong
        ]


@pytest.fixture
def adjusted(month: SmallMonth) -> SmallMonth:
    """Agree on adjustments after the fact, and run the month again."""
    month.later(RULES)
    month.run()
    return month


def test_adjustments_are_lines_of_their_own(adjusted: SmallMonth) -> None:
    # 13.76 + 3.33 = 17.09, 10 % is 1.709, so 1.71: 1.38 + 0.33. Support is 1200, 100 too much.
    # 17.09 - 1.71 + 1100 = 1115.38, and 84.62 are missing to 1200.
    assert lines(adjusted, "US-CM-000001") == [
        ("discount", "large", "Discount launch", Decimal("-1.38")),
        ("discount", "small", "Discount launch", Decimal("-0.33")),
        ("maximum", "support", "Above the agreed maximum cap", Decimal("-100.00")),
        ("minimum", "large", "Up to the agreed minimum floor", Decimal("84.62")),
    ]
    assert str(adjusted.invoices()["US-CM-000001"].net) == "-17.09 USD"
    assert wrong(adjusted) == []


def test_late_usage_corrects_the_discount_and_the_minimum_too(adjusted: SmallMonth) -> None:
    adjusted.later()
    adjusted.use("late", "acme", "small", 30_000)
    adjusted.run()

    # small: 31001 x 0.00333 = 103.23333; usage 116.99, 10 % is 11.70 (1.38 + 10.32);
    # 116.99 - 11.70 + 1100 = 1205.29 is above the minimum.
    assert lines(adjusted, "US-000004") == [
        ("usage", "small", "Correction: Small", Decimal("99.90")),
        ("discount", "small", "Correction: Discount launch", Decimal("-9.99")),
        ("minimum", "large", "Correction: Up to the agreed minimum floor", Decimal("-84.62")),
    ]
    assert wrong(adjusted) == []


def test_five_totals_stay_equal(adjusted: SmallMonth) -> None:
    reconciled = adjusted.reconcile()

    assert reconciled.variances == ()
    assert adjusted.items() == []


def test_the_tax_is_that_of_the_net_amount(adjusted: SmallMonth) -> None:
    memo = adjusted.invoices()["US-CM-000001"]

    # 10 % tax on -1.38, -0.33, -100.00 and 84.62, each rounded away from zero.
    assert [tax.amount.major for tax in memo.taxes] == [
        Decimal("-0.14"), Decimal("-0.03"), Decimal("-10.00"), Decimal("8.46"),
    ]  # fmt: skip


def test_a_years_commitment_is_trued_up_in_its_last_month(month: SmallMonth) -> None:
    month.later(
        """contracts: [{id: beta-1, version: 2, customer: beta, entity: us, currency: USD,
        price_book: usd, effective_from: 2023-01-01, items: [large],
        commitment: {annual_amount: 100}}]"""
    )
    month.run()
    month.run(month=Month(2023, 12))

    # November used 10 + 7.50; its monthly shortfall of 82.50 is taken back, and owed in December.
    shortfall = "commitment_shortfall"
    assert lines(month, "US-CM-000001") == [
        (shortfall, "large", "Correction: Commitment shortfall", Decimal("-82.50"))
    ]
    with month.database.transaction() as connection:
        [december] = issued_invoices(connection, Month(2023, 12))
        found = verify(connection, str(december.number))
    assert [(one.kind, one.amount.major) for one in december.lines] == [
        (shortfall, Decimal("82.50"))
    ]
    assert found.wrong == ()
    assert wrong(month) == []
