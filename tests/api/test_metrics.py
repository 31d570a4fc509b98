"""GET /metrics: what this process counted, and what waits."""

import re
from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from api_client import Api, event
from tollbook.flow.capture.sources.store import Report, State, put_report
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

MANUAL = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


def samples(api: Api) -> dict[tuple[str, ...], float]:
    answer = api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def report(
    database: Database, clock: FixedClock, state: State, *, process: str, waiting: int, oldest: int
) -> None:
    at = clock.now()
    said = Report("meters", process, at, state, None, 5, waiting, oldest, "", "", None)
    with database.transaction() as connection:
        put_report(connection, said, forget_before=at)


def test_events_are_counted_by_their_answer(api: Api) -> None:
    before = samples(api)
    api.send(event(1), event(2), event(1), event(2, data={"model": "m", "tokens": 5}))
    api.send(event(3, subject="nobody"))

    counted = samples(api)

    answers = ("accepted", "duplicate", "conflict", "rejected")
    assert [before["tollbook_events_total", answer, "http"] for answer in answers] == [0, 0, 0, 0]
    assert [counted["tollbook_events_total", answer, "http"] for answer in answers] == [2, 1, 1, 1]
    assert counted["tollbook_open_work_items", "capture.unknown_subject"] == 1
    assert counted["tollbook_open_work_items", "capture.conflict"] == 1


def test_what_waits_for_the_erp_is_told_with_its_age(billed: Api, clock: FixedClock) -> None:
    clock.wait(timedelta(minutes=5).total_seconds())

    waiting = samples(billed)

    assert waiting["tollbook_postings", "ready", "erp"] == 2
    assert waiting["tollbook_oldest_unposted_age_seconds",] == 300


def test_nothing_waits_in_an_empty_database(empty: Api) -> None:
    found = samples(empty)

    assert found["tollbook_oldest_unposted_age_seconds",] == 0
    assert not [
        name for name in found if name[0] in {"tollbook_postings", "tollbook_open_work_items"}
    ]


def test_what_waits_in_a_source_is_told_as_its_readers_saw_it(
    empty: Api, database: Database, clock: FixedClock
) -> None:
    report(database, clock, "reading", process="1", waiting=70, oldest=12)
    report(database, clock, "failing", process="2", waiting=30, oldest=40)

    found = samples(empty)

    assert found["tollbook_source_backlog_records", "meters"] == 100
    assert found["tollbook_source_oldest_age_seconds", "meters"] == 40
    assert found["tollbook_source_failing", "meters"] == 1


def test_a_reader_that_is_silent_for_long_counts_no_more(
    empty: Api, database: Database, clock: FixedClock
) -> None:
    report(database, clock, "failing", process="1", waiting=70, oldest=12)
    clock.wait(timedelta(minutes=5).total_seconds())

    found = samples(empty)

    assert found["tollbook_source_failing", "meters"] == 0
    assert ("tollbook_source_backlog_records", "meters") not in found


def test_the_manual_lists_every_metric(billed: Api, database: Database, clock: FixedClock) -> None:
    report(database, clock, "reading", process="1", waiting=7, oldest=1)
    billed.send(event(9, subject="nobody"))
    billed.client.post("/v1/events", content=b"x", headers={"content-type": "text/plain"})
    exposed = {
        re.sub("seconds_(?:bucket|count|sum)$", "seconds", sample.name)
        for family in text_string_to_metric_families(billed.client.get("/metrics").text)
        for sample in family.samples
    }

    listed = set(re.findall(r"^\| `(tollbook_\w+)`", MANUAL.read_text(), re.MULTILINE))

    assert {name for name in exposed if not name.endswith("_created")} == listed
