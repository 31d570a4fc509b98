"""What finance controls: work items, totals compared at checkpoints, the audit trail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tollbook.values.ids import WorkItemId
from tollbook.values.money import Money

Stage = Literal[
    "capture", "meter", "rate", "invoice", "tax", "post", "recognize", "reconcile", "masterdata"
]

WorkItemState = Literal["open", "resolved"]

Checkpoint = Literal["metered", "rated", "invoiced", "posted", "recognized"]


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One cause that keeps documents waiting; it may hold many objects and is fixed once.

    `owner` is a role (finance, billing, engineering). `resolution` says what closed it.
    """

    work_item_id: WorkItemId
    code: str
    stage: Stage
    cause: str
    message: str
    owner: str
    blocks_close: bool
    state: WorkItemState
    opened_at: datetime
    object_count: int = 0
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: str | None = None


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """The total of one checkpoint for a legal entity, currency and service month, before tax."""

    checkpoint: Checkpoint
    entity_id: str
    currency: str
    month: str
    amount: Money
    count: int


@dataclass(frozen=True, slots=True)
class Variance:
    """Two checkpoints that should agree and do not; `objects` are the first of what differs."""

    left: str
    right: str
    entity_id: str
    currency: str
    month: str
    difference: Money
    objects: tuple[str, ...] = ()
    object_count: int = 0


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to what, and why; each record carries the hash of the one before it."""

    sequence: int
    at: datetime
    actor: str
    action: str
    object_id: str
    before: str | None
    after: str | None
    reason: str
    previous_hash: str
    hash: str
