"""The SQL of source watermarks and of overrides."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from tollbook.flow.capture.admit import Admitted
from tollbook.flow.capture.segments.store import opened
from tollbook.flow.capture.watermark import CONTROL_TYPE, read_complete_until
from tollbook.storage.database import Connection


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to when (not included) a source has sent everything, and who said so."""

    source: str
    complete_until: datetime
    declared_at: datetime
    declared_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Override:
    """A decision to invoice an entity's month although a source is not complete."""

    entity_id: str
    month: str
    source: str
    reason: str
    decided_at: datetime
    decided_by: str


def declare(
    connection: Connection,
    *,
    source: str,
    complete_until: datetime,
    by: str,
    at: datetime,
    reason: str = "",
    may_lower: bool = False,
) -> bool:
    """Store up to when a source is complete; tell whether that is news.

    A declaration that says less than the present one is left out, unless it `may_lower` it: sources
    repeat themselves out of order. Belongs into the transaction of the events that came before it.
    """
    row = connection.execute(
        """insert into source_watermark (source, complete_until, declared_at, declared_by, reason)
           select %(source)s, %(until)s, %(at)s, %(by)s, %(reason)s
           where not exists (
               select from (select complete_until from source_watermark where source = %(source)s
                            order by sequence desc limit 1) newest
               where newest.complete_until = %(until)s
                  or (newest.complete_until > %(until)s and not %(may_lower)s))
           returning 1""",
        {
            "source": source,
            "until": complete_until,
            "at": at,
            "by": by,
            "reason": reason,
            "may_lower": may_lower,
        },
    ).fetchone()
    return row is not None


def declare_all(connection: Connection, taken: Iterable[Admitted], *, at: datetime) -> None:
    """Note what control events declare, in the transaction of the events they came after."""
    for event in taken:
        if event.type == CONTROL_TYPE:
            until = read_complete_until(event.values)
            declare(connection, source=event.source, complete_until=until, by=event.source, at=at)


def watermarks(connection: Connection, sources: Sequence[str] | None = None) -> list[Watermark]:
    """Return the present watermark of each source, or of some, in order of source."""
    with connection.cursor(row_factory=class_row(Watermark)) as cursor:
        return cursor.execute(
            """select distinct on (source) source, complete_until, declared_at, declared_by, reason
               from source_watermark where %(sources)s::text[] is null or source = any(%(sources)s)
               order by source, sequence desc""",
            {"sources": None if sources is None else list(sources)},
        ).fetchall()


def sources_seen(connection: Connection, first: date, until: date) -> list[str]:
    """Return the sources of usage that occurred on some UTC days (the last not included)."""
    with opened(connection, first, until):
        rows = connection.execute(
            """select distinct source from usage_event
               where day >= %s and day < %s and type <> %s order by source""",
            [first, until, CONTROL_TYPE],
        ).fetchall()
    return [row[0] for row in rows]


def insert_override(connection: Connection, override: Override) -> bool:
    """Store an override; tell whether it is new."""
    row = connection.execute(
        """insert into completeness_override (entity_id, month, source, reason, decided_at,
                                              decided_by)
           values (%s, %s, %s, %s, %s, %s) on conflict do nothing returning 1""",
        [
            override.entity_id,
            override.month,
            override.source,
            override.reason,
            override.decided_at,
            override.decided_by,
        ],
    ).fetchone()
    return row is not None


def overrides(connection: Connection, month: str) -> list[Override]:
    """Return the overrides of a month, by entity and source."""
    with connection.cursor(row_factory=class_row(Override)) as cursor:
        return cursor.execute(
            """select entity_id, month, source, reason, decided_at, decided_by
               from completeness_override where month = %s order by entity_id, source""",
            [month],
        ).fetchall()
