"""Measures the HTTP door under a burst of eight times the usual load: nothing may be lost.

Batches of 1,000 new events are offered at a steady rate, then at eight times that rate, then steadily again.
What the door refuses for now (429, 503) is sent again after the time it says. At the end every event must
be stored once. Reported are the answers, how long they took, and the memory of the serving processes.
"""

import argparse
import http.client
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import feed
import ingest

SIZE = 1000
BURST = 8
MARK = b"@@@@@@@@"


class Load:
    """Batches that are due one after the other, at a rate that changes."""

    def __init__(self, plan: list[tuple[str, int, int]]) -> None:
        self._lock = threading.Lock()
        self._number = 0
        self._plan = plan
        self._due = self._ends = time.perf_counter()
        self._phase = ""
        self._gap = 0.0
        self.sent = 0
        self.answers: dict[str, Counter[int]] = {name: Counter() for name, _, _ in plan}
        self.seconds: dict[str, list[float]] = {name: [] for name, _, _ in plan}

    def next(self) -> tuple[str, int, float] | None:
        """Return the phase, the number and the time of the next batch; None at the end."""
        with self._lock:
            while self._due >= self._ends:
                if not self._plan:
                    return None
                self._phase, rate, length = self._plan.pop(0)
                # What could not be offered in time is not made up for.
                self._due = max(self._due, time.perf_counter())
                self._gap, self._ends = SIZE / rate, self._due + length
            due = self._due = max(self._due + self._gap, time.perf_counter() - 1)
            self._number += 1
            return self._phase, self._number, due

    def told(self, phase: str, status: int, seconds: float) -> None:
        """Note an answer."""
        with self._lock:
            self.answers[phase][status] += 1
            if status == 200:
                self.sent += SIZE
                self.seconds[phase].append(seconds)


def template() -> bytes:
    lines = [line for line in feed.lines(2 * SIZE, seed=5) if b"unknown" not in line]
    unique = list(dict.fromkeys(lines))[:SIZE]
    return b"[" + b",".join(line.replace(b'"id":"', b'"id":"' + MARK) for line in unique) + b"]"


def work(load: Load, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ingest.PORT)
    while (batch := load.next()) is not None:
        phase, number, due = batch
        time.sleep(max(0.0, due - time.perf_counter()))
        mine = body.replace(MARK, b"%08d" % number)
        while True:
            began = time.perf_counter()
            connection.request("POST", "/v1/events", mine, ingest.HEADERS)
            response = connection.getresponse()
            response.read()
            load.told(phase, response.status, time.perf_counter() - began)
            if response.status == 200:
                break
            assert response.status in {429, 503}, response.status
            time.sleep(int(response.headers["retry-after"]))
    connection.close()


def resident(pids: list[int]) -> int:
    """Return the memory that the largest of these process trees' members holds, in MB."""
    largest = 0
    for place in Path("/proc").glob("[0-9]*/status"):
        try:
            text = place.read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        parents = {int(place.parent.name), int(fields["PPid"])}
        if parents & set(pids) and "VmHWM" in fields:
            largest = max(largest, int(fields["VmHWM"].split()[0]) // 1000)
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=12_500, help="usual events a second")
    parser.add_argument("--seconds", type=int, default=300, help="how long the burst lasts")
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    print(f"# {feed.machine()}")
    phases = [
        ("before", options.rate, 10),
        ("burst", BURST * options.rate, options.seconds),
        ("after", options.rate, 10),
    ]
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        rig = ingest.Rig(home, worker=True)
        try:
            load, body = Load(list(phases)), template()
            threads = [
                threading.Thread(target=work, args=(load, body)) for _ in range(options.connections)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            memory = resident([process.pid for process in rig.processes])
            with rig.database.transaction() as connection:
                stored = connection.execute("select sum(events) from intake_day").fetchone()[0]
        finally:
            rig.close()
    assert stored == load.sent, (stored, load.sent)
    for (name, rate, length), seconds in zip(phases, load.seconds.values(), strict=True):
        seconds.sort()
        p50, p99 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99))
        refused = sum(n for status, n in load.answers[name].items() if status != 200)
        print(
            f"{f'{name}: {rate:,} events a second offered':44}{len(seconds) * SIZE / length:>10,.0f} "
            f"taken   answer p50 {p50:.0f} ms, p99 {p99:.0f} ms   refused for now {refused:,} "
            f"requests",
            flush=True,
        )
    print(f"{'stored, each acknowledged event once':44}{stored:>10,}")
    print(f"{'largest serving process':44}{memory:>10,} MB")


if __name__ == "__main__":
    main()
