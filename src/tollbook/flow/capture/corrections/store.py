"""The SQL of amendments and back-fills, and of voiding many events at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from psycopg.rows import class_row

from tollbook.flow.capture.segments.store import opened
from tollbook.flow.capture.step import BACKFILL_DOOR
from tollbook.storage.database import Connection
from tollbook.values.ids import EventId, written_event_id

BackfillState = Literal["applying", "applied", "reverted"]

DOOR: Final = BACKFILL_DOOR

_COLUMNS: Final = """
    backfill_id, file_name, file_sha256, state, began_at, applied_at, applied_by, reason, accepted,
    duplicates, conflicts, rejected, reverted_at, reverted_by, revert_reason"""

# Events that count and satisfy all that is given; the days keep it to a few partitions.
_CHOSEN: Final = """
    e.day >= %(first)s and e.day < %(until)s
    and (%(source)s::text is null or e.source = %(source)s)
    and (%(subject)s::text is null or e.subject = %(subject)s)
    and (%(type)s::text is null or e.type = %(type)s)
    and (%(door)s::text is null or e.receipt in
            (select r.receipt from intake_receipt r where r.door = %(door)s))
    and not exists (select from event_exclusion x where x.h = e.h and x.day = e.day)"""


@dataclass(frozen=True, slots=True)
class Which:
    """Which events are meant: those of some UTC days (the last not included) that satisfy the rest.

    `door` is how they came: http, file, kafka, backfill:ID and so on.
    """

    first: date
    until: date
    source: str | None = None
    subject: str | None = None
    type: str | None = None
    door: str | None = None

    def __str__(self) -> str:
        given = [f"{name}={value}" for name, value in asdict(self).items() if value is not None]
        return " ".join(given)


@dataclass(frozen=True, slots=True)
class Backfill:
    """A file of old events that was imported under an id, and what became of it."""

    backfill_id: str
    file_name: str
    file_sha256: str
    state: BackfillState
    began_at: datetime
    applied_at: datetime | None
    applied_by: str
    reason: str
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    reverted_at: datetime | None
    reverted_by: str | None
    revert_reason: str | None


@dataclass(frozen=True, slots=True)
class Amendment:
    """Which event stands for which, as our ids of them."""

    event_id: EventId
    amends: EventId
    reason: str
    decided_at: datetime
    decided_by: str


def exclude(
    connection: Connection, which: Which, *, reason: str, receipt: int, at: datetime
) -> dict[tuple[date, str], int]:
    """Stop counting the events that are meant; return how many of each day and type."""
    subjects = None if which.subject is None else [which.subject]
    with opened(connection, which.first, which.until, event_type=which.type, subjects=subjects):
        return _exclude(connection, which, reason, receipt, at)


def _exclude(
    connection: Connection, which: Which, reason: str, receipt: int, at: datetime
) -> dict[tuple[date, str], int]:
    rows = connection.execute(
        f"""with meant as (
                select e.h, e.day, e.type from usage_event e where {_CHOSEN}
            ), excluded as (
                insert into event_exclusion (h, day, reason, known_receipt, decided_at)
                select h, day, %(reason)s, %(receipt)s, %(at)s from meant order by h
                on conflict do nothing returning h, day
            )
            select m.day, m.type, count(*)::int
            from meant m join excluded using (h, day) group by 1, 2 order by 1, 2""",
        {**asdict(which), "reason": reason, "receipt": receipt, "at": at},
    )
    return {(day, event_type): count for day, event_type, count in rows}


def brought_by(connection: Connection, backfill_id: str) -> Mapping[date, int]:
    """Return how many new events a back-fill brought for each day."""
    rows = connection.execute(
        """select d.day, sum(d.events)::int from intake_day d join intake_receipt r using (receipt)
           where r.door = %s group by 1 order by 1""",
        [DOOR + backfill_id],
    )
    return dict(rows.fetchall())


def count_within_reach(connection: Connection, backfill_id: str, days: Sequence[date]) -> int:
    """Return how many of a back-fill's events are in the database, voided ones too."""
    if not days:
        return 0
    with opened(connection, min(days), max(days) + timedelta(days=1)):
        row = connection.execute(
            """select count(*)::int from usage_event e where e.day = any(%s)
               and e.receipt in (select receipt from intake_receipt where door = %s)""",
            [list(days), DOOR + backfill_id],
        ).fetchone()
    assert row is not None
    return int(row[0])


