"""A real server of the whole API, for tests that load it, attack it or watch its memory."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0


@dataclass
class Server:
    """A server process of the whole API, as `tollbook serve` runs it."""

    port: int
    process: subprocess.Popen[bytes]

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def is_well(self) -> bool:
        connection = self.connect()
        try:
            connection.request("GET", "/v1/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def peak_megabytes(self) -> int:
        """Return the most memory that any process of the server ever had."""
        group = os.getpgid(self.process.pid)
        peaks = [0]
        for directory in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getpgid(int(directory.name)) == group:
                    status = (directory / "status").read_text()
                    peaks += [
                        int(line.split()[1]) // 1024
                        for line in status.splitlines()
                        if line.startswith("VmHWM")
                    ]
        return max(peaks)

    def processes(self) -> set[int]:
        group = os.getpgid(self.process.pid)
        found = set()
        for directory in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if os.getpgid(int(directory.name)) == group:
                    found.add(int(directory.name))
        return found


@contextlib.contextmanager
def serving(dsn: str, home: Path, **settings: str) -> Iterator[Server]:
    """Run `tollbook serve` with one process on a free port, and kill it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "DATABASE_URL": dsn,
        "TOLLBOOK_HOME": str(home),
        "TOLLBOOK_API_PORT": str(port),
        "TOLLBOOK_API_PROCESSES": "1",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tollbook.cli", "serve"], env=environment, start_new_session=True
    )
    try:
        running = Server(port, process)
        deadline = time.monotonic() + START_SECONDS
        while not running.is_well():
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
