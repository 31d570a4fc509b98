"""Enters new identities in the ledger of all, and sets aside those that another day took before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tollbook.flow.capture import store
from tollbook.flow.capture.events import store as events
from tollbook.flow.capture.step import keep_conflicts
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock

SWEEP_EVENTS_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: identities entered in the ledger, reused ones found, through which receipt."""

    identities: int
    reused: int
    through_receipt: int


def sweep(connection: Connection, *, at: datetime) -> Swept:
    """Enter the identities of newly captured events in the ledger of all identities.

    The door keeps an identity once a UTC day. One that another day took before is found here: the
    first event stands, the later one no longer counts and goes to the worklist as a conflict.
    Nothing is billed before the sweep has passed it. One call does a limited amount.
    """
    hold_lock(connection, Lock.SWEEP_IDENTITIES)
    after = store.swept_through(connection)
    with connection.transaction(force_rollback=True):
        latest = store.intake_watermark(connection)
    days, number, through = store.next_to_sweep(
        connection, after=after, through=latest, events_max=SWEEP_EVENTS_MAX
    )
    found = 0
    if days:
        store.index_receipts(connection, days)
        entered = store.add_to_ledger(connection, days, after=after, through=through)
        if entered < number:
            reused = store.reused_identities(connection, days, after=after, through=through)
            _set_reused_aside(connection, reused, at=at)
            found = len(reused)
    store.set_swept(connection, through)
    return Swept(number, found, through)


def _set_reused_aside(
    connection: Connection, reused: Sequence[store.Reused], *, at: datetime
) -> None:
    """Stop counting events whose identity another day has, as if the door had refused them."""
    if not reused:
        return
    receipt = store.insert_receipt(connection, door="sweep", at=at)
    for event in reused:
        events.insert_exclusion(
            connection,
            event.h.bytes,
            day=event.day,
            reason="its source and id were taken before, on another day",
            receipt=receipt,
            at=at,
        )
    dirty = {(event.day.isoformat(), event.type) for event in reused}
    store.mark_dirty(connection, dirty, receipt=receipt)
    keep_conflicts(connection, [store.conflict_of_reused(event) for event in reused], at=at)
