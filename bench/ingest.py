"""Measures HTTP ingestion: events a second until the last is durable and de-duplicated.

Starts an embedded PostgreSQL and a real server in a temporary home, sends prepared batches from a
process of its own, and proves the result by SQL.
"""

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.applications import Starlette

from tollbook.api.intake import intake_routes
from tollbook.config import Settings
from tollbook.runtime.intake import Desk, Intake
from tollbook.runtime.process import collect_rarely
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate
from tollbook.values.clock import SystemClock

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from door import SUBJECTS, furnish

PORT = 8479
CONNECTIONS = 24
HEADERS = {"content-type": "application/cloudevents-batch+json", "prefer": "return=minimal"}
START = datetime(2023, 11, 16, tzinfo=UTC)
DUPLICATE_EVERY = 100
INVALID_EVERY = 200


def create() -> Starlette:
    collect_rarely()
    database = Database(os.environ["BENCH_DSN"], size=4)
    intake = Intake(Desk(database, SystemClock(), future_hours_max=24))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with intake:
            yield

    return Starlette(routes=intake_routes(intake), lifespan=lifespan)


def serve() -> None:
    Granian(
        "ingest:create",
        address="127.0.0.1",
        port=PORT,
        interface=Interfaces.ASGI,
        factory=True,
        workers=Settings(home=Path()).api_processes,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()


def line(number: int, random: Random) -> bytes:
    subject = random.choice(SUBJECTS)
    at = START + timedelta(milliseconds=number % 86_400_000)
    if number % INVALID_EVERY == INVALID_EVERY // 4:
        subject = f"cus_unknown_{number % 7}"
    return (
        f'{{"specversion":"1.0","id":"{random.getrandbits(122):032x}","source":"/inference/us",'
        f'"type":"llm.request","subject":"{subject}","time":"{at:%Y-%m-%dT%H:%M:%S.%f}Z",'
        '"datacontenttype":"application/json","data":{"model":"code-small","region":"us",'
        f'"input_tokens":{random.randrange(9000)},"output_tokens":{random.randrange(900)}}}}}'
    ).encode()


def batches(events: int, size: int) -> list[bytes]:
    random = Random(7)
    lines: list[bytes] = []
    for number in range(events):
        repeats = number % DUPLICATE_EVERY == DUPLICATE_EVERY - 1
        lines.append(lines[-random.randrange(1, 50)] if repeats else line(number, random))
    return [
        b"[" + b",".join(lines[start : start + size]) + b"]" for start in range(0, events, size)
    ]


def send(events: int, size: int) -> None:
    bodies = batches(events, size)
    print("ready", flush=True)
    sys.stdin.readline()
    waiting = iter(bodies)

    def work() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        acknowledged = 0
        while (body := next(waiting, None)) is not None:
            connection.request("POST", "/v1/events", body, HEADERS)
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status
            acknowledged += 1
        connection.close()
        return acknowledged

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        done = sum(pool.map(lambda _: work(), range(CONNECTIONS)))
    assert done == len(bodies)
    print("done", flush=True)


def wait_for_server() -> None:
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT)
            connection.request("POST", "/v1/events", b"[]", HEADERS)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


def cpu_seconds(root: int) -> float:
    """Return the processor time of a process and its descendants so far."""
    parents, spent = {}, {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(place.parent.name)
        parents[pid], spent[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def descends(pid: int) -> bool:
        return pid == root or (pid in parents and descends(parents[pid]))

    return sum(ticks for pid, ticks in spent.items() if descends(pid)) / os.sysconf("SC_CLK_TCK")


def measure(events: int, size: int, postgres: embedded.EmbeddedServer) -> dict[str, float]:
    here = Path(__file__).resolve()
    run = [sys.executable, str(here), f"--events={events}", f"--batch={size}"]
    server = subprocess.Popen(
        [*run, "--serve"], cwd=here.parent, env=os.environ | {"BENCH_DSN": postgres.dsn}
    )
    sender = subprocess.Popen(
        [*run, "--send"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for_server()
        sender.stdout.readline()
        before = [cpu_seconds(server.pid), cpu_seconds(postgres.pid), cpu_seconds(sender.pid)]
        began = time.perf_counter()
        sender.stdin.write("go\n")
        sender.stdin.flush()
        assert sender.stdout.readline().strip() == "done"
        seconds = time.perf_counter() - began
        after = [cpu_seconds(server.pid), cpu_seconds(postgres.pid), cpu_seconds(sender.pid)]
        python, database, sending = (new - old for new, old in zip(after, before, strict=True))
        assert sender.wait() == 0
        return {"seconds": seconds, "python": python, "database": database, "sender": sending}
    finally:
        sender.kill()
        server.terminate()
        server.wait()


def prove(database: Database, events: int) -> tuple[int, int]:
    with database.transaction() as connection:
        row = connection.execute(
            """select (select count(*) from usage_event), (select sum(events) from intake_day),
                      (select count(distinct (source, event_id)) from usage_event),
                      (select count(*) from quarantine)"""
        ).fetchone()
    stored, identities, distinct, refused = row
    assert stored == identities == distinct
    assert refused > 0
    assert stored + refused + events // DUPLICATE_EVERY == events
    return stored, refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    if options.send:
        send(options.events, options.batch)
        return
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        load = os.getloadavg()[0]
        server = embedded.start(Path(home))
        try:
            migrate(server.dsn)
            database = Database(server.dsn, size=2)
            furnish(database)
            measured = measure(options.events, options.batch, server)
            stored, refused = prove(database, options.events)
            database.close()
        finally:
            embedded.stop(Path(home))
    print(f"$ python bench/ingest.py --events {options.events} --batch {options.batch}")
    print(f"{'events sent':28}{options.events:>12,}")
    print(f"{'stored, each once':28}{stored:>12,}")
    print(f"{'in quarantine':28}{refused:>12,}")
    print(f"{'seconds to the last answer':28}{measured['seconds']:>12.2f}")
    print(f"{'events a second':28}{options.events / measured['seconds']:>12,.0f}")
    for part in ("python", "database", "sender"):
        spent = measured[part] / options.events * 1e6
        print(f"{f'CPU microseconds, {part}':28}{spent:>12.2f}")
    print(f"{'load before / after':28}{load:>7.2f} / {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
