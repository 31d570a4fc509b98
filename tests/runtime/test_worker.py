"""The worker: it summarizes, lets in what new master data allows, and delivers, each on its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from door import SUBJECTS, add_record, furnish, raw, set_subjects
from fake_erp import FakeErp, sample
from tollbook.flow.post import store
from tollbook.flow.post.machine import State
from tollbook.flow.post.posting import Candidate, Posting, new_posting
from tollbook.masterdata.store import load_catalog
from tollbook.records.parties import Customer
from tollbook.runtime.intake import Desk
from tollbook.runtime.replay import Replayer
from tollbook.runtime.worker import work
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import FixedClock, SystemClock
from tollbook.values.codec import content_hash
from tollbook.values.ids import CustomerId

PATIENCE_SECONDS = 20


class BrokenReplayer(Replayer):
    """Meets a bug each time."""

    tries = 0

    def replay_events(self, *, by: str, reason: str) -> int:
        del by, reason
        BrokenReplayer.tries += 1
        raise RuntimeError("planted")


def eventually(is_true: Callable[[], object]) -> bool:
    waiting = threading.Event()
    for _ in range(PATIENCE_SECONDS * 20):
        if is_true():
            return True
        waiting.wait(0.05)
    return False


@contextmanager
def working(
    database: Database,
    targets: dict[str, Any],
    kind: type[Replayer] = Replayer,
) -> Iterator[None]:
    clock, stop = SystemClock(), threading.Event()

    def catalog_of(connection: Connection) -> Any:
        return load_catalog(connection, known_at=clock.now())

    replayer = kind(
        database,
        Desk(database, clock, future_hours_max=24),
        tuple(targets),
        catalog_of=catalog_of,
        clock=clock,
    )
    worker = threading.Thread(
        target=work,
        args=(database, targets),
        kwargs={"catalog_of": catalog_of, "clock": clock, "stop": stop, "replayer": replayer},
    )
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(PATIENCE_SECONDS)
        assert not worker.is_alive()


def count(database: Database, table: str) -> int:
    with database.transaction() as connection:
        row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


def take(database: Database, *raws: bytes) -> None:
    Desk(database, SystemClock(), future_hours_max=24).take(raws, door="test")


def queue(database: Database, document_id: str) -> Posting:
    """Queue a document for the ERP, its payload frozen."""
    at = datetime(2023, 12, 1, tzinfo=UTC)
    candidate = Candidate(document_id, "invoice", "us", "2023-11", date(2023, 11, 30))
    posting = new_posting(candidate, target="erp", at=at)
    document = sample(posting.key)
    posting = replace(posting, payload=document, payload_sha256=content_hash(document))
    with database.transaction() as connection:
        store.insert(connection, posting)
    return posting


def state(database: Database, posting: Posting) -> State:
    with database.transaction() as connection:
        found = store.load(connection, posting.posting_id)
    assert found is not None
    return found.state


def test_events_are_summarized_as_they_come(database: Database) -> None:
    furnish(database)

    with working(database, {}):
        take(database, raw(1))
        first = eventually(lambda: count(database, "usage_hour") > 0)
        before = count(database, "usage_hour")
        take(database, raw(2, time="2023-11-17T10:00:00Z"))
        second = eventually(lambda: count(database, "usage_hour") > before)

    assert (first, second) == (True, True)


def test_events_get_in_when_their_customer_becomes_known(database: Database) -> None:
    furnish(database)
    take(database, raw(1, subject="carol"))
    refused = count(database, "quarantine where state = 'open'")

    with working(database, {}):
        set_subjects(database, [*SUBJECTS, "carol"])
        carol = Customer(CustomerId("carol"), "Carol", "US-NY")
        add_record(database, "customer", "carol", carol)
        got_in = eventually(lambda: count(database, "quarantine where state = 'open'") == 0)

    assert refused == 1
    assert got_in
    assert count(database, "usage_event") == 1


def test_queued_documents_are_delivered_as_they_come(database: Database, clock: FixedClock) -> None:
    erp = FakeErp(clock)
    first = queue(database, "inv_1")

    with working(database, {"erp": erp}):
        done = eventually(lambda: state(database, first) is State.POSTED)
        later = queue(database, "inv_2")
        done_later = eventually(lambda: state(database, later) is State.POSTED)

    assert (done, done_later) == (True, True)
    assert sorted(erp.held.values()) == [1, 1]


def test_a_job_that_meets_a_bug_is_tried_again_and_stops_no_other(
    database: Database, clock: FixedClock
) -> None:
    furnish(database)
    take(database, raw(1))
    posting = queue(database, "inv_1")

    with working(database, {"erp": FakeErp(clock)}, BrokenReplayer):
        tried_again = eventually(lambda: BrokenReplayer.tries > 1)
        summarized = eventually(lambda: count(database, "usage_hour") > 0)
        delivered = eventually(lambda: state(database, posting) is State.POSTED)

    assert (tried_again, summarized, delivered) == (True, True, True)


def test_jobs_go_on_after_the_database_was_away(database: Database, dsn: str) -> None:
    furnish(database)

    with working(database, {}):
        take(database, raw(1))
        before = eventually(lambda: count(database, "usage_hour") > 0)
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        rows = count(database, "usage_hour")
        take(database, raw(2, time="2023-11-17T10:00:00Z"))
        after = eventually(lambda: count(database, "usage_hour") > rows)

    assert (before, after) == (True, True)
