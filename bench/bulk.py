"""Measures the file door: events a second from JSON lines until durable, de-duplicated and counted.

Writes files of prepared events, imports each with `tollbook events import` (as many at a time as
`--processes`), and proves the result by SQL. With `--grow` it does so again and again into one database and
reports each round, so that the cost of stored history shows. `--days` says over how many days in a row all of
the events fall. `--stored` puts so many events on the first day by SQL before, which is faster than to send
them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import feed
import psycopg

from tollbook.flow.capture.events.store import ensure_days, insert_days
from tollbook.flow.capture.store import insert_receipt
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate


def write(directory: Path, *, first: int, events: int, files: int, a_day: int) -> list[Path]:
    """Write events to files of equal length, in order, all files at the same time."""
    share = events // files
    paths = [directory / f"usage-{first}-{number}.jsonl" for number in range(files)]
    with ProcessPoolExecutor(files) as pool:
        written = [
            pool.submit(
                write_file,
                path,
                share,
                seed=first + number,
                first=first + number * share,
                a_day=a_day,
            )
            for number, path in enumerate(paths)
        ]
        for one in written:
            one.result()
    return paths


def write_file(path: Path, events: int, *, seed: int, first: int, a_day: int) -> None:
    """Write one file of events."""
    feed.EVENTS_A_DAY = a_day
    with path.open("wb") as out:
        out.writelines(line + b"\n" for line in feed.lines(events, seed=seed, first=first))


def fill(database: Database, events: int) -> None:
    """Put events with random identities on the first day, as if a file had brought them."""
    name = f"usage_event_{feed.START:%Y%m%d}"
    with database.transaction() as connection:
        ensure_days(connection, [feed.START.date()])
        receipt = insert_receipt(connection, door="file", at=feed.START)
        insert_days(connection, [(feed.START.date(), events)], receipt=receipt)
        # An index is built at once faster than row by row, and only a table apart can lose its key.
        connection.execute(f"alter table usage_event detach partition {name}")
        connection.execute(f"alter table {name} drop constraint {name}_pkey")
        connection.execute(
            f"""insert into {name} (h, day, f1, f2, receipt, ordinal, occurred_at, source, event_id,
                                    type, subject, data)
                select gen_random_uuid(), %(day)s, n, n, %(receipt)s, n, %(day)s, '/gateway/us',
                       lpad(n::text, 32, '0'), 'llm.request', 'c' || lpad((n %% 10000)::text, 5, '0'),
                       '{{"input_tokens":1234,"model":"code-small","output_tokens":123,"region":"us"}}'
                from generate_series(1, %(events)s) n""",
            {"day": feed.START.date(), "receipt": receipt, "events": events},
        )
        connection.execute(f"alter table {name} add primary key (h, day)")
        connection.execute(
            f"""alter table usage_event attach partition {name}
                for values from ('{feed.START:%Y-%m-%d}') to ('{feed.START + timedelta(1):%Y-%m-%d}')"""
        )
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"analyze {name}")
        connection.execute("checkpoint")


def take(paths: list[Path], environment: dict[str, str]) -> tuple[float, float, int]:
    """Import the files, all at the same time; return seconds, processor seconds and MB of the largest."""
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tollbook.cli", "events", "import", str(path), "--json"],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for path in paths
    ]
    spent, largest = 0.0, 0
    for process in running:
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, status
        spent += usage.ru_utime + usage.ru_stime
        largest = max(largest, usage.ru_maxrss // 1000)
    return time.perf_counter() - began, spent, largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="in each round")
    parser.add_argument("--processes", type=int, default=2, help="files imported at a time")
    parser.add_argument("--rounds", "--grow", type=int, default=1, dest="rounds")
    parser.add_argument("--days", type=int, help="all events fall on; otherwise a million a day")
    parser.add_argument("--stored", type=int, default=0, help="on the first day before")
    options = parser.parse_args()
    total = options.events * options.rounds
    a_day = -(-total // options.days) if options.days else feed.EVENTS_A_DAY
    print(f"# {feed.machine()}")
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = embedded.start(Path(home))
        try:
            migrate(server.dsn)
            database = Database(server.dsn, size=2)
            feed.furnish(database)
            if options.stored:
                fill(database, options.stored)
            environment = {**os.environ, "TOLLBOOK_HOME": home, "DATABASE_URL": server.dsn}
            for number in range(options.rounds):
                paths = write(
                    Path(home),
                    first=number * options.events,
                    events=options.events,
                    files=options.processes,
                    a_day=a_day,
                )
                before = feed.cpu_seconds(server.pid)
                seconds, python, largest = take(paths, environment)
                stored_cpu = feed.cpu_seconds(server.pid) - before
                for path in paths:
                    path.unlink()
                with database.transaction() as connection:
                    stored = connection.execute("select sum(events) from intake_day").fetchone()[0]
                print(
                    f"{f'file, {options.processes} at a time, {stored:,} then stored':44}"
                    f"{options.events / seconds:>10,.0f} events a second   CPU us an event: "
                    f"python {python / options.events * 1e6:.1f}, "
                    f"database {stored_cpu / options.events * 1e6:.1f}   largest process {largest} MB",
                    flush=True,
                )
            if options.rounds == 1 and not options.stored:
                feed.prove(database)
            database.close()
        finally:
            embedded.stop(Path(home))


if __name__ == "__main__":
    main()
