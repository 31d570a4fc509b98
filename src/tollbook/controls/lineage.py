"""Lineage: which outputs came from which inputs, in both directions."""

from collections.abc import Iterable, Sequence

from tollbook.records.control import Stage
from tollbook.storage.database import Connection


def link(connection: Connection, stage: Stage, edges: Iterable[tuple[str, str]]) -> None:
    """Store (child, parent) pairs made by a stage; repeating them changes nothing."""
    pairs = list(edges)
    connection.execute(
        """insert into lineage_edge (child_id, parent_id, stage)
           select child_id, parent_id, %s from unnest(%s::text[], %s::text[]) as e (child_id, parent_id)
           on conflict do nothing""",
        [stage, [child for child, _ in pairs], [parent for _, parent in pairs]],
    )


def unlink(connection: Connection, children: Sequence[str]) -> None:
    """Forget what these ids were made from, because they are removed or made anew."""
    connection.execute("delete from lineage_edge where child_id = any(%s)", [list(children)])


def parents(connection: Connection, ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (child, parent, stage) of what these ids were made from, in order."""
    return connection.execute(
        """select child_id, parent_id, stage from lineage_edge
           where child_id = any(%s) order by child_id, parent_id""",
        [list(ids)],
    ).fetchall()


def children(connection: Connection, ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (child, parent, stage) of what was made from these ids, in order."""
    return connection.execute(
        """select child_id, parent_id, stage from lineage_edge
           where parent_id = any(%s) order by child_id, parent_id""",
        [list(ids)],
    ).fetchall()
