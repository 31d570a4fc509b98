"""The SQL of work items."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, LiteralString

from psycopg.rows import class_row

from tollbook.records.control import WorkItem, WorkItemState
from tollbook.storage.database import Connection
from tollbook.values.ids import WorkItemId, derive
from tollbook.worklist.codes import CODES

_SELECT: Final[LiteralString] = """
    select w.work_item_id, w.code, w.stage, w.cause, w.message, w.owner, w.blocks_close, w.state,
           w.opened_at, (select count(*)::int from work_item_object o
                         where o.work_item_id = w.work_item_id) as object_count,
           w.resolved_at, w.resolved_by, w.resolution
    from work_item w"""


def open_item(
    connection: Connection,
    *,
    code: str,
    cause: str,
    message: str,
    objects: Iterable[str],
    at: datetime,
) -> WorkItemId:
    """Put objects on the work item of this cause, opening or re-opening it when there is none.

    `cause` is what one correction would cure (a tax code, a subject); it is part of the id.
    """
    routing = CODES[code]
    item_id = WorkItemId(derive("wrk", code, cause))
    connection.execute(
        """insert into work_item (work_item_id, code, stage, cause, message, owner, blocks_close,
                                  opened_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (work_item_id) do update
               set state = 'open', message = excluded.message, resolved_at = null,
                   resolved_by = null, resolution = null
               where work_item.state <> 'open' or work_item.message <> excluded.message""",
        [item_id, code, routing.stage, cause, message, routing.owner, routing.blocks_close, at],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into work_item_object (work_item_id, object_id, added_at)
               values (%s, %s, %s) on conflict do nothing""",
            [(item_id, object_id, at) for object_id in objects],
        )
    return item_id


def clear_object(
    connection: Connection, object_id: str, *, by: str, resolution: str, at: datetime
) -> list[WorkItemId]:
    """Take an object off every open item; an item left without objects is resolved.

    Returns the items that this resolved.
    """
    return clear_objects(connection, [object_id], by=by, resolution=resolution, at=at)


def clear_objects(
    connection: Connection, object_ids: Sequence[str], *, by: str, resolution: str, at: datetime
) -> list[WorkItemId]:
    """Take objects off every open item, as `clear_object` does with one."""
    rows = connection.execute(
        """delete from work_item_object o using work_item w
           where o.object_id = any(%s) and w.work_item_id = o.work_item_id and w.state = 'open'
           returning o.work_item_id""",
        [list(object_ids)],
    ).fetchall()
    items = sorted({row[0] for row in rows})
    resolved = connection.execute(
        """update work_item w set state = 'resolved', resolved_at = %s, resolved_by = %s,
                                  resolution = %s
           where w.work_item_id = any(%s) and w.state = 'open'
             and not exists (select 1 from work_item_object o
                             where o.work_item_id = w.work_item_id)
           returning w.work_item_id""",
        [at, by, resolution, items],
    ).fetchall()
    return [WorkItemId(row[0]) for row in resolved]


def list_items(
    connection: Connection, *, state: WorkItemState | None = "open", limit: int = 1000
) -> list[WorkItem]:
    """Return work items, oldest first."""
    with connection.cursor(row_factory=class_row(WorkItem)) as cursor:
        return cursor.execute(
            f"""{_SELECT} where %s::text is null or w.state = %s
                order by w.opened_at, w.work_item_id limit %s""",
            [state, state, limit],
        ).fetchall()


def get_item(connection: Connection, item_id: str) -> WorkItem | None:
    """Return one work item, or None."""
    with connection.cursor(row_factory=class_row(WorkItem)) as cursor:
        return cursor.execute(f"{_SELECT} where w.work_item_id = %s", [item_id]).fetchone()


def open_counts(connection: Connection) -> dict[str, int]:
    """Return how many work items of each code are open."""
    rows = connection.execute(
        "select code, count(*) from work_item where state = 'open' group by 1 order by 1"
    )
    return dict(rows.fetchall())


def objects_of(connection: Connection, item_id: str) -> Sequence[str]:
    """Return the ids that a work item holds, in order."""
    rows = connection.execute(
        "select object_id from work_item_object where work_item_id = %s order by object_id",
        [item_id],
    )
    return [row[0] for row in rows]


def held_objects(connection: Connection, prefix: str) -> Sequence[tuple[str, str, str]]:
    """Return (object, code, cause) on open items for ids that begin with a prefix, in order."""
    return connection.execute(
        """select o.object_id, w.code, w.cause
           from work_item_object o join work_item w using (work_item_id)
           where w.state = 'open' and starts_with(o.object_id, %s) order by 1, 2, 3""",
        [prefix],
    ).fetchall()
