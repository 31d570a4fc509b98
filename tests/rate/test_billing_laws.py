"""What holds for all billing calendars and amendments: nothing is billed twice, nothing is lost."""

import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from commercial import slow_calendar as slow
from tollbook.flow.meter.window import windows
from tollbook.flow.rate.truth import Elsewhere, month_truth
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.documents import documents_to_versions
from tollbook.values.period import Month

NOW = datetime(2100, 1, 1, tzinfo=UTC)
START = date(2026, 1, 10)
PRICE = 100
# What a division without end leaves, for as many parts as there can be.
CARRIED = Fraction(1, 10**9)


def catalog_of(billing: Mapping[str, Any], changes: Mapping[date, int], until: date) -> Catalog:
    """Return a contract whose number of seats changes on some days, and that ends."""
    contract = {
        "id": "c",
        "customer": "cus",
        "entity": "us",
        "currency": "USD",
        "price_book": "list",
        "effective_until": until,
        **({"billing": billing} if billing else {}),
    }
    found = documents_to_versions(
        {
            "entities": [
                {"id": "us", "name": "Us", "currency": "USD", "country": "US", "target": "erp",
                 "invoice_prefix": "U", "zone": "Europe/Paris"}
            ],
            "customers": [{"id": "cus", "name": "Cus", "jurisdiction": "US-NY"}],
            "event_types": [{"id": "call", "schema": {"type": "object"}}],
            "meters": [{"id": "calls", "event_type": "call", "aggregation": "count", "unit": "x"}],
            "products": [
                {"id": "seat", "name": "Seat", "revenue": "ratable", "tax_class": "standard"},
                {"id": "calls", "name": "Calls", "meter": "calls", "revenue": "usage",
                 "tax_class": "standard"},
            ],
            "price_books": [
                {"id": "list", "currency": "USD", "effective_from": date(2025, 1, 1), "prices": [
                    {"product": "seat", "model": "flat", "amount": PRICE},
                    {"product": "calls", "model": "unit", "unit_price": 1},
                ]}
            ],
            "contracts": [
                {**contract, "version": at, "effective_from": day,
                 "items": ["calls", {"product": "seat", "quantity": seats}]}
                for at, (day, seats) in enumerate(sorted(changes.items()), start=1)
            ],
        }
    )  # fmt: skip
    assert found.problems == ()
    versions: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in found.versions:
        versions[version.kind, version.key].append(version)
    return Catalog(NOW, {key: tuple(values) for key, values in versions.items()})


def months_of(until: date) -> list[Month]:
    first = Month.of(START)
    return [first.plus(n) for n in range(Month.of(until).minus(first) + 2)]


def day_by_day(billing: Mapping[str, Any], changes: Mapping[date, int], until: date) -> Fraction:
    """Charge each day its part of the period that it is in, for the seats there are on it."""
    begins = slow.beginning(billing, START)
    owed, day = Fraction(0), START
    while day < until:
        first = after = day
        while not begins(first):
            first -= slow.DAY
        after += slow.DAY
        while not begins(after):
            after += slow.DAY
        length = (after - first).days
        while day < min(after, until):
            seats = [count for since, count in sorted(changes.items()) if since <= day][-1]
            owed += Fraction(PRICE * seats, length)
            day += slow.DAY
    return owed


BILLINGS = st.sampled_from(
    [
        {"every": "month"},
        {"every": "month", "anchor_day": 31},
        {"every": "month", "anchor_day": 15},
        {"every": "week", "anchor": "contract_start"},
        {"every": "quarter", "anchor": "contract_start"},
        {"every": "year", "anchor_month": 4},
        {"every": "4-4-5"},
        {"month_days": [1, 16]},
        {"every": "day", "count": 45, "anchor": "contract_start"},
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    billing=BILLINGS,
    changes=st.dictionaries(st.integers(1, 420), st.integers(1, 9), max_size=4),
    days=st.integers(1, 450),
)
def test_fees_of_all_months_are_what_each_day_costs(
    billing: dict[str, Any], changes: dict[int, int], days: int
) -> None:
    until = START + timedelta(days=days)
    seats = {START: 2} | {START + timedelta(n): count for n, count in changes.items() if n < days}
    catalog = catalog_of(billing, seats, until)

    charged = sum(
        (
            rated.charge.amount.value
            for month in months_of(until)
            for rated in month_truth(catalog, month, [], Elsewhere()).charges.values()
            if rated.charge.kind == "fixed"
        ),
        Decimal(0),
    )

    assert abs(Fraction(charged) - day_by_day(billing, seats, until)) < CARRIED


@settings(max_examples=150, deadline=None)
@given(
    billing=BILLINGS,
    changes=st.dictionaries(st.integers(1, 420), st.integers(1, 9), max_size=4),
    days=st.integers(1, 450),
    seed=st.integers(0, 10**9),
)
def test_every_event_of_a_contract_is_billed_by_exactly_one_month(
    billing: dict[str, Any], changes: dict[int, int], days: int, seed: int
) -> None:
    until = START + timedelta(days=days)
    seats = {START: 2} | {START + timedelta(n): count for n, count in changes.items() if n < days}
    catalog = catalog_of(billing, seats, until)
    first, end = slow.starts(START, "Europe/Paris"), slow.starts(until, "Europe/Paris")
    dice = random.Random(seed)
    seconds = int((end - first).total_seconds())
    moments = [first, end - timedelta(microseconds=1)]
    moments += [first + timedelta(seconds=dice.randrange(seconds)) for _ in range(20)]

    found = [window for month in months_of(until) for window in windows(catalog, month)]

    for moment in moments:
        assert sum(1 for window in found if moment in window.asked.period) == 1
    for outside in (first - timedelta(microseconds=1), end):
        assert not any(outside in window.asked.period for window in found)


@settings(max_examples=100, deadline=None)
@given(
    changes=st.dictionaries(st.integers(1, 200), st.integers(1, 9), max_size=3),
    days=st.integers(1, 250),
)
def test_stated_calendar_months_meter_the_same_windows_as_none(
    changes: dict[int, int], days: int
) -> None:
    until = START + timedelta(days=days)
    seats = {START: 2} | {START + timedelta(n): count for n, count in changes.items() if n < days}
    stated, none = catalog_of({"every": "month"}, seats, until), catalog_of({}, seats, until)

    for month in months_of(until):
        segments = [(c.version, a, b) for c, a, b in stated.contract_segments(month)]
        assert segments == [(c.version, a, b) for c, a, b in none.contract_segments(month)]
