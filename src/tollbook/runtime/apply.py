"""Applies master data, and lets what was counted by older master data be counted again."""

from datetime import datetime

from tollbook.flow.capture.corrections.step import move_subjects
from tollbook.masterdata.plan import Plan
from tollbook.masterdata.step import Applied, apply_plan
from tollbook.storage.database import Connection


def apply_master_data(
    connection: Connection, planned: Plan, *, by: str, reason: str, at: datetime
) -> Applied:
    """Store a plan; days on which a subject means another customer now are counted again.

    Raises Rejected as `apply_plan`.
    """
    applied = apply_plan(connection, planned, by=by, reason=reason, at=at)
    move_subjects(connection, applied.moved_subjects, at=at)
    return applied
