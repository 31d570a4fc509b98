"""Exactly once from a source to the database, as a suite: through kill -9, outages and poison."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from door import furnish
from source_consumer import NAME, make_pump
from tollbook.flow.capture.sources import store as sources
from tollbook.flow.capture.store import list_quarantine, tallies
from tollbook.sdk.source_conformance import SourceRig, bodies
from tollbook.storage.database import Database

CONSUMER = Path(__file__).with_name("source_consumer.py")
GIVE_UP_SECONDS = 120.0
READERS_MAX = 6
RECORDS_MAX = 100


class Street:
    """A database with the catalog of tests/door.py, and processes that pump into it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._started: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        rig: SourceRig,
        *,
        die_in: str = "",
        at: int = 1,
        until_idle: bool = True,
        records_max: int = RECORDS_MAX,
    ) -> subprocess.Popen[bytes]:
        """Start a process that pumps the source of a rig."""
        said = {
            "dsn": self.database.dsn,
            "connector": rig.connector,
            "options": dict(rig.options),
            "records_max": records_max,
            "die_in": die_in,
            "at": at,
            "until_idle": until_idle,
        }
        process = subprocess.Popen(
            [sys.executable, str(CONSUMER), json.dumps(said)], cwd=CONSUMER.parent
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            process.kill()
            process.wait()

    def numbers(self) -> list[int]:
        """Return the numbers of the events that are stored, in order, each as often as it is."""
        with self.database.transaction() as connection:
            rows = connection.execute(
                "select (data::jsonb->>'input_tokens')::int from usage_event order by 1"
            ).fetchall()
        return [row[0] for row in rows]

    def read_on(self, rig: "SourceRig", *, until: int) -> None:
        """Let readers read until so many are stored.

        What a killed reader held is held for it for a while: one that ends when nothing comes may
        end before that.
        """
        for _ in range(READERS_MAX):
            assert self.start(rig).wait(GIVE_UP_SECONDS) == 0
            if len(self.numbers()) >= until:
                return

    def answers(self) -> dict[str, int]:
        """Return how many events had each answer."""
        with self.database.transaction() as connection:
            counts = Counter[str]()
            for (_, answer), count in tallies(connection).items():
                counts[answer] += count
            return dict(+counts)

    def quarantined(self) -> list[bytes]:
        """Return the bytes in quarantine."""
        with self.database.transaction() as connection:
            return [held.raw for held in list_quarantine(connection)]

    def positions(self) -> list[sources.Position]:
        """Return the positions of the source."""
        with self.database.transaction() as connection:
            return sources.list_positions(connection, NAME)

    def readers(self) -> int:
        """Return how many processes say that they read the source."""
        with self.database.transaction() as connection:
            reports = sources.list_reports(connection)
        return sum(one.state in {"reading", "idle"} for one in reports)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let the database refuse everybody while the block runs."""
        name = conninfo.conninfo_to_dict(self.database.dsn)["dbname"]
        dsn = conninfo.make_conninfo(self.database.dsn, dbname="postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            allow = sql.SQL("alter database {} allow_connections {}")
            connection.execute(allow.format(sql.Identifier(str(name)), sql.SQL("false")))
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
            )
            try:
                yield
            finally:
                connection.execute(allow.format(sql.Identifier(str(name)), sql.SQL("true")))


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; that it never does is an assertion."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


class ExactlyOnce:
    """The suite. A subclass provides the fixture `rig`, fresh for each test."""

    @pytest.fixture
    def street(self, database: Database) -> Iterator[Street]:
        furnish(database)
        street = Street(database)
        yield street
        street.end()

    def test_a_reader_killed_between_storing_and_settling_makes_no_double(
        self, rig: SourceRig, street: Street
    ) -> None:
        rig.put(bodies(500))

        killed = street.start(rig, die_in="settle", at=2)
        assert killed.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
        assert 0 < len(street.numbers()) < 500
        street.read_on(rig, until=500)

        assert street.numbers() == list(range(500))
        assert street.answers().get("conflict", 0) == 0

    def test_a_reader_killed_in_its_transaction_loses_nothing(
        self, rig: SourceRig, street: Street
    ) -> None:
        rig.put(bodies(500))

        killed = street.start(rig, die_in="transaction", at=2)
        assert killed.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
        assert 0 < len(street.numbers()) < 500
        street.read_on(rig, until=500)

        assert street.numbers() == list(range(500))

    def test_a_record_that_is_no_event_is_kept_in_quarantine_and_stops_no_other(
        self, rig: SourceRig, street: Street
    ) -> None:
        rig.put(bodies(20))
        poison = rig.put_poison()
        rig.put(bodies(20, start=20))

        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == list(range(40))
        assert street.quarantined() == ([] if poison is None else [poison])
        assert street.answers().get("rejected", 0) == (poison is not None)

    def test_what_was_sent_twice_is_stored_once(self, rig: SourceRig, street: Street) -> None:
        rig.put(bodies(50))
        rig.put(bodies(50))

        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == list(range(50))

    def test_a_database_that_is_away_for_a_while_costs_nothing(
        self, rig: SourceRig, street: Street
    ) -> None:
        rig.put(bodies(200))
        pump, close = make_pump(
            street.database.dsn, rig.connector, rig.options, records_max=RECORDS_MAX
        )
        stop = threading.Event()
        thread = threading.Thread(target=pump.run, args=(stop,), daemon=True)
        thread.start()
        try:
            eventually(lambda: len(street.numbers()) == 200)

            with street.away():
                rig.put(bodies(300, start=200))
                time.sleep(3)
            eventually(lambda: len(street.numbers()) == 500)
        finally:
            stop.set()
            thread.join(GIVE_UP_SECONDS)
            close()

        assert street.numbers() == list(range(500))
        assert Counter(street.answers())["conflict"] == 0

    def test_a_source_that_is_paused_is_left_alone_until_it_goes_on(
        self, rig: SourceRig, street: Street
    ) -> None:
        rig.put(bodies(30))
        with street.database.transaction() as connection:
            now = connection.execute("select now()").fetchone()
            assert now is not None
            sources.insert_pause(connection, sources.Pause(NAME, now[0], "ann", "a test"))

        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0
        assert street.numbers() == []
        with street.database.transaction() as connection:
            sources.delete_pause(connection, NAME)
        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == list(range(30))
