"""Applies master data, and lets what was counted by older master data be counted again."""

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import Final

from tollbook.flow.capture.corrections.step import move_subjects
from tollbook.flow.capture.store import insert_receipt
from tollbook.flow.rate.store import charged_months
from tollbook.masterdata.plan import Plan
from tollbook.masterdata.step import Applied, apply_plan
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock

DOOR: Final = "crosswalk"


def apply_master_data(
    connection: Connection, planned: Plan, *, by: str, reason: str, at: datetime
) -> Applied:
    """Store a plan; days on which a subject means another customer now are counted again.

    Raises Rejected as `apply_plan`.
    """
    if any(change.version.kind == "customer" for change in planned.changes):
        # No summary is made between the receipt and the commit of what is known from it on.
        hold_lock(connection, Lock.SUMMARIZE)
    applied = apply_plan(
        connection,
        planned,
        by=by,
        reason=reason,
        at=at,
        open_receipt=partial(insert_receipt, connection, door=DOOR, at=at),
    )
    move_subjects(connection, applied.moved_subjects, receipt=applied.known_from)
    return applied


def try_apply(
    planned: Plan, *, by: str, at: datetime
) -> Callable[[Connection], tuple[Applied, list[date]]]:
    """Return the applying of a plan for a preview: it touches every month charged from then on."""

    def act(connection: Connection) -> tuple[Applied, list[date]]:
        since = min((change.version.effective_from for change in planned.changes), default=date.max)
        months = [month.first for month in charged_months(connection) if month.last >= since]
        return apply_master_data(connection, planned, by=by, reason="preview", at=at), months

    return act
