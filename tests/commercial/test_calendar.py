"""Billing calendars: the slow model agrees, windows tile, and each instant is in one of them."""

import itertools
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commercial import slow_calendar as slow
from tollbook.masterdata.check_billing import billing_of
from tollbook.values.calendar import (
    BillingCalendar,
    Days,
    billing_periods,
    calendar_problems,
    period_of,
)
from tollbook.vectors.case import Case, read_paths

VECTORS = Path(__file__).parent.parent / "vectors" / "commercial" / "calendar"
CASES = [case for case in read_paths([VECTORS]) if "error" not in case.expect]
WINDOWED = [case for case in CASES if "from" in case.given]
RANDOM_CASES = 10_000

# Zones whose clocks did unusual things since 1975, and a few that did none.
ZONES = [
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/Paris",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
    "UTC",
]
RULES = ["last_day", "clamped_stays", "always_last", "first_of_next", "overflow"]


def _id(case: Case) -> str:
    return f"{Path(case.file).stem}:{case.line} {case.name}"


def _slow_windows(said: Mapping[str, Any]) -> list[slow.Window]:
    contract = said.get("contract", {})
    calendar = said.get("calendar", {})
    first, until = (date.fromisoformat(said[name]) for name in ("from", "until"))
    # Without a contract, from long enough ago that every window asked for is whole.
    start = date.fromisoformat(contract.get("start", str(first - timedelta(days=1500))))
    if "days" in calendar:
        start = date.fromisoformat(calendar["days"][0])
    end = date.fromisoformat(contract["until"]) if "until" in contract else None
    return slow.windows(calendar, first, until, start, end)


@pytest.mark.parametrize("case", WINDOWED, ids=_id)
def test_the_slow_model_of_calendars_agrees_with_every_vector(case: Case) -> None:
    zone = case.given.get("zone", "UTC")

    found = [
        (start, until, slow.starts(start, zone), slow.starts(until, zone))
        for start, until in _slow_windows(case.given)
    ]

    found = [one for one in found if one[2] < one[3]]
    for key, value in {
        "count": len(found),
        "days": sum((b - a).days for a, b, *_ in found),
    }.items():
        assert int(case.expect.get(key, value)) == value
    assert len(case.expect.get("windows", found)) == len(found)
    for wanted, (start, until, starts_at, ends_at) in zip(
        case.expect.get("windows", ()), found, strict=False
    ):
        shown = {
            "start": str(start),
            "until": str(until),
            "last": str(until - slow.DAY),
            "days": str((until - start).days),
            "starts_at": starts_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ends_at": ends_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "hours": f"{(ends_at - starts_at) / timedelta(hours=1):g}",
        }
        assert {key: value for key, value in wanted.items() if key != "whole"} == {
            key: shown[key] for key in wanted if key != "whole"
        }


def _random_calendar(dice: random.Random) -> dict[str, Any]:
    every = dice.choice([*slow.MONTHS, *slow.MONTHS, *slow.LENGTHS, "day", "week"])
    said: dict[str, Any] = {"every": every}
    if every in slow.LENGTHS:
        said["count"] = dice.choice([1, 13] if every == "13x4" else [1, 2, 3, 4, 6, 12])
        year_end = {
            "month": dice.randint(1, 12),
            "weekday": dice.choice(slow.WEEKDAYS),
            "rule": dice.choice(["last", "nearest"]),
        }
        if dice.random() < 0.5:
            year_end["week_53_in"] = dice.randint(1, len(slow.LENGTHS[every]))
        said["year_end"] = year_end
    else:
        said["count"] = dice.choice([1, 1, 1, 2, 3, 5])
        anchor = date(2018, 1, 1) + timedelta(days=dice.randint(0, 2500))
        said["anchor"] = dice.choice(["calendar", "contract_start", anchor.isoformat()])
    if every == "week" and dice.random() < 0.5:
        said["anchor_weekday"] = dice.choice(slow.WEEKDAYS)
    if every in slow.MONTHS:
        said["end_of_month"] = dice.choice(RULES)
        if dice.random() < 0.4:
            said["anchor_day"] = dice.randint(1, 31)
        if dice.random() < 0.3:
            said["anchor_month"] = dice.randint(1, 12)
        if every == "month" and said["count"] == 1 and dice.random() < 0.2:
            said = {
                "every": "month",
                "month_days": sorted({dice.randint(1, 27), dice.randint(1, 31)}),
            }
            said["month_days"] = [d for d in said["month_days"][:-1] if d <= 27] + said[
                "month_days"
            ][-1:]
    return said | {"first": dice.choice(["own", "merged"]), "last": dice.choice(["own", "merged"])}


