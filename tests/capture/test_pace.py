"""How much the door takes at the pace at which events are stored, and what it tells the others."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import pytest
from httpx2 import Response
from starlette.applications import Starlette
from starlette.testclient import TestClient

from door import event
from tollbook.api.intake import Limits, intake_routes
from tollbook.api.limits import Budget
from tollbook.api.queue import Queue
from tollbook.runtime.counts import Counts
from tollbook.runtime.intake import Intake
from tollbook.runtime.pace import EVENTS_MIN, GROUPS_MAX, SECONDS_MAX, Pace
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

HEADERS = {"content-type": "application/cloudevents-batch+json", "prefer": "return=minimal"}
WAIT_MILLISECONDS_MAX = 500
GIVE_UP_SECONDS = 60
Send = Callable[[range], Response]


@pytest.fixture
def queue(intake: Intake, clock: FixedClock) -> Queue:
    return Queue(intake, clock, wait_milliseconds_max=WAIT_MILLISECONDS_MAX)


@pytest.fixture
def send(queue: Queue, clock: FixedClock) -> Iterator[Send]:
    limits = Limits(Budget(bytes_max=160_000_000), Counts(), clock)
    with TestClient(Starlette(routes=intake_routes(queue, limits))) as client:

        def post(numbers: range) -> Response:
            body = msgspec.json.encode([event(number) for number in numbers])
            return client.post("/v1/events", content=body, headers=HEADERS)

        yield post


def until_waiting(queue: Queue, events: int) -> None:
    """Wait until so many events were handed over and not answered."""
    pause = threading.Event()
    for _ in range(GIVE_UP_SECONDS * 100):
        if queue.depth().events == events:
            return
        pause.wait(0.01)
    raise AssertionError(f"{events} events never waited")


def stored_while_held(
    database: Database, queue: Queue, send: Send, numbers: range, meanwhile: Callable[[], None]
) -> Response:
    """Send events to a database that lets none in until something else was done."""
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            connection.execute("lock table intake_receipt in share mode")
            answer = pool.submit(send, numbers)
            until_waiting(queue, len(numbers))
            meanwhile()
        return answer.result()


def test_what_would_wait_too_long_at_the_pace_of_now_is_refused_before_it_does(
    furnished: Database, clock: FixedClock, queue: Queue, send: Send
) -> None:
    # A thousand events a second.
    slow = stored_while_held(furnished, queue, send, range(2 * EVENTS_MIN), lambda: clock.wait(2.0))
    refused: list[Response] = []
    first, second = range(5000, 5000 + 1200), range(7000, 7001)

    waiting = stored_while_held(furnished, queue, send, first, lambda: refused.append(send(second)))
    again = send(second)

    assert (slow.status_code, waiting.status_code) == (200, 200)
    assert [answer.status_code for answer in refused] == [429]
    assert refused[0].json()["code"] == "capture.behind"
    assert refused[0].headers["retry-after"] == "2"
    assert again.json()["accepted"] == 1
    with furnished.transaction() as connection:
        stored = connection.execute("select count(*) from usage_event").fetchone()
    assert stored == (2 * EVENTS_MIN + len(first) + len(second),)


def test_what_would_be_stored_in_time_is_taken_while_others_wait(
    furnished: Database, clock: FixedClock, queue: Queue, send: Send
) -> None:
    stored_while_held(furnished, queue, send, range(2 * EVENTS_MIN), lambda: clock.wait(2.0))
    small, other = range(5000, 5400), range(7000, 7001)

    with ThreadPoolExecutor(1) as pool:
        others: list[Future[Response]] = []

        def send_another() -> None:
            others.append(pool.submit(send, other))
            until_waiting(queue, len(small) + len(other))

        waited = stored_while_held(furnished, queue, send, small, send_another)
        beside = others[0].result()

    assert (waited.json()["accepted"], beside.json()["accepted"]) == (len(small), len(other))


def test_one_large_request_alone_is_taken_however_slow_the_database(
    furnished: Database, clock: FixedClock, queue: Queue, send: Send
) -> None:
    stored_while_held(furnished, queue, send, range(2 * EVENTS_MIN), lambda: clock.wait(9.0))

    assert send(range(5000, 9000)).json()["accepted"] == 4000


def test_the_pace_is_that_of_the_last_large_groups_and_is_forgotten_soon() -> None:
    pace = Pace()
    assert pace.milliseconds(1000, now=0) == 0

    pace.note(EVENTS_MIN - 1, begun=0, ended=5)
    assert pace.milliseconds(1000, now=5) == 0

    pace.note(10_000, begun=0, ended=5)
    pace.note(10_000, begun=5, ended=6)
    assert pace.milliseconds(1000, now=6) == 300
    assert pace.milliseconds(1000, now=5 + SECONDS_MAX + 0.5) == 100
    assert pace.milliseconds(1000, now=6 + SECONDS_MAX + 0.5) == 0

    for at in range(GROUPS_MAX):
        pace.note(10_000, begun=6 + at, ended=6 + at + 0.5)
    assert pace.milliseconds(1000, now=6) == 50
