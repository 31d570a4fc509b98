"""When a subject turns out to be somebody else's, what it used is counted and billed again."""

from datetime import date
from decimal import Decimal

import pytest

from small_month import NOVEMBER, SmallMonth
from tollbook.masterdata.subjects import CrosswalkRow, moved
from tollbook.reports.doctor import examine
from tollbook.reports.verify import verify

ACME = "{id: acme, name: Acme, jurisdiction: US-WA, external_ids: {erp: C-1}, subjects: [%s]}"
BETA = "{id: beta, name: Beta, jurisdiction: US-WA, external_ids: {erp: C-2}, subjects: [%s]}"


def used(month: SmallMonth) -> dict[str, Decimal]:
    """Return what each customer used of the large model in November, as metered last."""
    rows = month.ask(
        """select m.customer_id || '=' || sum(m.quantity)::text from metered_usage m
           where m.product_id = 'large' and not exists
               (select from metered_usage n where n.replaces = m.usage_id)
           group by m.customer_id order by 1"""
    )
    return {name: Decimal(value) for name, _, value in (row.partition("=") for row in rows)}


def test_a_subject_that_moves_for_the_past_takes_its_use_with_it(month: SmallMonth) -> None:
    before = used(month)

    month.later(f"customers: [{ACME % 'acme, beta'}, {BETA % 'beta-2'}]")
    month.run("rate")

    after = used(month)
    assert [before["acme"], before["beta"]] == [1501, 2000]
    assert [after["acme"], after["beta"]] == [3501, 0]
    corrected = month.ask(
        "select sum(amount) from charge where customer_id = 'beta' and corrects is not null "
        "and kind = 'usage' and service_month = %s",
        str(NOVEMBER),
    )
    assert corrected == [Decimal("-17.5")]


def test_only_the_days_on_which_it_moves_are_counted_again(month: SmallMonth) -> None:
    month.use("b2", "beta", "large", 10, at="2023-11-20T00:00:00Z")
    month.run("meter")

    month.later(
        f"customers: [{ACME % '{subject: beta, effective_from: 2023-11-18}, acme'},"
        f" {BETA % '{subject: beta, effective_until: 2023-11-18}'}]"
    )

    assert month.ask("select day::text from dirty_day order by 1") == ["2023-11-20"]
    month.run("meter")
    assert used(month)["acme"] == 1511
    assert used(month)["beta"] == 2000


def test_summaries_equal_a_recount_after_a_move(month: SmallMonth) -> None:
    month.later(f"customers: [{ACME % 'acme, beta'}, {BETA % 'beta-2'}]")

    month.run()

    with month.database.transaction() as connection:
        broken = [finding.invariant for finding in examine(connection) if not finding.holds]
    assert broken == []


def test_documents_issued_before_a_move_are_what_was_known_then(month: SmallMonth) -> None:
    month.later(f"customers: [{ACME % 'acme, beta'}, {BETA % 'beta-2'}]")
    month.run()
    month.later(f"customers: [{ACME % 'acme'}, {BETA % 'beta-2, beta'}]")
    month.run()

    with month.database.transaction() as connection:
        wrong = [number for number in month.invoices() if verify(connection, number).wrong]

    assert len(month.invoices()) > 6
    assert wrong == []


def test_a_new_customer_makes_nothing_dirty(month: SmallMonth) -> None:
    month.know("customers: [{id: eve, name: Eve, jurisdiction: US-WA, subjects: [eve-1, eve-2]}]")

    assert month.ask("select day from dirty_day") == []


D = date
ROWS: list[tuple[str, list[CrosswalkRow], list[CrosswalkRow], list[tuple[date, date]]]] = [
    ("same", [("s", "a", None, None)], [("s", "a", None, None)], []),
    ("new", [], [("s", "a", None, None)], [(D.min, D.max)]),
    ("gone", [("s", "a", None, None)], [], [(D.min, D.max)]),
    ("other", [("s", "a", None, None)], [("s", "b", None, None)], [(D.min, D.max)]),
    (
        "ends earlier",
        [("s", "a", None, None)],
        [("s", "a", None, D(2023, 5, 1))],
        [(D(2023, 5, 1), D.max)],
    ),
    (
        "divided",
        [("s", "a", None, None)],
        [("s", "a", None, D(2023, 5, 1)), ("s", "b", D(2023, 5, 1), None)],
        [(D(2023, 5, 1), D.max)],
    ),
    (
        "cut without a move",
        [("s", "a", None, None)],
        [("s", "a", None, D(2023, 5, 1)), ("s", "a", D(2023, 5, 1), None)],
        [],
    ),
]


@pytest.mark.parametrize(("_", "before", "after", "days"), ROWS, ids=[row[0] for row in ROWS])
def test_the_days_of_a_move_are_those_with_another_customer(
    _: str, before: list[CrosswalkRow], after: list[CrosswalkRow], days: list[tuple[date, date]]
) -> None:
    assert moved(before, after).get("s", []) == days
