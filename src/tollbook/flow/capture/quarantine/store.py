"""The SQL that finds and closes many refused events at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.rows import class_row

from tollbook.flow.capture.admit import Refused
from tollbook.flow.capture.store import Quarantined
from tollbook.storage.database import Connection

_COLUMNS: Final = """
    quarantine_id, door, received_at, code, message, cause, source, event_id, raw, state, corrected,
    closed_at, closed_by, reason, mapping, metadata"""

_CHOSEN: Final = """
    (%(state)s::text is null or state = %(state)s)
    and (%(code)s::text is null or code = %(code)s)
    and (%(cause)s::text is null or cause = %(cause)s)
    and (%(door)s::text is null or door = %(door)s)
    and (%(source)s::text is null or source = %(source)s)
    and (%(event_type)s::text is null or event_type = %(event_type)s)
    and (%(since)s::timestamptz is null or received_at >= %(since)s)
    and (%(until)s::timestamptz is null or received_at < %(until)s)"""


@dataclass(frozen=True, slots=True)
class Which:
    """Which refused events are meant: those that satisfy all that is given.

    `since` (included) and `until` (not included) are about when they were received.
    """

    code: str | None = None
    cause: str | None = None
    door: str | None = None
    source: str | None = None
    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing was given."""
        return self == Which()

    def __str__(self) -> str:
        given = [f"{name}={value}" for name, value in asdict(self).items() if value is not None]
        return " ".join(given) or "everything"


@dataclass(frozen=True, slots=True)
class Cause:
    """What one correction would cure, and how many open refusals wait for it since when."""

    code: str
    cause: str
    count: int
    first_at: datetime
    last_at: datetime


def find(
    connection: Connection,
    which: Which,
    *,
    state: Literal["open", "replayed", "discarded"] | None = "open",
    after: str = "",
    limit: int = 1000,
    lock: bool = False,
) -> list[Quarantined]:
    """Return refused events in the order of their ids, from the one after `after` on."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(
            f"""select {_COLUMNS} from quarantine where {_CHOSEN} and quarantine_id > %(after)s
                order by quarantine_id limit %(limit)s {"for update" if lock else ""}""",
            {**_values(which, state), "after": after, "limit": limit},
        ).fetchall()


def count(connection: Connection, which: Which) -> int:
    """Return how many open refusals are meant."""
    row = connection.execute(
        f"select count(*)::int from quarantine where {_CHOSEN}", _values(which, "open")
    ).fetchone()
    assert row is not None
    return int(row[0])


def causes(connection: Connection, which: Which) -> list[Cause]:
    """Return the causes of open refusals, the most numerous first."""
    with connection.cursor(row_factory=class_row(Cause)) as cursor:
        return cursor.execute(
            f"""select code, cause, count(*)::int as count, min(received_at) as first_at,
                       max(received_at) as last_at
                from quarantine where {_CHOSEN}
                group by code, cause order by count(*) desc, code, cause""",
            _values(which, "open"),
        ).fetchall()


def close(
    connection: Connection,
    ids: Sequence[str],
    state: Literal["replayed", "discarded"],
    *,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Close refused events for good."""
    connection.execute(
        """update quarantine set state = %s, closed_at = %s, closed_by = %s, reason = %s
           where quarantine_id = any(%s)""",
        [state, at, by, reason, list(ids)],
    )


def set_refusals(connection: Connection, refusals: Mapping[str, Refused]) -> None:
    """Note, by quarantine id, why replays were refused; the reasons differ from the first ones."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """update quarantine set code = %s, message = %s, cause = %s, source = %s,
                                     event_id = %s, event_type = %s
               where quarantine_id = %s""",
            [
                (r.code, r.message, r.cause, r.source, r.id, r.type or None, quarantine_id)
                for quarantine_id, r in sorted(refusals.items())
            ],
        )


def _values(which: Which, state: str | None) -> dict[str, Any]:
    return {**asdict(which), "state": state}
