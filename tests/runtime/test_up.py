"""`tollbook up` as real processes: ready, killed in every part, recovered, stopped without a trace."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from api_client import EVENT, JSON, company, event
from tollbook.storage import embedded

PATIENCE_SECONDS = 30
API_PROCESSES = 2
PROCESSES = Path("/proc")

pytestmark = pytest.mark.skipif(not PROCESSES.exists(), reason="looks into /proc")


def eventually(is_true: Callable[[], object], *, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} seconds: {what}"
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    try:
        return (PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> dict[int, str]:
    """Return the living children of a process with their command lines."""
    found = {}
    for task in PROCESSES.glob(f"{pid}/task/*/children"):
        for child in map(int, task.read_text().split()):
            if is_alive(child):
                command = (PROCESSES / str(child) / "cmdline").read_bytes()
                found[child] = command.replace(b"\0", b" ").decode()
    return found


class Up:
    """A home, its port, and the `tollbook up` that runs in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str, **variables: str) -> list[str]:
        ours = {"TOLLBOOK_HOME": str(self.home), "TOLLBOOK_API_PORT": str(self.port), **variables}
        named = [f"{name}={value}" for name, value in ours.items()]
        return ["env", "-u", "DATABASE_URL", *named, sys.executable, "-m", "tollbook.cli", *words]

    def start(self) -> None:
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command("up"), stdout=log, stderr=log)
        eventually(self.is_well, what=f"ready; {self.log()}")

    def log(self) -> str:
        return (self.home / "log").read_text()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_well(self) -> bool:
        return self.call("GET", "/v1/health")[0] == 200

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            sent = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, sent, JSON | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def send(self, number: int) -> bool:
        """Send an event; True when it was acknowledged."""
        return self.call("POST", "/v1/events", event(number), **EVENT)[0] == 200

    def pids(self) -> dict[str, int]:
        """Return the process of each part."""
        assert self.process is not None
        server = embedded.status(self.home)
        ours = children(self.process.pid)
        [serve] = [pid for pid, command in ours.items() if " serve " in command] or [0]
        [worker] = [pid for pid, command in ours.items() if " worker " in command] or [0]
        api = [*children(serve), 0, 0][:API_PROCESSES] if serve else [0, 0]
        found = {
            "supervisor": self.process.pid,
            "database": server.pid if server else 0,
            "api server": serve,
            **{f"api process {number}": pid for number, pid in enumerate(api)},
            "worker": worker,
        }
        return {name: pid for name, pid in found.items() if pid}

    def rows(self, table: str) -> set[str]:
        server = embedded.status(self.home)
        assert server is not None
        with psycopg.connect(server.dsn) as connection:
            found = connection.execute(f"select event_id from {table}")
            return {row[0] for row in found}

    def summarized(self) -> int:
        server = embedded.status(self.home)
        assert server is not None
        with psycopg.connect(server.dsn) as connection:
            row = connection.execute("select count(*) from usage_hour").fetchone()
        return row[0] if row else 0

    def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE_SECONDS)


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


def test_each_killed_part_comes_back_and_nothing_acknowledged_is_lost(up: Up) -> None:
    before = up.pids()
    with sending(up, first=2000) as acknowledged:
        for part in ("database", "api process 0", "api server", "worker"):
            kill_and_await(up, part, acknowledged)

    assert acknowledged <= up.rows("usage_event")
    eventually(
        lambda: len(up.pids()) == 4 + API_PROCESSES, what=f"all are back; {up.pids()} {up.log()}"
    )
    assert [pid for pid in before.values() if is_alive(pid)] == [before["supervisor"]]
