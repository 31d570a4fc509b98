"""One hour of real requests, with the faults of a real feed, through both doors."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tollbook.api.intake import intake_routes
from tollbook.runtime.intake import Desk, Intake
from tollbook.sdk.drops.json_lines import read_json_lines
from tollbook.sdk.drops.unpack import unpack
from tollbook.storage.database import Database

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FILE = DATA / "llm_code_events.jsonl.gz"
BATCH = 1000

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the shared data is not here")

KEPT = (
    "usage_event",
    "event_identity",
    "quarantine",
    "event_conflict",
    "work_item",
    "work_item_object",
)


def _expected() -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((DATA / "llm_code_events.expected.json").read_text())
    return expected


def _through_file(desk: Desk) -> Counter[str]:
    counts: Counter[str] = Counter()
    with FILE.open("rb") as stored:
        lines = [body for batch in read_json_lines(unpack(stored)) for body in batch.bodies]
    for start in range(0, len(lines), BATCH):
        counts += desk.take(lines[start : start + BATCH], door="file").counts
    return counts


def _through_http(client: TestClient) -> Counter[str]:
    counts: Counter[str] = Counter()
    lines = gzip.decompress(FILE.read_bytes()).splitlines()
    batch = [line for line in lines if line.endswith(b"}")]
    for start in range(0, len(batch), BATCH):
        body = b"[" + b",".join(batch[start : start + BATCH]) + b"]"
        answer = client.post(
            "/v1/events",
            content=body,
            headers={"content-type": "application/cloudevents-batch+json"},
        )
        counts.update(result["status"] for result in answer.json()["results"])
    for line in lines:
        if not line.endswith(b"}"):
            answer = client.post(
                "/v1/events",
                content=line,
                headers={"content-type": "application/cloudevents+json"},
            )
            counts.update(result["status"] for result in answer.json()["results"])
    return counts


def _stored(database: Database) -> dict[str, dict[str, int]]:
    with database.transaction() as connection:
        rows = connection.execute(
            """select subject, count(*), sum((data::jsonb->>'input_tokens')::numeric)::bigint,
                      sum((data::jsonb->>'output_tokens')::numeric)::bigint
               from usage_event group by subject order by subject"""
        ).fetchall()
    return {
        row[0]: {"events": row[1], "input_tokens": row[2], "output_tokens": row[3]} for row in rows
    }


def _assert_totals(counts: Counter[str], database: Database) -> None:
    expected = _expected()
    assert counts == {
        "accepted": expected["accepted"],
        "duplicate": expected["duplicates"],
        "rejected": expected["rejected"],
        "conflict": expected["conflicts"],
    }
    assert _stored(database) == expected["by_subject"]


def test_the_file_door_gives_exactly_the_expected_totals(desk: Desk, database: Database) -> None:
    counts = _through_file(desk)

    _assert_totals(counts, database)


def test_the_http_door_gives_exactly_the_expected_totals(
    intake: Intake, database: Database
) -> None:
    with TestClient(Starlette(routes=intake_routes(intake))) as client:
        counts = _through_http(client)

    _assert_totals(counts, database)


def test_importing_the_file_twice_changes_nothing(desk: Desk, count: Callable[[str], int]) -> None:
    _through_file(desk)
    kept = {table: count(table) for table in KEPT}

    counts = _through_file(desk)

    expected = _expected()
    assert counts == {
        "duplicate": expected["accepted"] + expected["duplicates"],
        "rejected": expected["rejected"],
        "conflict": expected["conflicts"],
    }
    assert {table: count(table) for table in KEPT} == kept
    assert kept["quarantine"] == expected["rejected"]
    assert kept["event_conflict"] == expected["conflicts"]
