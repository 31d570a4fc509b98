"""The SQL of the last point of each cumulative series."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from tollbook.flow.capture.otlp.series import LastPoint
from tollbook.storage.database import Connection


def last_points(connection: Connection, series: Iterable[bytes]) -> dict[bytes, LastPoint]:
    """Return the last point of each of these series that has one."""
    rows = connection.execute(
        """select series_id, started_at, point_at, total from otlp_series
           where series_id = any(%s::uuid[]) order by series_id""",
        [[one.hex() for one in series]],
    )
    return {row[0].bytes: LastPoint(*row[1:]) for row in rows}


def move_series(
    connection: Connection,
    moves: Mapping[bytes, tuple[LastPoint | None, LastPoint]],
    *,
    at: datetime,
) -> bool:
    """Let series stand at a new point; False when another request has moved one meanwhile."""
    # In the order of ids, so that two requests wait for each other and never in a ring.
    ordered = sorted(moves.items())
    rows = [
        (UUID(bytes=one), new.started, new.time, new.total, at)
        + ((old.started, old.time, old.total) if old else (None, None, None))
        for one, (old, new) in ordered
    ]
    if not rows:
        return True
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into otlp_series as s (series_id, started_at, point_at, total, received_at)
               values (%s, %s, %s, %s, %s)
               on conflict (series_id) do update
               set started_at = excluded.started_at, point_at = excluded.point_at,
                   total = excluded.total, received_at = excluded.received_at
               where (s.started_at, s.point_at, s.total) = (%s, %s, %s)""",
            rows,
        )
        return cursor.rowcount == len(rows)
