"""The SQL of sources: positions with their fence, pauses, and the reports of readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tollbook.storage.database import Connection

State = Literal["reading", "idle", "paused", "failing", "ended"]

_ADVANCE: Final = """
    insert into source_position as stored
        (source, lane, next, is_done, records, facts, updated_at)
    values (%(source)s, %(lane)s, %(next)s, %(is_done)s, %(records)s, %(facts)s, %(at)s)
    on conflict (source, lane) do update
    set next = excluded.next, is_done = excluded.is_done,
        records = stored.records + excluded.records, facts = stored.facts || excluded.facts,
        updated_at = excluded.updated_at
    where stored.next = %(first)s and not stored.is_done"""


def stuck_object(source: str, lane: str) -> str:
    """Return what the worklist calls a lane that waits for a person."""
    return f"source:{source}:{lane}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a lane goes on: `next` is not yet stored, `records` were stored, `facts` were told."""

    source: str
    lane: str
    next: int
    is_done: bool
    records: int
    facts: Mapping[str, str]
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Lanes:
    """How many lanes of a source are stored, with how many records, and when the last was."""

    source: str
    lanes: int
    records: int
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Who paused a source, when and why."""

    source: str
    paused_at: datetime
    paused_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a process said of a source it reads.

    `read_at` is when records last came, `records` how many since the process began; the backlog is
    that of its lanes (None when the source cannot tell). `code` and `message` are its last failure,
    at `failed_at`.
    """

    source: str
    process: str
    reported_at: datetime
    state: State
    read_at: datetime | None
    records: int
    backlog_records: int | None
    oldest_seconds: int | None
    code: str
    message: str
    failed_at: datetime | None


def advance(connection: Connection, position: Position, *, first: int) -> bool:
    """Move a lane on if it stands at `first` (or was never stored); False when it stands elsewhere.

    `position.records` are those of this step. Waits for another reader's transaction on the lane.
    """
    changed = connection.execute(
        _ADVANCE,
        {
            "source": position.source,
            "lane": position.lane,
            "first": first,
            "next": position.next,
            "is_done": position.is_done,
            "records": position.records,
            "facts": Jsonb(dict(position.facts)),
            "at": position.updated_at,
        },
    )
    return changed.rowcount == 1


def positions_of(
    connection: Connection, source: str, lanes: Sequence[str]
) -> dict[str, tuple[int, bool]]:
    """Return the next position of each lane that has one, and whether the lane is done."""
    rows = connection.execute(
        """select lane, next, is_done from source_position
           where source = %s and lane = any(%s) order by lane""",
        [source, list(lanes)],
    )
    return {lane: (position, is_done) for lane, position, is_done in rows}


def list_positions(
    connection: Connection, source: str, *, after: str = "", limit: int = 1000
) -> list[Position]:
    """Return the lanes of a source in the order of their names, from the one after `after` on."""
    with connection.cursor(row_factory=class_row(Position)) as cursor:
        return cursor.execute(
            """select source, lane, next, is_done, records, facts, updated_at from source_position
               where source = %s and lane > %s order by lane limit %s""",
            [source, after, limit],
        ).fetchall()


def count_lanes(connection: Connection) -> dict[str, Lanes]:
    """Return what is stored of each source that has positions."""
    with connection.cursor(row_factory=class_row(Lanes)) as cursor:
        found = cursor.execute(
            """select source, count(*)::int as lanes, sum(records)::bigint as records,
                      max(updated_at) as updated_at
               from source_position group by source order by source"""
        ).fetchall()
    return {lanes.source: lanes for lanes in found}


def set_position(
    connection: Connection, source: str, lane: str, position: int, *, at: datetime
) -> None:
    """Let a lane go on from a position that a person chose; its count of records stays."""
    connection.execute(
        """insert into source_position
               (source, lane, next, is_done, records, facts, updated_at)
           values (%s, %s, %s, false, 0, '{}', %s)
           on conflict (source, lane) do update
           set next = excluded.next, is_done = false, updated_at = excluded.updated_at""",
        [source, lane, position, at],
    )


def list_pauses(connection: Connection) -> dict[str, Pause]:
    """Return the sources that are paused."""
    with connection.cursor(row_factory=class_row(Pause)) as cursor:
        found = cursor.execute(
            "select source, paused_at, paused_by, reason from source_pause order by source"
        ).fetchall()
    return {pause.source: pause for pause in found}


def is_paused(connection: Connection, source: str) -> bool:
    """Tell whether a person paused this source."""
    row = connection.execute("select 1 from source_pause where source = %s", [source]).fetchone()
    return row is not None


def insert_pause(connection: Connection, pause: Pause) -> bool:
    """Pause a source; False when it is paused already."""
    changed = connection.execute(
        """insert into source_pause (source, paused_at, paused_by, reason)
           values (%s, %s, %s, %s) on conflict do nothing""",
        [pause.source, pause.paused_at, pause.paused_by, pause.reason],
    )
    return changed.rowcount == 1


def delete_pause(connection: Connection, source: str) -> bool:
    """Let a source go on; False when it was not paused."""
    changed = connection.execute("delete from source_pause where source = %s", [source])
    return changed.rowcount == 1


def put_report(connection: Connection, report: Report, *, forget_before: datetime) -> None:
    """Keep what a process says now, and forget processes that said nothing for long."""
    connection.execute(
        "delete from source_report where source = %s and reported_at < %s",
        [report.source, forget_before],
    )
    connection.execute(
        """insert into source_report (source, process, reported_at, state, read_at, records,
                                      backlog_records, oldest_seconds, code, message, failed_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (source, process) do update
           set reported_at = excluded.reported_at, state = excluded.state,
               read_at = excluded.read_at, records = excluded.records,
               backlog_records = excluded.backlog_records,
               oldest_seconds = excluded.oldest_seconds, code = excluded.code,
               message = excluded.message, failed_at = excluded.failed_at""",
        [
            report.source,
            report.process,
            report.reported_at,
            report.state,
            report.read_at,
            report.records,
            report.backlog_records,
            report.oldest_seconds,
            report.code,
            report.message,
            report.failed_at,
        ],
    )


def list_reports(connection: Connection) -> list[Report]:
    """Return what every process last said, by source and process."""
    with connection.cursor(row_factory=class_row(Report)) as cursor:
        return cursor.execute(
            """select source, process, reported_at, state, read_at, records, backlog_records,
                      oldest_seconds, code, message, failed_at
               from source_report order by source, process"""
        ).fetchall()
