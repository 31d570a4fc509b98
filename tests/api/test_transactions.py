"""A 2xx is durable before it is sent, and a refusal leaves nothing behind."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from api_client import EVENT, Api, company, event
from tollbook.api.app import build
from tollbook.app import App

PATIENCE_SECONDS = 10


@pytest.fixture
def outside(dsn: str) -> Iterator[psycopg.Connection]:
    """Give a connection that sees only what is committed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def rows(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_what_is_answered_is_committed(app: App, outside: psycopg.Connection) -> None:
    seen: list[tuple[int, int, int]] = []
    api = build(app)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def look_first(message: Message) -> None:
            if message["type"] == "http.response.start":
                discarded = rows(outside, "quarantine where state = 'discarded'")
                seen.append(
                    (rows(outside, "master_version"), rows(outside, "usage_event"), discarded)
                )
            await send(message)

        await api(scope, receive, look_first)

    with TestClient(watched) as client:
        called = Api(client, app)
        called.post("/v1/master-data/apply", company())
        called.send(event(1))
        [refused] = called.send(event(2, subject="nobody"))
        called.post(f"/v1/quarantine/{refused['quarantine_id']}/discard", {"reason": "a test"})

    assert seen == [(15, 0, 0), (15, 1, 0), (15, 1, 0), (15, 1, 1)]


def test_a_route_that_fails_halfway_leaves_nothing(api: Api, outside: psycopg.Connection) -> None:
    api.send(event(1))
    api.post("/v1/runs", {"month": "2023-11", "until": "invoice"})
    [draft] = api.get("/v1/invoices")["items"]
    before = rows(outside, "audit_record")
    half_wrong = {"invoice_ids": [draft["invoice_id"], "inv_none"], "reason": "r"}

    refused = api.problem("POST", "/v1/invoices/approve", json=half_wrong)

    assert refused == (404, "invoice.unknown")
    assert rows(outside, "invoice where state = 'approved'") == 0
    assert rows(outside, "audit_record") == before


def test_a_commit_that_fails_is_not_answered_as_done(
    app: App, api: Api, outside: psycopg.Connection
) -> None:
    [refused] = api.send(event(1, subject="nobody"))
    outside.execute(
        """create function fail_late() returns trigger language plpgsql as
           $$ begin raise exception 'at commit'; end $$"""
    )
    outside.execute(
        """create constraint trigger fails_at_commit after insert on audit_record
           deferrable initially deferred for each row execute function fail_late()"""
    )
    client = TestClient(build(app), raise_server_exceptions=False)
    path = f"/v1/quarantine/{refused['quarantine_id']}/discard"

    answer = client.post(path, json={"reason": "a test"})

    assert answer.status_code == 500
    assert answer.json()["code"] == "api.bug"
    assert "at commit" not in answer.text
    assert rows(outside, "quarantine where state = 'open'") == 1


def test_a_slow_database_does_not_keep_others_waiting(
    api: Api, outside: psycopg.Connection
) -> None:
    slow = threading.Thread(target=api.get, args=("/v1/invoices",))
    with outside.transaction():
        outside.execute("lock table invoice in access exclusive mode")
        slow.start()
        while not rows(outside, "pg_locks where not granted"):
            threading.Event().wait(0.01)

        answers: list[int] = []
        other = threading.Thread(
            target=lambda: answers.append(
                api.client.post("/v1/events", content=b"[", headers=EVENT).status_code
            )
        )
        other.start()
        other.join(PATIENCE_SECONDS)
    slow.join()

    assert answers == [400]


def test_a_database_that_is_away_is_a_503_that_says_try_again(api: Api, app: App) -> None:
    app.database.close()

    refused = [
        api.client.get("/v1/invoices"),
        api.client.get("/v1/health"),
        api.client.post("/v1/events", content=b"{}", headers=EVENT),
    ]

    assert [answer.status_code for answer in refused] == [503, 503, 503]
    assert [answer.headers["retry-after"] for answer in refused] == ["1", "1", "1"]
