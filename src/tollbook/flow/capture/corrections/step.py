"""Corrects events that were taken: voids many, amends one, takes a back-fill back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from tollbook.controls import audit, lineage
from tollbook.errors import Rejected
from tollbook.flow.capture import store as captured
from tollbook.flow.capture.admit import Admission, Admitted, admit_all
from tollbook.flow.capture.corrections import store
from tollbook.flow.capture.corrections.store import DOOR, Backfill, Which
from tollbook.flow.capture.events import store as events
from tollbook.flow.capture.json_text import canonical
from tollbook.flow.capture.reason import require_reason
from tollbook.flow.capture.step import capture, days_of, find_event
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.codec import to_json
from tollbook.values.ids import derive, event_digest, read_event_id, written_event_id

AMEND_DOOR: Final = "amend"
VOID_DOOR: Final = "void"
NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Voided:
    """How many events stopped counting, and on which days."""

    events: int
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Amended:
    """Our id of the new event, and of the one that it stands for."""

    event_id: str
    amends: str


def void_events(
    connection: Connection, which: Which, *, by: str, reason: str, at: datetime
) -> Voided:
    """Stop counting all events that are meant; what they were billed is corrected."""
    require_reason(reason)
    if not which.first < which.until:
        raise Rejected("capture.no_days", "The days to void must end after they begin.")
    voided = _void(connection, which, reason=reason, at=at)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.void",
        object_id=f"events: {which}",
        reason=reason,
        after=f"{voided.events} voided",
    )
    return voided


def amend_event(
    connection: Connection,
    *,
    event_id: str,
    changes: Mapping[str, Any],
    admission: Admission,
    by: str,
    reason: str,
    at: datetime,
) -> Amended:
    """Let a new event stand for an old one: the new one counts, the old one does not, both stay.

    `changes` are attributes (data, time, subject, type, id) of the new event; all others are those
    of the old one. Without an id it gets one that follows from the change, so that amending again
    in the same way changes nothing. Raises Rejected when the new event would be refused.
    """
    require_reason(reason)
    old = find_event(connection, event_id)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "source": old.source,
        "type": old.type,
        "subject": old.subject,
        "time": old.occurred_at.isoformat(),
        "data": old.data,
        **changes,
    }
    event.setdefault("id", derive("amd", event_id, canonical(event).decode()))
    digest = event_digest(str(event["source"]), str(event["id"]))
    _require_amendable(connection, old, digest)
    verdict = admit_all([canonical(event)], admission, at=at)[0]
    if not isinstance(verdict, Admitted):
        raise Rejected(verdict.code, f"The new event would be refused: {verdict.message}")
    events.ensure_days(connection, days_of([verdict]))
    done = capture(connection, verdicts=[verdict], door=AMEND_DOOR, at=at)
    if done.answers[0].status != "accepted":
        raise Rejected(
            "capture.id_taken",
            f"The id {verdict.id!r} is taken by another event of {verdict.source}: give another.",
        )
    _replace(connection, old, verdict, receipt=done.receipt, reason=reason, at=at)
    new = written_event_id(verdict.digest)
    old_day = old.occurred_at.date()
    store.insert_amendment(
        connection,
        new=(verdict.digest, verdict.occurred_at.date()),
        old=(read_event_id(event_id), old_day),
        by=by,
        reason=reason,
        at=at,
    )
    lineage.link(connection, "capture", [(new, event_id)])
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.amend",
        object_id=event_id,
        reason=reason,
        before=to_json(old).decode(),
        after=f"{new} {verdict.raw.decode()}",
    )
    return Amended(new, event_id)


def open_backfill(
    connection: Connection,
    backfill_id: str,
    *,
    file_name: str,
    file_sha256: str,
    by: str,
    reason: str,
    at: datetime,
) -> Backfill:
    """Begin a back-fill, or go on with one that was cut off; Rejected when its id is used up."""
    require_reason(reason)
    found = store.begin_backfill(
        connection,
        backfill_id,
        file_name=file_name,
        file_sha256=file_sha256,
        by=by,
        reason=reason,
        at=at,
    )
    if found.state != "applying" or found.file_sha256 != file_sha256:
        raise Rejected(
            "capture.backfill_exists",
            f"Back-fill {backfill_id} is {found.state} with {found.file_name}: choose another id.",
        )
    return found


def close_backfill(
    connection: Connection, backfill_id: str, counts: Mapping[str, int], *, at: datetime
) -> Backfill:
    """Note that all of a back-fill's file is stored, and how many events it brought."""
    brought = sum(store.brought_by(connection, backfill_id).values())
    # Of a file that was cut off, what the first attempt stored came again as duplicates.
    before = brought - counts.get("accepted", 0)
    corrected = {
        **counts,
        "accepted": brought,
        "duplicate": counts.get("duplicate", 0) - before,
    }
    store.end_backfill(connection, backfill_id, corrected, at=at)
    found = get_backfill(connection, backfill_id)
    audit.record(
        connection,
        at=at,
        actor=found.applied_by,
        action="capture.backfill",
        object_id=backfill_id,
        reason=found.reason,
        after=f"{found.file_name} sha256 {found.file_sha256}: {found.accepted} accepted",
    )
    return found


