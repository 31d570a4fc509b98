"""What a caller may send in a second, and what all of them may hold at a time."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from api_client import EVENT, company, event
from tollbook.access.keys import Caller
from tollbook.api.access import BODY_BYTES_MAX, Door
from tollbook.api.app import build
from tollbook.api.limits import Budget
from tollbook.app import App
from tollbook.runtime.rates import BURST_SECONDS, CALLERS_MAX, Rates
from tollbook.values.clock import FixedClock

BATCH = {"content-type": "application/cloudevents-batch+json"}


@pytest.fixture
def limited(app: App) -> Iterator[TestClient]:
    """Give an API where everybody may make 5 requests and send 10 events a second."""
    with TestClient(build(app)) as client:
        assert client.post("/v1/master-data/apply", json=company()).status_code == 200
    app.settings = replace(app.settings, requests_per_second=5, events_per_second=10)
    with TestClient(build(app)) as client:
        yield client


def send(client: TestClient, *numbers: int) -> Any:
    body = msgspec.json.encode([event(number) for number in numbers])
    return client.post("/v1/events", content=body, headers=BATCH)


def test_nobody_is_limited_unless_it_is_said(empty: Any) -> None:
    answer = empty.client.get("/v1/invoices")

    assert "ratelimit" not in answer.headers


def test_too_many_requests_are_told_how_long_to_wait(
    limited: TestClient, clock: FixedClock
) -> None:
    answers = [limited.get("/v1/invoices") for _ in range(5 * BURST_SECONDS + 1)]
    wait = int(answers[-1].headers["retry-after"])
    clock.wait(wait)

    again = limited.get("/v1/invoices")

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json()["code"] == "api.rate_limited"
    assert (wait, again.status_code) == (1, 200)


def test_every_answer_tells_the_policy_and_what_is_left(limited: TestClient) -> None:
    answer = send(limited, 1, 2, 3)

    policy, left = answer.headers["ratelimit-policy"], answer.headers["ratelimit"]
    assert re.findall(r'"(\w+)";q=(\d+);w=(\d+)', policy) == [
        ("requests", "10", "2"),
        ("events", "20", "2"),
    ]
    assert re.findall(r'"(\w+)";r=(\d+);t=(\d+)', left) == [
        ("requests", "9", "1"),
        ("events", "17", "1"),
    ]


def test_events_are_counted_one_by_one_and_a_large_batch_is_paid_off_later(
    limited: TestClient, clock: FixedClock
) -> None:
    first = send(limited, *range(40))
    refused = send(limited, 41)
    wait = int(refused.headers["retry-after"])
    clock.wait(wait - 1)
    too_soon = send(limited, 41)
    clock.wait(1)

    in_time = send(limited, 41)

    assert (first.json()["accepted"], refused.status_code, wait) == (40, 429, 3)
    assert (too_soon.status_code, in_time.json()["accepted"]) == (429, 1)


def test_what_is_remembered_of_callers_is_bounded(clock: FixedClock) -> None:
    rates = Rates(clock, requests_per_second=1, events_per_second=0)
    first = rates.of(Caller("first", "first", frozenset()))

    for number in range(CALLERS_MAX):
        rates.of(Caller(str(number), "n", frozenset()))

    assert rates.of(Caller("first", "first", frozenset())) is not first


def test_a_key_has_its_own_rate(clock: FixedClock) -> None:
    rates = Rates(clock, requests_per_second=0, events_per_second=0)
    mine = rates.of(Caller("k", "k", frozenset(), requests_per_second=3))
    nobody = rates.of(Caller("l", "l", frozenset()))

    assert mine is not None
    assert [mine.take("requests", 1) for _ in range(7)] == [0] * 6 + [1]
    assert mine.take("events", 10**9) == 0
    assert nobody is None


def call(app: Any, path: str, messages: list[Message], **headers: str) -> tuple[int, Any]:
    """Call an application with a body that comes as these messages, and then nothing more."""
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send_message(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("testserver", 80),
        "client": ("testclient", 1),
    }
    asyncio.run(app(scope, receive, send_message))
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], msgspec.json.decode(body)


def chunk(size: int, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": b" " * size, "more_body": more}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/master-data/plan"])
def test_a_body_that_does_not_end_is_given_up(app: App, path: str) -> None:
    app.settings = replace(app.settings, body_seconds=1)
    kind = EVENT["content-type"] if path == "/v1/events" else "application/json"

    status, body = call(build(app), path, [chunk(10)], content_type=kind)

    code = "capture.body_too_slow" if path == "/v1/events" else "api.http_408"
    assert (status, body["code"]) == (408, code)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/master-data/plan"])
def test_bodies_together_hold_no_more_than_they_may(app: App, path: str) -> None:
    api = build(app)
    door: Door = api.state.door
    others = door.budget.hold()
    others.add(door.budget.bytes_max - 1000)
    kind = EVENT["content-type"] if path == "/v1/events" else "application/json"

    status, body = call(api, path, [chunk(600), chunk(600, more=False)], content_type=kind)

    assert status == 503
    assert body["code"] in {"capture.busy", "api.http_503"}
    assert (door.budget.bytes, door.budget.requests) == (door.budget.bytes_max - 1000, 0)


def test_more_requests_at_once_than_can_be_served_are_refused(app: App) -> None:
    api = build(app)
    door: Door = api.state.door
    for _ in range(door.budget.requests_max):
        door.budget.enter()

    status, body = call(api, "/v1/events", [chunk(2, more=False)])

    assert (status, body["code"]) == (503, "api.busy")
    assert door.budget.requests == door.budget.requests_max


def test_an_announced_size_is_refused_before_it_comes(app: App) -> None:
    status, body = call(build(app), "/v1/events", [], content_length="64000001")

    assert (status, body["code"]) == (413, "capture.body_too_large")


def test_a_body_of_another_route_is_limited_too(app: App) -> None:
    messages = [chunk(BODY_BYTES_MAX), chunk(1, more=False)]

    status, body = call(build(app), "/v1/master-data/plan", messages)

    assert (status, body["code"]) == (413, "api.http_413")


def test_what_a_request_held_is_given_back() -> None:
    budget = Budget(bytes_max=10)
    hold = budget.hold()
    hold.add(4)
    hold.add(6)

    hold.release()
    hold.release()

    assert budget.bytes == 0
