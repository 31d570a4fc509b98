"""Measures the Kafka door: events a second from a full topic until the last is durable.

Starts an embedded PostgreSQL and a real Apache Kafka in a temporary home, fills a topic, starts
readers, and proves the result by SQL. What the broker itself uses of the machine is told apart.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from confluent_kafka import Producer
from feed import cpu_seconds, expected, furnish, lines, machine, prove

from kafka_broker import PARTITIONS, Broker, running
from source_consumer import make_pump
from tollbook.connectors.kafka.source import connect
from tollbook.runtime.process import collect_rarely
from tollbook.runtime.pump import RECORDS_MAX, make_batch
from tollbook.sdk.source_conformance import Book
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate
from tollbook.values.clock import SystemClock

TOPIC = "usage"


def fill(broker: Broker, events: int) -> int:
    """Write events over all partitions and return how many bytes they have."""
    broker.make_topic(TOPIC)
    size = 0
    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "linger.ms": 20,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 200_000,
        }
    )
    for number, body in enumerate(lines(events)):
        size += len(body)
        while True:
            try:
                producer.produce(TOPIC, body, partition=number // 100 % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(120) == 0
    return size


def options(broker: Broker, group: str) -> dict[str, str]:
    return {"bootstrap_servers": broker.address, "topics": TOPIC, "group": group}


def read_alone(broker: Broker, events: int) -> float:
    """Return the processor microseconds a record costs from the broker to the desk."""
    source, book = connect(options(broker, "alone"), SystemClock()), Book()
    source.open(book.positions_of)
    while not (chunks := source.read(records_max=1, wait_seconds=1)):
        pass
    count, began = 1, time.process_time()
    while count < events:
        chunks = source.read(records_max=RECORDS_MAX, wait_seconds=0.5)
        count += len(make_batch(TOPIC, chunks, is_mapped=False).raws)
    spent = time.process_time() - began
    source.close()
    return spent / events * 1e6


def measure(broker: Broker, server: embedded.EmbeddedServer, events: int, readers: int) -> None:
    said = {
        "dsn": server.dsn,
        "connector": "kafka",
        "options": options(broker, "bench"),
        "records_max": RECORDS_MAX,
        "until_idle": False,
    }
    database = Database(server.dsn, size=2)
    command = [sys.executable, __file__, "--read", json.dumps(said)]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(readers)]

    def stored() -> int:
        with database.transaction() as connection:
            row = connection.execute(
                "select coalesce(sum(records), 0) from source_position"
            ).fetchone()
        return int(row[0])

    def spent() -> list[float]:
        return [
            sum(cpu_seconds(one.pid) for one in processes),
            cpu_seconds(server.pid),
            cpu_seconds(broker.pid),
        ]

    try:
        while (first := stored()) == 0:
            time.sleep(0.02)
        before, began = spent(), time.perf_counter()
        while (last := stored()) < events:
            time.sleep(0.05)
        seconds, after = time.perf_counter() - began, spent()
    finally:
        for one in processes:
            one.kill()
    stored_now, refused_now = prove(database)
    database.close()
    assert (stored_now, refused_now) == expected(events)[:2]
    moved = last - first
    print(f"events timed           {moved:>12,}")
    print(f"seconds                {seconds:>12.2f}")
    print(f"events a second        {moved / seconds:>12,.0f}")
    for name, old, new in zip(("python", "database", "broker"), before, after, strict=True):
        print(f"CPU microseconds, {name:8}{(new - old) / moved * 1e6:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.read:
        said = json.loads(chosen.read)
        del said["until_idle"]
        pump, _ = make_pump(said.pop("dsn"), said.pop("connector"), said.pop("options"), **said)
        collect_rarely()
        pump.run(threading.Event())
        return
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-") as home:
        Path(home).chmod(0o755)
        server = embedded.start(Path(home) / "home")
        try:
            migrate(server.dsn)
            database = Database(server.dsn)
            furnish(database)
            database.close()
            kafka = Path(home) / "kafka"
            kafka.mkdir()
            with running(kafka) as broker:
                size = fill(broker, chosen.events)
                print(machine())
                print(f"broker                 {broker.kind:>12}")
                print(f"events                 {chosen.events:>12,}")
                print(f"bytes an event         {size / chosen.events:>12.0f}")
                alone = read_alone(broker, chosen.events // 4)
                print(f"CPU microseconds to read a record {alone:>.2f}")
                measure(broker, server, chosen.events, chosen.readers)
        finally:
            embedded.stop(Path(home) / "home")


if __name__ == "__main__":
    main()