def amended_of_backfill(connection: Connection, backfill_id: str) -> Sequence[EventId]:
    """Return events of a back-fill that another event stands for and that counts, in order."""
    rows = connection.execute(
        """select a.amends_h from event_amendment a
           join usage_event e on e.h = a.amends_h and e.day = a.amends_day
           where e.receipt in (select receipt from intake_receipt where door = %s)
             and not exists (select from event_exclusion x where x.h = a.h and x.day = a.day)
           order by 1""",
        [DOOR + backfill_id],
    )
    return [written_event_id(row[0].bytes) for row in rows]


def begin_backfill(
    connection: Connection,
    backfill_id: str,
    *,
    file_name: str,
    file_sha256: str,
    by: str,
    reason: str,
    at: datetime,
) -> Backfill:
    """Open a back-fill, or return the one that has this id already, locked until commit."""
    connection.execute(
        """insert into event_backfill (backfill_id, file_name, file_sha256, state, began_at,
                                       applied_by, reason)
           values (%s, %s, %s, 'applying', %s, %s, %s) on conflict do nothing""",
        [backfill_id, file_name, file_sha256, at, by, reason],
    )
    found = get_backfill(connection, backfill_id, lock=True)
    assert found is not None
    return found


def end_backfill(
    connection: Connection,
    backfill_id: str,
    counts: Mapping[str, int],
    *,
    at: datetime,
) -> None:
    """Store that a file is imported to its end, and how many events had each answer."""
    connection.execute(
        """update event_backfill set state = 'applied', applied_at = %s, accepted = %s,
                                     duplicates = %s, conflicts = %s, rejected = %s
           where backfill_id = %s""",
        [
            at,
            *(
                counts.get(answer, 0)
                for answer in ("accepted", "duplicate", "conflict", "rejected")
            ),
            backfill_id,
        ],
    )


def set_reverted(
    connection: Connection, backfill_id: str, *, by: str, reason: str, at: datetime
) -> None:
    """Store that a back-fill was taken back."""
    connection.execute(
        """update event_backfill set state = 'reverted', reverted_at = %s, reverted_by = %s,
                                     revert_reason = %s
           where backfill_id = %s""",
        [at, by, reason, backfill_id],
    )


def get_backfill(
    connection: Connection, backfill_id: str, *, lock: bool = False
) -> Backfill | None:
    """Return one back-fill, or None; `lock` keeps others from changing it meanwhile."""
    with connection.cursor(row_factory=class_row(Backfill)) as cursor:
        return cursor.execute(
            f"""select {_COLUMNS} from event_backfill where backfill_id = %s
                {"for update" if lock else ""}""",
            [backfill_id],
        ).fetchone()


def list_backfills(connection: Connection) -> list[Backfill]:
    """Return all back-fills, the latest first."""
    with connection.cursor(row_factory=class_row(Backfill)) as cursor:
        return cursor.execute(
            f"select {_COLUMNS} from event_backfill order by began_at desc, backfill_id"
        ).fetchall()


def insert_amendment(
    connection: Connection,
    *,
    new: tuple[bytes, date],
    old: tuple[bytes, date],
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Store that a new event stands for an old one."""
    connection.execute(
        """insert into event_amendment (h, day, amends_h, amends_day, reason, decided_at,
                                        decided_by)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        [UUID(bytes=new[0]), new[1], UUID(bytes=old[0]), old[1], reason, at, by],
    )


def amendments(connection: Connection, digests: Sequence[bytes]) -> list[Amendment]:
    """Return the amendments that one of these events is part of, oldest first."""
    ids = [UUID(bytes=digest) for digest in digests]
    rows: list[tuple[Any, ...]] = connection.execute(
        """select h, amends_h, reason, decided_at, decided_by from event_amendment
           where h = any(%s) or amends_h = any(%s) order by decided_at, h""",
        [ids, ids],
    ).fetchall()
    return [
        Amendment(written_event_id(row[0].bytes), written_event_id(row[1].bytes), *row[2:])
        for row in rows
    ]


def days_of_subject(
    connection: Connection, subject: str, first: date, until: date
) -> list[tuple[date, str]]:
    """Return the (day, event type) of the events of a subject on some days (the last excluded)."""
    with opened(connection, first, until, subjects=[subject]):
        return connection.execute(
            """select distinct day, type from usage_event
               where subject = %s and day >= %s and day < %s order by day, type""",
            [subject, first, until],
        ).fetchall()