def revert_backfill(
    connection: Connection, backfill_id: str, *, by: str, reason: str, at: datetime
) -> Voided:
    """Stop counting exactly what a back-fill brought; what it was billed is corrected.

    Events of it that a person voided since stay as they are. Raises Rejected when another event
    stands for one of them, or when some of them are out of reach (sealed days).
    """
    require_reason(reason)
    found = get_backfill(connection, backfill_id, lock=True)
    if found.state == "reverted":
        raise Rejected(
            "capture.backfill_reverted",
            f"Back-fill {backfill_id} was reverted by {found.reverted_by} already.",
        )
    amended = store.amended_of_backfill(connection, backfill_id)
    if amended:
        raise Rejected(
            "capture.backfill_amended",
            f"{len(amended)} events of back-fill {backfill_id} were amended, and what stands for "
            f"them would go on counting ({', '.join(amended[:NAMED_MAX])}): void those first.",
        )
    days = store.brought_by(connection, backfill_id)
    present = store.count_within_reach(connection, backfill_id, sorted(days))
    if present != sum(days.values()):
        raise Rejected(
            "capture.backfill_out_of_reach",
            f"Of {sum(days.values())} events of back-fill {backfill_id} only {present} are in the "
            "database: restore the sealed days first.",
        )
    voided = Voided(0, ())
    if days:
        which = Which(min(days), max(days) + timedelta(days=1), door=DOOR + backfill_id)
        voided = _void(connection, which, reason=f"back-fill reverted: {reason}", at=at)
    store.set_reverted(connection, backfill_id, by=by, reason=reason, at=at)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.revert",
        object_id=backfill_id,
        reason=reason,
        after=f"{voided.events} voided",
    )
    return voided


def move_subjects(
    connection: Connection, moved: Mapping[str, Sequence[tuple[date, date]]], *, receipt: int
) -> tuple[date, ...]:
    """Let the days of events be counted again whose subject means another customer now.

    Belongs into the transaction that changed the crosswalk; `receipt` is the one from which on the
    change is known. Returns those days.
    """
    touched = {
        (day.isoformat(), event_type)
        for subject, spans in moved.items()
        for first, until in spans
        for day, event_type in store.days_of_subject(connection, subject, first, until)
    }
    captured.mark_dirty(connection, touched, receipt=receipt)
    return tuple(sorted({date.fromisoformat(day) for day, _ in touched}))


def get_backfill(connection: Connection, backfill_id: str, *, lock: bool = False) -> Backfill:
    """Return one back-fill; Rejected when there is none."""
    found = store.get_backfill(connection, backfill_id, lock=lock)
    if found is None:
        raise Rejected("capture.no_such_backfill", f"There is no back-fill {backfill_id}.")
    return found


def _void(connection: Connection, which: Which, *, reason: str, at: datetime) -> Voided:
    # First of all, so that no summary waits for our receipt with the door shut behind it.
    hold_lock(connection, Lock.SUMMARIZE)
    receipt = captured.insert_receipt(connection, door=VOID_DOOR, at=at)
    counts = store.exclude(connection, which, reason=reason, receipt=receipt, at=at)
    touched = {(day.isoformat(), event_type) for day, event_type in counts}
    captured.mark_dirty(connection, touched, receipt=receipt)
    return Voided(sum(counts.values()), tuple(sorted({day for day, _ in counts})))


def _require_amendable(connection: Connection, old: events.StoredEvent, digest: bytes) -> None:
    if written_event_id(digest) == old.event_id:
        raise Rejected(
            "capture.id_taken", "The new event needs an id of its own: the old one keeps its id."
        )
    earlier = store.amendments(connection, [read_event_id(old.event_id)])
    for one in earlier:
        if one.amends == old.event_id:
            raise Rejected(
                "capture.already_amended",
                f"{one.event_id} stands for {old.event_id} already: amend that one.",
            )
    if old.voided_for is not None:
        raise Rejected("capture.already_voided", f"{old.event_id} is already voided.")


def _replace(
    connection: Connection,
    old: events.StoredEvent,
    new: Admitted,
    *,
    receipt: int,
    reason: str,
    at: datetime,
) -> None:
    """Stop counting the old event with the receipt that brings the new one: never both, never none."""
    events.insert_exclusion(
        connection,
        read_event_id(old.event_id),
        day=old.occurred_at.date(),
        reason=f"amended by {written_event_id(new.digest)}: {reason}",
        receipt=receipt,
        at=at,
    )
    captured.mark_dirty(
        connection, {(old.occurred_at.date().isoformat(), old.type)}, receipt=receipt
    )
