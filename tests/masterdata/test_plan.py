"""A plan says what applying would create, change, leave and refuse."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.documents import Wanted
from tollbook.masterdata.plan import Change, FieldChange, Plan, plan

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)

FEE = """
price_books:
  - id: list
    currency: USD
    versions:
      - version: 1
        effective_from: 2023-01-01
        prices:
          - {{product: tokens, model: unit, unit_price: {first}, per: 1_000_000}}
          - {{product: calls, model: package, unit_price: 1.00, per: 1000}}
          - {{product: fee, model: flat, amount: 10.00}}
"""
SECOND = """
      - version: 2
        effective_from: 2024-01-01
        prices:
          - {product: tokens, model: unit, unit_price: 2.50, per: 1_000_000}
          - {product: calls, model: package, unit_price: 1.00, per: 1000}
          - {product: fee, model: flat, amount: 10.00}
"""


def stored(planned: Plan) -> Catalog:
    """Return the catalog as it is after a plan was applied to nothing."""
    assert planned.problems == ()
    versions = {(c.version.kind, c.version.key): (c.version,) for c in planned.changes}
    return Catalog(AT, versions)


def only(planned: Plan) -> Change:
    assert planned.problems == ()
    (change,) = planned.changes
    return change


def test_everything_is_created_once_and_then_unchanged(wanted: Callable[[str], Wanted]) -> None:
    first = plan(Catalog(AT), wanted(""), at=AT)

    again = plan(stored(first), wanted(""), at=AT)

    assert {change.action for change in first.changes} == {"create"}
    assert first.unchanged == 0
    assert again.changes == ()
    assert again.unchanged == len(first.changes)


def test_records_are_created_before_those_that_name_them(wanted: Callable[[str], Wanted]) -> None:
    planned = plan(Catalog(AT), wanted(""), at=AT)

    kinds = [change.version.kind for change in planned.changes]

    assert kinds.index("meter") < kinds.index("product") < kinds.index("contract")


def test_a_changed_customer_is_the_next_version(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    moved = "customers: [{id: bob, name: Bob and Sons, jurisdiction: US-CA, email: b@b.example}]"

    change = only(plan(stored(plan_on_nothing("")), wanted(moved), at=AT))

    assert change.action == "change"
    assert change.version.version == 2
    assert change.differences == (
        FieldChange("jurisdiction", "US-NY", "US-CA"),
        FieldChange("email", "", "b@b.example"),
    )


def test_a_changed_price_under_the_same_number_is_refused(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    planned = plan(stored(plan_on_nothing("")), wanted(FEE.format(first="2.50")), at=AT)

    (problem,) = planned.problems
    assert planned.changes == ()
    assert problem.code == "masterdata.version_immutable"
    assert str(problem.place) == "case:6"
    assert "add version 2 with its own effective_from" in problem.message
    assert "prices[tokens].tiers[1].unit_price" in problem.message


def test_a_moved_start_under_the_same_number_is_refused_too(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    earlier = FEE.format(first="3.00").replace("2023-01-01", "2022-01-01")

    planned = plan(stored(plan_on_nothing("")), wanted(earlier), at=AT)

    assert [p.code for p in planned.problems] == ["masterdata.version_immutable"]


def test_a_new_price_is_the_next_version_and_shows_its_difference(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    planned = plan(stored(plan_on_nothing("")), wanted(FEE.format(first="3.00") + SECOND), at=AT)

    change = only(planned)
    assert change.version.version == 2
    assert change.version.effective_from == date(2024, 1, 1)
    assert change.differences == (
        FieldChange("effective_from", "2023-01-01", "2024-01-01"),
        FieldChange("prices[tokens].tiers[1].unit_price", "3", "2.5"),
    )


def test_version_numbers_leave_no_gap(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    third = SECOND.replace("version: 2", "version: 3")

    planned = plan(stored(plan_on_nothing("")), wanted(FEE.format(first="3.00") + third), at=AT)

    assert [p.code for p in planned.problems] == ["masterdata.version_gap"]


def test_a_change_that_a_later_version_would_hide_is_refused(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    catalog = stored(plan_on_nothing(""))
    (bob,) = catalog.versions["customer", "bob"]
    later = replace(bob, version=2, effective_from=date(2024, 1, 1), content_hash="other")
    catalog = replace(catalog, versions={**catalog.versions, ("customer", "bob"): (bob, later)})

    planned = plan(catalog, wanted(""), at=AT)

    assert [p.code for p in planned.problems] == ["masterdata.starts_before_latest"]


def test_what_is_not_in_the_files_is_left_alone_but_still_checked(
    wanted: Callable[[str], Wanted], plan_on_nothing: Callable[[str], Plan]
) -> None:
    """The contract of ada is only stored; a product that it has must not lose its meaning."""
    catalog = stored(plan_on_nothing(""))
    documents = wanted(
        "products: [{id: calls, name: Calls, meter: tokens, revenue: usage, tax_class: standard}]"
    )
    alone = replace(
        documents,
        versions=tuple(v for v in documents.versions if v.kind == "product"),
        documents={key: found for key, found in documents.documents.items() if key[0] == "product"},
    )

    planned = plan(catalog, alone, at=AT)

    (problem,) = planned.problems
    assert problem.code == "masterdata.counted_twice"
    assert str(problem.place) == "contract ada-1 version 1 (stored)"
