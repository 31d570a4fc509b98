"""Ten thousand refused events replay by the page, each with its own answer."""

import pytest

from door import SUBJECTS, add_record, raw, set_subjects
from tollbook.flow.capture.quarantine import step
from tollbook.flow.capture.quarantine.store import Which, count, find
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import EventType
from tollbook.runtime.intake import Desk
from tollbook.runtime.replay import Replayer
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.worklist.store import list_items

MANY = 10_000


@pytest.fixture
def replayer(database: Database, desk: Desk, clock: FixedClock) -> Replayer:
    return Replayer(database, desk, (), catalog_of=lambda _: Catalog(clock.now()), clock=clock)


def test_a_subject_that_becomes_known_brings_in_all_that_waited_for_it(
    database: Database, desk: Desk, replayer: Replayer, clock: FixedClock
) -> None:
    desk.take([raw(n, subject="new" if n % 10 else "other") for n in range(MANY)], door="file")
    set_subjects(database, [*SUBJECTS, "new"])
    add_record(database, "event_type", "more", EventType("more", {}), at=clock.now())

    through = replayer.replay_events(by="worker", reason="master data changed")

    assert through == MANY * 9 // 10
    with database.transaction() as connection:
        assert count(connection, Which()) == MANY // 10
        assert [(item.cause, item.object_count) for item in list_items(connection)] == [
            ("other", MANY // 10)
        ]
        receipts = connection.execute(
            "select count(*) from intake_receipt where door = 'replay'"
        ).fetchone()
        audited = connection.execute(
            "select count(*) from audit_record where action = 'capture.replay'"
        ).fetchone()
    # A page is a transaction with one receipt and one record of the audit, not an event.
    pages = -(-MANY // step.PAGE)
    assert receipts == audited == (pages,)


def test_more_than_a_thousand_are_listed_page_after_page(database: Database, desk: Desk) -> None:
    desk.take([raw(n, subject="nobody") for n in range(2_500)], door="file")

    with database.transaction() as connection:
        found: list[str] = []
        while page := find(connection, Which(cause="nobody"), after=found[-1] if found else ""):
            found += [held.quarantine_id for held in page]

    assert len(found) == len(set(found)) == 2_500
