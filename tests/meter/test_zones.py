"""Windows in time zones: they tile, days have 23 to 25 hours, and a month follows its contract."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter.aggregating import current, customer, only
from meter.company import NOVEMBER, Company, contract
from meter.test_summaries import differences
from tollbook.records.parties import Customer
from tollbook.storage.database import Database
from tollbook.values.period import Month, Period
from tollbook.values.zone import WindowKind, bucket_minutes, day_start, instants, windows_of

ZONES = (
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Europe/Paris",
    "Pacific/Apia",
    "Pacific/Chatham",
)


class TestWindows:
    def test_a_day_that_a_zone_skipped_has_no_window(self) -> None:
        span = Period(
            day_start(date(2011, 12, 29), "Pacific/Apia"),
            day_start(date(2012, 1, 1), "Pacific/Apia"),
        )

        found = list(windows_of("day", span, "Pacific/Apia"))

        assert [window.start.day for window in found] == [29, 30]
        assert found[0].end == found[1].start

    @given(
        zone=st.sampled_from(ZONES),
        kind=st.sampled_from(["hour", "day", "month"]),
        start=st.datetimes(datetime(2001, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
        hours=st.integers(1, 2000),
    )
    @settings(max_examples=200, deadline=None)
    def test_each_instant_is_in_exactly_one(
        self, zone: str, kind: WindowKind, start: datetime, hours: int
    ) -> None:
        span = Period(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + timedelta(hours=hours))

        found = list(windows_of(kind, span, zone))

        assert (found[0].start, found[-1].end) == (span.start, span.end)
        assert all(one.end == following.start for one, following in pairwise(found))

    @given(
        zone=st.sampled_from(ZONES),
        days=st.integers(0, 10_000),
    )
    @settings(max_examples=200, deadline=None)
    def test_a_day_begins_on_an_edge_of_the_buckets_that_its_zone_needs(
        self, zone: str, days: int
    ) -> None:
        start = day_start(date(2001, 1, 1) + timedelta(days=days), zone)

        assert start.minute % bucket_minutes(frozenset({zone})) == 0
        assert start.second == start.microsecond == 0

    @pytest.mark.parametrize(
        ("zone", "day", "hours"),
        [
            ("Europe/Paris", date(2023, 3, 26), 23),
            ("Europe/Paris", date(2023, 10, 29), 25),
            ("America/Havana", date(2023, 3, 12), 23),
            ("America/Havana", date(2023, 11, 5), 25),
            ("Asia/Tokyo", date(2023, 3, 26), 24),
        ],
    )
    def test_a_day_on_which_clocks_change_is_shorter_or_longer(
        self, zone: str, day: date, hours: int
    ) -> None:
        span = Period(day_start(day, zone), day_start(day + timedelta(days=1), zone))

        assert span.end - span.start == timedelta(hours=hours)
        assert len(list(windows_of("hour", span, zone))) == hours

    def test_buckets_are_hours_unless_a_zone_is_off_the_hour(self) -> None:
        assert bucket_minutes(frozenset({"UTC", "Europe/Paris", "Asia/Tokyo"})) == 60
        assert bucket_minutes(frozenset({"Europe/Paris", "Asia/Kolkata"})) == 15

    def test_a_month_in_utc_is_what_it_was(self) -> None:
        assert instants(NOVEMBER.period, "UTC") == NOVEMBER.period


# A second before and at the local start and end of November, in UTC.
EDGES = {
    "Asia/Tokyo": ("2023-10-31T14:59:59Z", "2023-10-31T15:00:00Z", "2023-11-30T15:00:00Z"),
    "America/New_York": ("2023-11-01T03:59:59Z", "2023-11-01T04:00:00Z", "2023-12-01T05:00:00Z"),
    "Asia/Kolkata": ("2023-10-31T18:29:59Z", "2023-10-31T18:30:00Z", "2023-11-30T18:30:00Z"),
}


class TestMonths:
    @pytest.mark.parametrize("zone", EDGES)
    def test_a_billing_month_begins_and_ends_in_the_contracts_zone(
        self, database: Database, zone: str
    ) -> None:
        company = Company(database, contract(zone=zone))
        company.decide(customer())
        company.summarize()
        october, first, december = EDGES[zone]
        for number, at in enumerate((october, first, december)):
            company.use({"tokens": 10**number, "at": at})

        found = {}
        for month in (Month(2023, 10), NOVEMBER, Month(2023, 12)):
            assert company.meter(month).set_aside == ()
            [usage] = company.usages(month)
            found[month] = usage.quantity
            assert (usage.period, usage.zone) == (month.period, zone)
            at_once = only(current(company, customer_id="acme", meter_id="tokens", month=month))
            assert (at_once.quantity, at_once.digest) == (usage.quantity, usage.digest)

        assert list(found.values()) == [Decimal(1), Decimal(10), Decimal(100)]
        assert differences(company) == []

    def test_a_charge_is_for_the_days_of_the_calendar(self, database: Database) -> None:
        company = Company(database, contract(zone="Asia/Tokyo"))
        company.use({"tokens": 10, "at": "2023-10-31T15:00:00Z"})

        company.rate()

        [charge] = company.charges()
        assert charge.period == NOVEMBER.period
        assert charge.quantity == 10

    def test_an_amendment_begins_with_the_contracts_day(self, database: Database) -> None:
        company = Company(database, contract(zone="Asia/Tokyo"))
        company.decide(contract(version=2, effective_from=date(2023, 11, 16), zone="Asia/Tokyo"))
        company.use(
            {"tokens": 5, "at": "2023-11-15T14:59:59Z"}, {"tokens": 6, "at": "2023-11-15T15:00:00Z"}
        )

        company.meter()

        found = [(usage.contract_version, usage.quantity) for usage in company.usages()]
        assert found == [(1, Decimal(5)), (2, Decimal(6))]

    def test_the_zone_of_the_customer_counts_where_the_contract_has_none(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.decide(customer(zone="Asia/Tokyo"))
        company.use({"tokens": 5, "at": "2023-10-31T15:00:00Z"})

        company.meter()

        assert [usage.zone for usage in company.usages()] == ["Asia/Tokyo"]

    def test_a_zone_that_is_learned_late_counts_all_days_by_its_quarters(
        self, database: Database
    ) -> None:
        company = Company(database)
        known: Customer = customer()
        company.decide(known)
        company.summarize()
        company.use({"tokens": 5, "at": "2023-11-15T18:29:59Z"})
        company.use({"tokens": 6, "at": "2023-11-15T18:30:00Z"})
        company.summarize()

        company.decide(replace(known, zone="Asia/Kolkata"))
        company.summarize()
        company.use({"tokens": 7, "at": "2023-11-15T18:45:00Z"})

        ask = {"customer_id": "acme", "meter_id": "tokens", "month": NOVEMBER, "window": "day"}
        used = [one for one in current(company, **ask).usages if one.event_count]
        assert [one.quantity for one in used] == [5, 13]
        assert used[1].starts_at == datetime(2023, 11, 15, 18, 30, tzinfo=UTC)
        assert differences(company) == []
