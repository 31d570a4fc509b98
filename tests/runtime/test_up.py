"""`tollbook up` as real processes: ready, killed in every part, recovered, stopped without a trace."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api_client import company
from tollbook.storage import embedded
from up import API_PROCESSES, PROCESSES, Up, eventually, is_alive

pytestmark = pytest.mark.skipif(not PROCESSES.exists(), reason="looks into /proc")


@contextmanager
def sending(up: Up, *, first: int) -> Iterator[set[str]]:
    """Send events all the while; gives the ids of those that were acknowledged."""
    acknowledged: set[str] = set()
    stop = threading.Event()

    def send() -> None:
        number = first
        while not stop.wait(0.01):
            if up.send(number):
                acknowledged.add(f"e{number}")
                number += 1

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        sender.join()


def kill_and_await(up: Up, part: str, acknowledged: set[str]) -> None:
    """Kill one part and wait until it is back and events are taken again."""
    count, victim = len(acknowledged), up.pids()[part]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: up.pids().get(part, victim) != victim, what=f"{part} is back; {up.log()}")
    eventually(
        lambda: len(acknowledged) > count + 10, what=f"events are taken after {part}; {up.log()}"
    )


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not pytest's own directory: the account of the database must be able to pass through it.
    with tempfile.TemporaryDirectory(prefix="tollbook-up-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)
        embedded.stop(Path(made), mode="immediate")


@pytest.fixture(scope="module")
def only(home: Path) -> Iterator[Up]:
    up = Up(home)
    yield up
    if up.is_running():
        up.end(signal.SIGTERM)


@pytest.fixture
def up(only: Up) -> Up:
    """Give a running Tollbook, started again where an earlier test stopped it."""
    if not only.is_running():
        only.start()
    # An earlier test may have ended while the API that it killed was still starting again.
    eventually(
        lambda: (
            len(only.pids()) == 4 + API_PROCESSES
            and not only.strays()
            and only.call("POST", "/v1/master-data/apply", company())[0] == 200
        ),
        what=f"all parts run and the company is known; {only.log()}",
    )
    return only


def test_it_captures_summarizes_and_stops_leaving_no_process(up: Up) -> None:
    before = up.pids()
    assert len(before) == 4 + API_PROCESSES

    acknowledged = up.send(1)
    eventually(up.summarized, what="the worker summarized the event")
    up.end(signal.SIGTERM)

    assert acknowledged
    assert [name for name, pid in before.items() if is_alive(pid)] == []
    assert embedded.status(up.home) is None
    assert not list(up.home.glob("postgres/pgdata/postmaster.pid"))


def test_down_stops_everything(up: Up) -> None:
    before = up.pids()

    first = subprocess.run(up.command("down"), capture_output=True, text=True, check=True)
    again = subprocess.run(up.command("down"), capture_output=True, text=True, check=True)

    assert (first.stdout, again.stdout) == ("stopped\n", "nothing was running\n")
    eventually(
        lambda: not [pid for pid in before.values() if is_alive(pid)], what="all processes ended"
    )


def test_one_home_is_up_once_and_one_port_is_taken_once(up: Up, tmp_path: Path) -> None:
    same_home = subprocess.run(up.command("up"), capture_output=True, text=True, check=False)
    same_port = subprocess.run(
        up.command("serve", TOLLBOOK_HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (same_home.returncode, same_port.returncode) == (1, 1)
    assert "[runtime.already_up]" in same_home.stderr
    assert "[runtime.port_taken]" in same_port.stderr


def test_a_killed_supervisor_takes_all_with_it_and_the_next_start_recovers(up: Up) -> None:
    before = up.pids()
    with sending(up, first=1000) as acknowledged:
        eventually(lambda: len(acknowledged) > 10, what="events were acknowledged")
        up.end(signal.SIGKILL)
    eventually(
        lambda: not [pid for pid in before.values() if is_alive(pid)], what="all processes ended"
    )

    up.start()

    assert acknowledged <= up.rows("usage_event")


def test_the_port_answers_all_the_while_a_killed_server_starts_again(up: Up) -> None:
    before = up.pids()
    answers = []

    def has_followed() -> bool:
        answers.append(up.call("GET", "/v1/health")[0])
        now = up.pids()
        return len(now) == len(before) and now["api server"] != before["api server"]

    os.kill(before["api server"], signal.SIGKILL)
    eventually(has_followed, what=f"the API server is back; {up.log()}")

    assert len(answers) > 5
    assert set(answers) == {200}


def test_each_killed_part_comes_back_and_nothing_acknowledged_is_lost(up: Up) -> None:
    before = up.pids()
    with sending(up, first=2000) as acknowledged:
        for part in ("database", "api process 0", "api server", "worker"):
            kill_and_await(up, part, acknowledged)

    assert acknowledged <= up.rows("usage_event")
    eventually(
        lambda: len(up.pids()) == 4 + API_PROCESSES, what=f"all are back; {up.pids()} {up.log()}"
    )
    eventually(
        lambda: [pid for pid in before.values() if is_alive(pid)] == [before["supervisor"]],
        what="the processes of the killed server ended",
    )