def test_the_slow_model_agrees_on_ten_thousand_random_calendars() -> None:
    dice = random.Random(4)
    for _ in range(RANDOM_CASES):
        said = _random_calendar(dice)
        start = date(2018, 1, 1) + timedelta(days=dice.randint(0, 2500))
        end = start + timedelta(days=dice.randint(1, 900)) if dice.random() < 0.5 else None
        first = start + timedelta(days=dice.randint(-40, 500))
        within = Days(first, first + timedelta(days=dice.randint(1, 120)))

        found = billing_periods(billing_of(said), start=start, until=end, within=within)

        pairs = [(one.days.start, one.days.until) for one in found]
        assert pairs == slow.windows(said, within.start, within.until, start, end), (
            said,
            start,
            end,
        )


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(sorted(available_timezones())),
    seed=st.integers(0, 10**9),
    offset=st.integers(0, 14_000),
)
def test_windows_tile_a_contract_in_every_time_zone(zone: str, seed: int, offset: int) -> None:
    said = _random_calendar(random.Random(seed))
    start = date(1990, 1, 1) + timedelta(days=offset)
    until = start + timedelta(days=800)
    within = Days(start, until)

    found = list(billing_periods(billing_of(said), start=start, until=until, within=within))

    spans = [span for one in found if (span := one.days.instants(zone)) is not None]
    assert spans[0].start == Days(start, until).instants(zone).start  # type: ignore[union-attr]
    assert spans[-1].end == Days(start, until).instants(zone).end  # type: ignore[union-attr]
    assert all(one.end == after.start for one, after in itertools.pairwise(spans))
    assert sum(len(one.days) for one in found) == 800
    assert all(sum(len(share) for share, _ in one.shares) == len(one.days) for one in found)


@settings(max_examples=500, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    seed=st.integers(0, 10**9),
    minute=st.integers(0, 26_000_000),
)
def test_each_instant_is_in_exactly_one_window(zone: str, seed: int, minute: int) -> None:
    calendar = billing_of(_random_calendar(random.Random(seed)))
    start = date(1990, 1, 1)
    moment = datetime(1990, 1, 3, tzinfo=UTC) + timedelta(minutes=minute)

    period = period_of(calendar, moment, start=start, until=None, zone=zone)

    assert period is not None
    day = moment.date()
    around = Days(day - timedelta(days=3), day + timedelta(days=4))
    near = billing_periods(calendar, start=start, until=None, within=around)
    holding = [
        one for one in near if (span := one.days.instants(zone)) is not None and moment in span
    ]
    assert holding == [period]


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_begins_when_the_clock_first_shows_it(zone: str) -> None:
    for year in (1993, 2011, 2018, 2024, 2026):
        for offset in range(366):
            day = date(year, 1, 1) + timedelta(days=offset)
            span = Days(day, day + timedelta(days=1)).instants(zone)

            assert (span is None) == (slow.starts(day, zone) == slow.starts(day + slow.DAY, zone))
            if span is not None:
                assert span.start == slow.starts(day, zone)


def test_a_monthly_anchor_never_drifts() -> None:
    calendar = billing_of({"every": "month", "anchor": "2000-01-31"})
    within = Days(date(2000, 1, 31), date(2100, 1, 31))

    found = list(billing_periods(calendar, start=within.start, until=None, within=within))

    assert len(found) == 1200
    assert all(one.days.start.day >= 28 for one in found)
    assert all(one.days.start.day == 31 for one in found if one.days.start.month in {1, 3, 5, 7, 8})


def test_the_default_calendar_is_the_month() -> None:
    assert list(calendar_problems(BillingCalendar())) == []
    within = Days(date(2026, 2, 1), date(2026, 3, 1))

    [found] = billing_periods(BillingCalendar(), start=date(2020, 1, 1), until=None, within=within)

    assert found.days == within
    assert found.is_whole
