"""Measures the HTTP door: events a second until the last is durable, de-duplicated and counted.

Starts an embedded PostgreSQL and a real server in a temporary home, sends prepared batches from a process
of its own on the same machine, and proves the result by SQL. With `--worker` a worker folds summaries and
sweeps identities at the same time, as in production.
"""

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import feed

from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate

PORT = 8479
CONNECTIONS = 24
# How long a sender rests when the door takes no more for now.
REFUSED_SECONDS = 0.05
HEADERS = {"content-type": "application/cloudevents-batch+json", "prefer": "return=minimal"}


def bodies(events: int, size: int, first: int) -> list[bytes]:
    lines = list(feed.lines(events, first=first))
    return [
        b"[" + b",".join(lines[start : start + size]) + b"]" for start in range(0, events, size)
    ]


def answered(connection: http.client.HTTPConnection, body: bytes) -> float | None:
    """Send a batch and return the seconds until its answer; None when it is to come again later."""
    began = time.perf_counter()
    connection.request("POST", "/v1/events", body, HEADERS)
    response = connection.getresponse()
    response.read()
    assert response.status in {200, 429}, response.status
    return time.perf_counter() - began if response.status == 200 else None


def send(events: int, size: int, first: int, connections: int, rate: int) -> None:
    """Send all batches when told to go, then print the latencies of the answers that took them.

    As fast as they are answered, or so many events a second where a rate is given.
    """
    waiting = enumerate(bodies(events, size, first))
    print("ready", flush=True)
    sys.stdin.readline()
    seconds: list[float] = []
    started = time.perf_counter()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        while (found := next(waiting, None)) is not None:
            number, body = found
            if rate:
                time.sleep(max(0.0, started + number * size / rate - time.perf_counter()))
            while (taken := answered(connection, body)) is None:
                time.sleep(REFUSED_SECONDS)
            seconds.append(taken)
        connection.close()

    with ThreadPoolExecutor(connections) as pool:
        for future in [pool.submit(work) for _ in range(connections)]:
            future.result()
    seconds.sort()
    shown = [seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99)]
    print("done", *(f"{one:.1f}" for one in shown), flush=True)


def wait_for_server() -> None:
    for _ in range(400):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT)
            connection.request("POST", "/v1/events", b"[]", HEADERS)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


class Rig:
    """A server, its database and if asked a worker, in a temporary home."""

    def __init__(
        self, home: str, *, worker: bool, furnish: Callable[[Database], None] | None = None
    ) -> None:
        Path(home).chmod(0o755)
        self.home = Path(home)
        self.postgres = embedded.start(self.home)
        migrate(self.postgres.dsn)
        self.database = Database(self.postgres.dsn, size=2)
        feed.furnish(self.database)
        if furnish is not None:
            furnish(self.database)
        environment = {
            **os.environ,
            "TOLLBOOK_HOME": home,
            "DATABASE_URL": self.postgres.dsn,
            "TOLLBOOK_API_PORT": str(PORT),
        }
        commands = ["serve", "worker"] if worker else ["serve"]
        self.processes = [
            subprocess.Popen([sys.executable, "-m", "tollbook.cli", command], env=environment)
            for command in commands
        ]
        wait_for_server()

    def measure(
        self,
        events: int,
        size: int,
        *,
        first: int = 0,
        connections: int = CONNECTIONS,
        rate: int = 0,
    ) -> dict[str, float]:
        """Send events and return what it took."""
        run = [sys.executable, __file__, f"--events={events}", f"--batch={size}"]
        sender = subprocess.Popen(
            [*run, f"--first={first}", f"--connections={connections}", f"--rate={rate}", "--send"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        watched = {
            "python": [process.pid for process in self.processes],
            "database": [self.postgres.pid],
            "sender": [sender.pid],
        }

        def spent() -> dict[str, float]:
            return {
                part: sum(feed.cpu_seconds(pid) for pid in pids) for part, pids in watched.items()
            }

        try:
            sender.stdout.readline()
            before, began = spent(), time.perf_counter()
            sender.stdin.write("go\n")
            sender.stdin.flush()
            said = sender.stdout.readline().split()
            seconds, after = time.perf_counter() - began, spent()
            assert said[0] == "done"
            assert sender.wait() == 0
        finally:
            sender.kill()
        took = {part: (after[part] - before[part]) / events * 1e6 for part in watched}
        return {"seconds": seconds, "p50": float(said[1]), "p99": float(said[2]), **took}

    def close(self) -> None:
        """Stop everything."""
        self.database.close()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        embedded.stop(self.home)


def report(name: str, events: int, measured: dict[str, float]) -> None:
    print(f"{name:44}{events / measured['seconds']:>10,.0f} events a second", end="")
    print(f"   answer p50 {measured['p50']:.0f} ms, p99 {measured['p99']:.0f} ms", end="")
    parts = ", ".join(f"{part} {measured[part]:.1f}" for part in ("python", "database", "sender"))
    print(f"   CPU us an event: {parts}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--rate", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help="with a worker at the same time")
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        send(options.events, options.batch, options.first, options.connections, options.rate)
        return
    print(f"# {feed.machine()}")
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        rig = Rig(home, worker=options.worker)
        try:
            measured = rig.measure(options.events, options.batch, connections=options.connections)
            stored, refused = feed.prove(rig.database)
            assert (stored, refused) == feed.expected(options.events)[:2]
        finally:
            rig.close()
    with_worker = ", with a worker" if options.worker else ""
    report(f"HTTP, batches of {options.batch}{with_worker}", options.events, measured)


if __name__ == "__main__":
    main()
