"""Acknowledged means durable: a real server is killed under load, again and again."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from door import data, furnish, raw
from tollbook.errors import Transient
from tollbook.runtime.intake import Desk, Intake
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

SERVER = Path(__file__).with_name("door_server.py")
HEADERS = {"content-type": "application/cloudevents-batch+json", "prefer": "return=minimal"}
BATCHES, SIZE, KILLS = 60, 300, 4
GIVE_UP_SECONDS = 60.0


class _Killable:
    """A server that is killed with all its processes and started again on the same port."""

    def __init__(self, dsn: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._environment = os.environ | {"DOOR_DSN": dsn}
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(self.port)],
            cwd=SERVER.parent,
            env=self._environment,
            start_new_session=True,
        )

    def restart(self) -> None:
        self.kill()
        self._start()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def server(database: Database) -> Iterator[_Killable]:
    furnish(database)
    killable = _Killable(database.dsn)
    yield killable
    killable.kill()


def _send(port: int, body: bytes) -> dict[str, int]:
    """Send a batch until it is acknowledged and return the answer."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/v1/events", body, HEADERS)
            response = connection.getresponse()
            answer = response.read()
            if response.status == 200:
                decoded: dict[str, int] = msgspec.json.decode(answer)
                return decoded
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    raise AssertionError("the server never came back")


def test_a_server_killed_under_load_loses_nothing_it_acknowledged(
    server: _Killable, database: Database
) -> None:
    batches = [[raw(b * SIZE + n) for n in range(SIZE)] for b in range(BATCHES)]
    bodies = [b"[" + b",".join(batch) + b"]" for batch in batches]
    acknowledged = threading.Semaphore(0)

    def deliver(body: bytes) -> dict[str, int]:
        answer = _send(server.port, body)
        acknowledged.release()
        return answer

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(deliver, body) for body in bodies]
        for _ in range(KILLS):
            for _ in range(BATCHES // (KILLS + 1)):
                assert acknowledged.acquire(timeout=GIVE_UP_SECONDS)
            server.restart()
        answers = [future.result() for future in futures]

    assert all(answer["accepted"] + answer["duplicates"] == SIZE for answer in answers)
    with database.transaction() as connection:
        stored = connection.execute(
            "select event_id, (data::jsonb->>'input_tokens')::int from usage_event order by 2"
        ).fetchall()
        identities = connection.execute("select count(distinct h) from usage_event").fetchone()
    assert stored == [(f"e-{n}", n) for n in range(BATCHES * SIZE)]
    assert identities == (BATCHES * SIZE,)


def test_events_that_could_not_be_stored_are_not_acknowledged(
    desk: Desk, furnished: Database, count: Callable[[str], int]
) -> None:
    with furnished.transaction() as connection:
        connection.execute("alter table usage_event rename to elsewhere")

    with Intake(desk) as intake, pytest.raises(Exception, match="usage_event"):
        intake.submit([raw(1)]).result(10)

    with furnished.transaction() as connection:
        connection.execute("alter table elsewhere rename to usage_event")
    assert count("intake_day") == count("intake_receipt") == 0
    assert desk.take([raw(1)], door="file").answers[0].status == "accepted"


def test_a_database_that_is_gone_is_told_as_come_again(
    furnished: Database, clock: FixedClock
) -> None:
    gone = Database(furnished.dsn, size=1)
    desk = Desk(gone, clock, future_hours_max=24)
    gone.close()

    with pytest.raises(Transient):
        desk.take([raw(1)], door="file")


def test_stopping_answers_what_waits_and_refuses_what_comes_later(desk: Desk) -> None:
    intake = Intake(desk)
    waiting = [intake.submit([raw(n)]) for n in range(5)]
    given_up = intake.submit([raw(9, data=data(9))])
    assert given_up.cancel()

    intake.start()
    intake.stop()

    assert [future.result(0).answers[0].status for future in waiting] == ["accepted"] * 5
    with pytest.raises(Transient):
        intake.submit([raw(6)])
