"""What an event type asks of time and subject is asked at the door, version by version."""

from collections.abc import Callable
from pathlib import Path

import pytest

from door import SCHEMA, add_record, event, raw
from tollbook.flow.capture.step import Answer
from tollbook.records.commercial import EventType
from tollbook.runtime.backfill import Order, apply_backfill
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

# The clock of these tests stands at 2023-12-01T09:00:00Z.
STRICT = EventType(
    "strict", SCHEMA, subject_pattern="cus_[0-9]{3}", future_hours_max=1, age_days_max=10
)


@pytest.fixture
def strict(furnished: Database, clock: FixedClock) -> Callable[..., Answer]:
    """Give a function that sends an event of the strict type."""
    add_record(furnished, "event_type", "strict", STRICT)
    desk = Desk(furnished, clock, future_hours_max=24)

    def send(number: int, **changes: str) -> Answer:
        return desk.take([raw(number, type="strict", **changes)], door="test").answers[0]

    return send


@pytest.mark.parametrize(
    ("time", "code"),
    [
        ("2023-11-21T09:00:00Z", ""),
        ("2023-11-21T08:59:59Z", "capture.too_old_for_type"),
        ("2023-12-01T10:00:00Z", ""),
        ("2023-12-01T10:00:01Z", "capture.time_in_future"),
    ],
)
def test_an_event_must_be_inside_the_window_of_its_type(
    strict: Callable[..., Answer], time: str, code: str
) -> None:
    assert strict(1, time=time).code == code


def test_a_subject_must_be_a_tenant_as_the_type_writes_them(
    strict: Callable[..., Answer],
) -> None:
    answer = strict(1, subject="tenant 7", time="2023-12-01T08:00:00Z")

    assert (answer.status, answer.code) == ("rejected", "capture.invalid_subject")
    assert "'tenant 7'" in answer.message


def test_types_without_a_policy_go_by_the_setting(desk: Desk) -> None:
    told = desk.take(
        [raw(1, time="2023-12-02T08:00:00Z"), raw(2, time="2000-01-02T00:00:00Z")], door="t"
    )

    assert [answer.status for answer in told.answers] == ["accepted", "accepted"]


def test_a_type_may_allow_more_time_ahead_than_the_setting(
    furnished: Database, clock: FixedClock
) -> None:
    add_record(furnished, "event_type", "plan", EventType("plan", SCHEMA, future_hours_max=48))
    desk = Desk(furnished, clock, future_hours_max=24)

    told = desk.take(
        [raw(n, type="plan", time=f"2023-12-0{n}T09:00:00Z") for n in (3, 4)], door="test"
    )

    assert [answer.code for answer in told.answers] == ["", "capture.time_in_future"]


def test_what_is_too_old_for_the_door_may_be_back_filled(
    strict: Callable[..., Answer], furnished: Database, clock: FixedClock, tmp_path: Path
) -> None:
    old = event(1, type="strict", time="2023-06-01T00:00:00Z")
    refused = strict(1, time="2023-06-01T00:00:00Z")
    file = tmp_path / "june.jsonl"
    file.write_bytes(
        raw(**{"number": 1, **{k: v for k, v in old.items() if k in {"type", "time"}}})
    )

    done = apply_backfill(
        furnished,
        Desk(furnished, clock, future_hours_max=24, takes_any_age=True),
        file,
        order=Order("june", "ana", "the exporter was off"),
        clock=clock,
    )

    assert refused.code == "capture.too_old_for_type"
    assert (done.state, done.accepted, done.rejected) == ("applied", 1, 0)
