"""The SQL of saved re-ratings and their approval: facts that are added to, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tollbook.storage.database import Connection

_SELECT: Final = """
    select r.run_id, r.service_month, r.customers, r.as_if_in_force, r.is_whole, r.inputs_hash,
           r.documents, r.report, r.author, r.reason, r.saved_at, a.approver, a.approved_at
    from rerate_run r left join rerate_approval a using (run_id)"""


@dataclass(frozen=True, slots=True)
class RerateRun:
    """A re-rating that was saved, and by whom it was approved, if it was.

    `documents` are the terms as they were written, by section; `inputs_hash` is of all it rests on.
    """

    run_id: str
    service_month: str
    customers: list[str]
    as_if_in_force: bool
    is_whole: bool
    inputs_hash: str
    documents: Mapping[str, Any]
    report: Mapping[str, Any]
    author: str
    reason: str
    saved_at: datetime
    approver: str | None = None
    approved_at: datetime | None = None


def insert_run(connection: Connection, run: RerateRun) -> None:
    """Store a run; one that is stored already stays as it is."""
    connection.execute(
        """insert into rerate_run (run_id, service_month, customers, as_if_in_force, is_whole,
                                   inputs_hash, documents, report, author, reason, saved_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (run_id) do nothing""",
        [
            run.run_id,
            run.service_month,
            run.customers,
            run.as_if_in_force,
            run.is_whole,
            run.inputs_hash,
            Jsonb(run.documents),
            Jsonb(run.report),
            run.author,
            run.reason,
            run.saved_at,
        ],
    )


def insert_approval(
    connection: Connection, run_id: str, *, by: str, reason: str, at: datetime
) -> None:
    """Store that a run was approved; the primary key refuses a second time."""
    connection.execute(
        """insert into rerate_approval (run_id, approver, reason, approved_at)
           values (%s, %s, %s, %s)""",
        [run_id, by, reason, at],
    )


def find_run(connection: Connection, run_id: str) -> RerateRun | None:
    """Return a saved run."""
    with connection.cursor(row_factory=class_row(RerateRun)) as cursor:
        return cursor.execute(f"{_SELECT} where r.run_id = %s", [run_id]).fetchone()


def list_runs(connection: Connection, *, limit: int) -> list[RerateRun]:
    """Return the latest saved runs, newest first."""
    with connection.cursor(row_factory=class_row(RerateRun)) as cursor:
        return cursor.execute(f"{_SELECT} order by r.sequence desc limit %s", [limit]).fetchall()
