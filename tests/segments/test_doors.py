"""Sealed days over HTTP and on the command line, end to end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from api_client import Api, event
from api_client import company as documents
from tollbook.api.app import build
from tollbook.app import App
from tollbook.cli import cli
from tollbook.config import Settings
from tollbook.observe.log import configure
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

DAY = "2023-11-16"
REASON = {"reason": "test"}


@pytest.fixture
def api(database: Database, dsn: str, clock: FixedClock, tmp_path: Path) -> Iterator[Api]:
    configure("text")
    app = App(Settings(tmp_path, database_url=dsn, keep_raw_days=5), clock, database)
    with TestClient(build(app)) as client:
        api = Api(client, app)
        api.post("/v1/master-data/apply", documents())
        api.send(event(1), event(2), event(3, time="2023-11-17T00:00:00Z"))
        api.post("/v1/runs", {"month": "2023-11", "until": "meter"})
        yield api


def test_days_are_sealed_proven_recounted_and_restored_over_http(api: Api) -> None:
    sealed = api.post("/v1/segments/seal", {"through": DAY})
    listed = api.get("/v1/segments")
    proven = api.get("/v1/segments/verify")
    recounts = [
        api.get("/v1/usage-recount", month="2023-11", engine=engine)
        for engine in ("duckdb", "postgres")
    ]
    restored = api.post(f"/v1/segments/{DAY}/restore", REASON)

    assert sealed["segments"] == listed
    assert [one["event_count"] for one in listed] == [2]
    assert [one["wrong"] for one in proven] == [[]]
    assert recounts[0] == recounts[1]
    assert all(one["is_same"] for one in recounts[0])
    assert [one["state"] for one in restored] == ["restored"]


def test_reports_say_the_same_of_sealed_days(api: Api) -> None:
    api.send(event(9, subject="nobody"))
    voided = api.send(event(8))[0]["event_id"]
    api.post(f"/v1/events/{voided}/void", REASON)
    api.post("/v1/runs", {"month": "2023-11", "until": "meter"})
    paths = ("/v1/reports/leakage", "/v1/reports/late")
    before = [api.get(path, month="2023-11") for path in paths]

    sealed = api.post("/v1/segments/seal", {"through": DAY})

    assert sealed["segments"]
    assert before[0]["voided"]
    assert [api.get(path, month="2023-11") for path in paths] == before


def test_a_hold_is_made_shown_and_released_over_http(api: Api) -> None:
    hold = api.post("/v1/retention-holds", {"first": DAY, "last": DAY, **REASON})
    shown = api.get("/v1/retention-holds")
    api.post(f"/v1/retention-holds/{hold['hold_id']}/release", REASON)

    assert shown == [hold]
    assert api.get("/v1/retention-holds") == []


def test_deletion_over_http_needs_a_reconciled_month_and_a_second_person(api: Api) -> None:
    api.post("/v1/segments/seal", {"through": DAY})

    refused = api.problem("POST", f"/v1/segments/{DAY}/expire", json=REASON)
    unasked = api.problem("POST", f"/v1/segments/{DAY}/delete", json=REASON)

    assert refused[1] == "capture.month_not_reconciled"
    assert unasked[1] == "capture.month_not_reconciled"


def test_an_event_for_a_deleted_day_goes_to_quarantine(api: Api) -> None:
    api.post("/v1/segments/seal", {"through": DAY})
    with api.app.database.transaction() as connection:
        connection.execute("update sealed_segment set state = 'deleted'")

    [late] = api.send(event(9))
    [known] = api.send(event(4, time="2023-11-18T00:00:00Z"))

    assert (late["status"], late["code"]) == ("rejected", "capture.day_deleted")
    assert known["status"] == "accepted"


def test_a_damaged_archive_fails_the_command_that_proves_it(
    api: Api, archive: Path, dsn: str, tmp_path: Path
) -> None:
    [segment] = api.post("/v1/segments/seal", {"through": DAY})["segments"]
    environment = {
        "DATABASE_URL": dsn,
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_ARCHIVE": str(archive),
    }
    before = CliRunner().invoke(cli, ["events", "verify-segments"], env=environment)
    (archive / segment["path"]).unlink()

    after = CliRunner().invoke(cli, ["events", "verify-segments"], env=environment)

    assert before.exit_code == 0
    assert f"{DAY}/1: 2 events, as they were sealed" in before.output
    assert after.exit_code == 1
    assert "is not in the archive" in after.output
