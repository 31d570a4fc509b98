"""Sources through the API: what they are at, pausing one, moving a lane."""

from datetime import timedelta

from api_client import Api
from tollbook.flow.capture.sources import store
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock


def stored(database: Database, clock: FixedClock, lane: str, following: int) -> None:
    """Let a lane be stored up to a position."""
    position = store.Position(
        "meters",
        lane,
        following,
        is_done=False,
        records=following,
        facts={"size": "9"},
        updated_at=clock.now(),
    )
    with database.transaction() as connection:
        assert store.advance(connection, position, first=0)


def test_a_source_that_nothing_reads_is_listed_as_such(empty: Api) -> None:
    found = empty.client.get("/v1/sources").json()

    assert [(one["name"], one["connector"], one["state"]) for one in found] == [
        ("meters", "kafka", "not running")
    ]
    assert (found[0]["lanes"], found[0]["backlog_records"]) == (0, None)


def test_a_source_is_shown_with_its_positions_a_page_at_a_time(
    empty: Api, database: Database, clock: FixedClock
) -> None:
    for number in range(3):
        stored(database, clock, f"usage/{number}", 10 + number)

    first = empty.client.get("/v1/sources/meters", params={"limit": 2}).json()
    rest = empty.client.get("/v1/sources/meters", params={"after": "usage/1"}).json()

    assert first["lanes"] == 3
    assert first["records"] == 33
    assert [(one["lane"], one["next"]) for one in first["positions"]] == [
        ("usage/0", 10),
        ("usage/1", 11),
    ]
    assert [one["lane"] for one in rest["positions"]] == ["usage/2"]
    assert rest["positions"][0]["facts"] == {"size": "9"}


def test_a_failing_reader_is_told_with_what_it_met(
    empty: Api, database: Database, clock: FixedClock
) -> None:
    at = clock.now()
    failed = store.Report(
        "meters", "1", at, "failing", None, 0, None, None, "capture.source_denied", "No.", at
    )
    with database.transaction() as connection:
        store.put_report(connection, failed, forget_before=at - timedelta(hours=1))

    found = empty.client.get("/v1/sources").json()[0]

    assert (found["state"], found["code"]) == ("failing", "capture.source_denied")


def test_a_source_is_paused_once_and_goes_on_once_with_reasons_in_the_audit(
    empty: Api, database: Database
) -> None:
    pause, resume = "/v1/sources/meters/pause", "/v1/sources/meters/resume"

    assert empty.client.post(resume, json={"reason": "x"}).status_code == 422
    assert empty.client.post(pause, json={"reason": "broker moves"}).status_code == 204
    assert empty.client.post(pause, json={"reason": "x"}).status_code == 422
    paused = empty.client.get("/v1/sources/meters").json()
    assert empty.client.post(resume, json={"reason": "moved"}).status_code == 204

    assert (paused["state"], paused["paused_for"]) == ("paused", "broker moves")
    assert empty.client.get("/v1/sources/meters").json()["state"] == "not running"
    with database.transaction() as connection:
        audited = connection.execute(
            "select action, object_id, reason from audit_record order by sequence"
        ).fetchall()
    assert audited == [
        ("capture.pause_source", "meters", "broker moves"),
        ("capture.resume_source", "meters", "moved"),
    ]


def test_a_lane_is_moved_only_while_the_source_is_paused(
    empty: Api, database: Database, clock: FixedClock
) -> None:
    stored(database, clock, "usage/0", 500)
    seek = {"lane": "usage/0", "position": 100, "reason": "read again"}

    early = empty.client.post("/v1/sources/meters/seek", json=seek)
    empty.client.post("/v1/sources/meters/pause", json={"reason": "to move it"})
    moved = empty.client.post("/v1/sources/meters/seek", json=seek)

    assert (early.status_code, early.json()["code"]) == (422, "capture.source_not_paused")
    assert moved.status_code == 204
    positions = empty.client.get("/v1/sources/meters").json()["positions"]
    assert [(one["lane"], one["next"], one["records"]) for one in positions] == [
        ("usage/0", 100, 500)
    ]


def test_a_source_that_is_not_configured_is_not_there(empty: Api) -> None:
    answer = empty.client.get("/v1/sources/nobody")

    assert (answer.status_code, answer.json()["code"]) == (404, "config.no_such_source")
