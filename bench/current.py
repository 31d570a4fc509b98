"""Measures how fast current usage is read while events come in, and how fast a whole month is.

A server with a worker takes events at full speed; a reader asks over HTTP for one customer and meter at a
time. Then the month of all customers is read from the summaries, as the month run does.
"""

import argparse
import http.client
import json
import tempfile
import threading
import time
from random import Random

import feed
import ingest

from tollbook.flow.meter.step import summarize
from tollbook.masterdata.store import load_catalog
from tollbook.values.clock import SystemClock

FROM, UNTIL = "2023-11-01T00:00:00Z", "2023-12-01T00:00:00Z"
PAUSE_SECONDS = 0.01


def ask(connection: http.client.HTTPConnection, customer: str) -> float:
    path = f"/v1/usage/current?customer={customer}&meter=input_tokens&from={FROM}&until={UNTIL}"
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - began
    assert response.status == 200, body
    json.loads(body)
    return seconds


def read_until(stop: threading.Event, seconds: list[float]) -> None:
    random = Random(3)
    connection = http.client.HTTPConnection("127.0.0.1", ingest.PORT)
    while not stop.is_set():
        number = int(random.paretovariate(0.6)) % feed.CUSTOMERS
        seconds.append(ask(connection, f"c{number:05}"))
        stop.wait(PAUSE_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=0, help="events a second (0: all it takes)")
    options = parser.parse_args()
    print(f"# {feed.machine()}")
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        rig = ingest.Rig(home, worker=True)
        try:
            stop, seconds = threading.Event(), list[float]()
            reader = threading.Thread(target=read_until, args=(stop, seconds))
            reader.start()
            measured = rig.measure(options.events, options.batch, rate=options.rate)
            stop.set()
            reader.join()
            with rig.database.transaction() as connection:
                catalog = load_catalog(connection, known_at=SystemClock().now())
                summarize(connection, catalog=catalog, at=SystemClock().now())
                began = time.perf_counter()
                rows = connection.execute(
                    """select customer_id, sum(events), sum(total_1), sum(total_2) from usage_day
                       where hour >= %s and hour < %s group by 1""",
                    [FROM, UNTIL],
                ).fetchall()
                month = time.perf_counter() - began
        finally:
            rig.close()
    seconds.sort()
    ingest.report("HTTP while usage is read, with a worker", options.events, measured)
    p50, p99 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.99))
    print(f"{'current usage of a customer and meter':44}{len(seconds):>10,} reads", end="")
    print(f"   p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"{'a month of all customers from the summaries':44}{len(rows):>10,} customers", end="")
    print(f"   {month * 1000:.0f} ms")


if __name__ == "__main__":
    main()
