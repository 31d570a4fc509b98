"""Measures the file door: events a second from JSON lines until durable, de-duplicated and counted.

Writes files of prepared events, imports each with `tollbook events import` (as many at a time as
`--processes`), and proves the result by SQL. With `--grow` it does so again and again into one database and
reports each round, so that the cost of stored history shows.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import feed

from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate


def write(directory: Path, *, first: int, events: int, files: int) -> list[Path]:
    """Write events to files of equal length, in order."""
    paths = []
    share = events // files
    for number in range(files):
        paths.append(directory / f"usage-{first}-{number}.jsonl")
        with paths[-1].open("wb") as out:
            out.writelines(
                line + b"\n"
                for line in feed.lines(share, seed=first + number, first=first + number * share)
            )
    return paths


def take(paths: list[Path], environment: dict[str, str]) -> tuple[float, float]:
    """Import the files, all at the same time; return seconds and processor seconds."""
    began = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tollbook.cli", "events", "import", str(path), "--json"],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for path in paths
    ]
    spent = 0.0
    for process in running:
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, status
        spent += usage.ru_utime + usage.ru_stime
    return time.perf_counter() - began, spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="in each round")
    parser.add_argument("--processes", type=int, default=2, help="files imported at a time")
    parser.add_argument("--rounds", "--grow", type=int, default=1, dest="rounds")
    options = parser.parse_args()
    print(f"# {feed.machine()}")
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = embedded.start(Path(home))
        try:
            migrate(server.dsn)
            database = Database(server.dsn, size=2)
            feed.furnish(database)
            environment = {**os.environ, "TOLLBOOK_HOME": home, "DATABASE_URL": server.dsn}
            for number in range(options.rounds):
                paths = write(
                    Path(home),
                    first=number * options.events,
                    events=options.events,
                    files=options.processes,
                )
                before = feed.cpu_seconds(server.pid)
                seconds, python = take(paths, environment)
                stored_cpu = feed.cpu_seconds(server.pid) - before
                for path in paths:
                    path.unlink()
                with database.transaction() as connection:
                    stored = connection.execute("select sum(events) from intake_day").fetchone()[0]
                print(
                    f"{f'file, {options.processes} at a time, {stored:,} then stored':44}"
                    f"{options.events / seconds:>10,.0f} events a second   CPU us an event: "
                    f"python {python / options.events * 1e6:.1f}, "
                    f"database {stored_cpu / options.events * 1e6:.1f}",
                    flush=True,
                )
            if options.rounds == 1:
                feed.prove(database)
            database.close()
        finally:
            embedded.stop(Path(home))


if __name__ == "__main__":
    main()
