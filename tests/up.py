"""`tollbook up` as a real process tree, for tests that kill parts of it."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from api_client import EVENT, JSON, event
from tollbook.storage import embedded

PATIENCE_SECONDS = 30
API_PROCESSES = 2
PROCESSES = Path("/proc")


def eventually(
    is_true: Callable[[], object], *, what: str, seconds: int = PATIENCE_SECONDS
) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {what}"
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

    def call_command(self, *words: str) -> int:
        """Run a command in this home and return its exit code; the log has what it says."""
        with (self.home / "log").open("ab") as log:
            return subprocess.run(
                self.command(*words), stdout=log, stderr=log, check=False
            ).returncode

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

    def strays(self) -> list[int]:
        """Return processes of this home that a killed one left behind."""
        assert self.process is not None
        kin, found = [self.process.pid], []
        for pid in kin:
            kin += children(pid)
        for path in PROCESSES.glob("[0-9]*"):
            try:
                is_ours = f"TOLLBOOK_HOME={self.home}\0".encode() in (path / "environ").read_bytes()
                command = (path / "cmdline").read_bytes()
            except OSError:
                continue
            if is_ours and int(path.name) not in kin and b"postgres" not in command:
                found.append(int(path.name))
        return found

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
