"""Intake, worker and database are killed again and again while events come by HTTP and from Kafka."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random

import msgspec
import psycopg
import pytest

from api_client import company, event
from kafka_broker import Broker, broker
from tollbook.storage import embedded
from up import API_PROCESSES, PROCESSES, Up, eventually

__all__ = ["broker"]

SEED = 20231116
ROUNDS = 30
BATCH = 40
# Kafka keeps the partitions of a killed reader for it until its session times out.
GROUP_SECONDS = 180
SENDERS = 2
TOPIC = "kills"
VICTIMS = ("database", "api process 0", "api process 1", "api server", "worker")

pytestmark = pytest.mark.skipif(not PROCESSES.exists(), reason="looks into /proc")


@pytest.fixture
def up(broker: Broker) -> Iterator[Up]:
    """Give a running Tollbook that also reads a topic."""
    broker.make_topic(TOPIC)
    with tempfile.TemporaryDirectory(prefix="tollbook-kills-", ignore_cleanup_errors=True) as made:
        home = Path(made)
        home.chmod(0o755)
        (home / "tollbook.toml").write_text(
            f"[sources.stream]\nconnector = 'kafka'\nbootstrap_servers = '{broker.address}'\n"
            f"topics = '{TOPIC}'\ngroup = 'kills'\nstart = 'earliest'\n"
        )
        running = Up(home)
        running.start()
        eventually(
            lambda: running.call("POST", "/v1/master-data/apply", company())[0] == 200,
            what=f"the company is known; {running.log()}",
        )
        try:
            yield running
        finally:
            if running.is_running():
                running.end(signal.SIGTERM)
            embedded.stop(home, mode="immediate")


class Senders:
    """Send batches by HTTP, each until it is answered, and messages to a topic."""

    def __init__(self, up: Up, broker: Broker) -> None:
        self._up = up
        self._broker = broker
        self._stop = threading.Event()
        self.acknowledged: set[str] = set()
        self.written: set[str] = set()

    def run(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        """Start them all."""
        http = [pool.submit(self._send, number) for number in range(SENDERS)]
        return [*http, pool.submit(self._write)]

    def stop(self) -> None:
        """Let each finish what it has begun."""
        self._stop.set()

    def _send(self, sender: int) -> None:
        first = sender * 10_000_000
        while not self._stop.is_set():
            ids = range(first, first + BATCH)
            while not self._is_taken([event(number) for number in ids]):
                self._stop.wait(0.05)
            self.acknowledged |= {f"e{number}" for number in ids}
            first += BATCH

    def _is_taken(self, events: list[object]) -> bool:
        status, _ = self._up.call(
            "POST",
            "/v1/events",
            events,
            **{"content-type": "application/cloudevents-batch+json", "prefer": "return=minimal"},
        )
        return status == 200

    def _write(self) -> None:
        first = 900_000_000
        while not self._stop.wait(0.05):
            ids = range(first, first + BATCH)
            bodies = [msgspec.json.encode(event(number, source="/stream")) for number in ids]
            self._broker.put(TOPIC, bodies)
            self.written |= {f"e{number}" for number in ids}
            first += BATCH


def stored(up: Up) -> tuple[set[str], int, int]:
    """Return the ids of stored events, how many rows they have, and how many identities."""
    server = embedded.status(up.home)
    assert server is not None
    with psycopg.connect(server.dsn) as connection:
        rows = connection.execute("select event_id, source from usage_event").fetchall()
    return {row[0] for row in rows}, len(rows), len(set(rows))


def test_thirty_kills_lose_and_double_nothing_and_summaries_are_a_recount(
    up: Up, broker: Broker
) -> None:
    random = Random(SEED)
    senders = Senders(up, broker)
    with ThreadPoolExecutor(SENDERS + 1) as pool:
        sending = senders.run(pool)
        try:
            for number in range(ROUNDS):
                victim = random.choice(VICTIMS) if number >= len(VICTIMS) else VICTIMS[number]
                eventually(lambda: victim in up.pids(), what=f"{victim} runs; {up.log()}")  # noqa: B023
                before, pid = len(senders.acknowledged), up.pids()[victim]
                os.kill(pid, signal.SIGKILL)
                eventually(
                    lambda: len(senders.acknowledged) > before,  # noqa: B023
                    what=f"round {number}: events are taken after {victim}; {up.log()}",
                )
        finally:
            senders.stop()
        for one in sending:
            one.result()
    eventually(lambda: len(up.pids()) == 4 + API_PROCESSES, what=f"all run; {up.log()}")
    sent = senders.acknowledged | senders.written
    eventually(
        lambda: sent <= stored(up)[0],
        what=f"what was written is stored; {up.log()}",
        seconds=GROUP_SECONDS,
    )

    ids, rows, identities = stored(up)
    doctor = up.call_command("doctor")

    assert len(senders.acknowledged) > ROUNDS * BATCH
    assert len(senders.written) > BATCH
    assert ids == sent
    assert rows == identities == len(sent)
    assert doctor == 0
