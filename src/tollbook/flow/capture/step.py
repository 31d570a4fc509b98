"""Stores arrivals in one transaction, and repairs what was refused: correct, replay, discard, void."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final, Literal, NamedTuple

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture import store
from tollbook.flow.capture.admit import (
    DAY_ZERO,
    Admission,
    Admitted,
    Refused,
    Verdict,
    admit_all,
)
from tollbook.flow.capture.completeness.store import declare_all
from tollbook.flow.capture.events import store as events
from tollbook.flow.capture.foreign import Held, Judged, judge_held
from tollbook.flow.capture.identity import DAY_MICROSECONDS, conflict_id
from tollbook.flow.capture.reason import require_reason
from tollbook.flow.capture.repeats import first_of_each
from tollbook.flow.capture.watermark import CONTROL_TYPE
from tollbook.storage.database import Connection
from tollbook.values.ids import read_event_id
from tollbook.worklist.store import clear_object, open_item

Status = Literal["accepted", "duplicate", "conflict", "rejected", "ignored"]

# What a back-fill brought may be of any age, also when it comes in later.
BACKFILL_DOOR: Final = "backfill:"
CONFLICT: Final = "capture.conflict"


class Answer(NamedTuple):
    """What became of one event; `kept_as` is its quarantine or conflict id."""

    status: Status
    source: str
    id: str
    code: str = ""
    message: str = ""
    kept_as: str = ""


@dataclass(frozen=True)
class Captured:
    """What became of a group of events, in their order, and the receipt they were stored under.

    `others` has the answers of those that were not accepted, by position: nearly all are accepted,
    and what to tell of those follows from the verdicts. `ignored` is how many foreign records (or
    elements of them) their mapping leaves out.
    """

    receipt: int
    verdicts: Sequence[Verdict]
    others: Mapping[int, Answer]
    ignored: int = 0
    is_surprised: bool = False

    @cached_property
    def answers(self) -> list[Answer]:
        """The answer to each event."""
        others = self.others
        return [
            others.get(at) or Answer("accepted", verdict.source, verdict.id)
            for at, verdict in enumerate(self.verdicts)
        ]

    @cached_property
    def counts(self) -> Counter[Status]:
        """How many events had each answer."""
        counts: Counter[Status] = Counter(answer.status for answer in self.others.values())
        counts["accepted"] = len(self.verdicts) - len(self.others)
        return counts

    @property
    def tally(self) -> Counter[str]:
        """How many events had each answer, and how many were refused with each code."""
        found: Counter[str] = Counter()
        found.update(self.counts)
        found.update(a.code for a in self.others.values() if a.status == "rejected")
        return found

    def part(self, start: int, stop: int) -> "Captured":
        """Return what became of some of the events."""
        others = {at - start: one for at, one in self.others.items() if start <= at < stop}
        return Captured(self.receipt, self.verdicts[start:stop], others)


def join(first: Captured, second: Captured) -> Captured:
    """Return what became of two groups as if they had been one; the later receipt stands."""
    start = len(first.verdicts)
    moved = {start + at: answer for at, answer in second.others.items()}
    verdicts = [*first.verdicts, *second.verdicts]
    return Captured(
        second.receipt,
        verdicts,
        {**first.others, **moved},
        is_surprised=first.is_surprised or second.is_surprised,
    )


def days_of(verdicts: Iterable[Verdict]) -> set[date]:
    """Return the UTC days that admitted events belong to; each needs its partition."""
    numbers = {
        verdict.occurred_us // DAY_MICROSECONDS
        for verdict in verdicts
        if isinstance(verdict, Admitted)
    }
    return {DAY_ZERO + timedelta(days=number) for number in numbers}


# Counts events that were just stored under a receipt, in their transaction.
Counting = Callable[[Connection, Sequence[Admitted], int], None]


def capture(
    connection: Connection,
    *,
    verdicts: Sequence[Verdict],
    door: str,
    at: datetime,
    is_repeat_likely: bool = True,
    repeated: AbstractSet[bytes] = frozenset(),
    counting: Counting | None = None,
) -> Captured:
    """Store what was admitted, quarantine what was refused, and answer for each event.

    Nothing is acknowledged before the caller has committed. The partitions of the days must exist.
    `counting` is given the events that are new; without it their days are marked dirty. `repeated`
    are the identities that may be stored already; when a repeat is likely, that is any of them.
    """
    receipt = store.insert_receipt(connection, door=door, at=at)
    verdicts = events.not_too_late(connection, verdicts)
    admitted: list[tuple[int, Admitted]] = []
    refused: list[tuple[int, Refused]] = []
    for number, verdict in enumerate(verdicts):
        if isinstance(verdict, Admitted):
            admitted.append((number, verdict))
        else:
            refused.append((number, verdict))
    others: dict[int, Answer] = {}
    is_surprised = False
    if admitted:
        arriving = _Arriving(receipt, at, is_repeat_likely, repeated, counting)
        others, is_surprised = _store_admitted(connection, admitted, arriving)
    if refused:
        _quarantine(connection, [one for _, one in refused], door=door, at=at)
        others |= {number: _rejected(one) for number, one in refused}
    return Captured(receipt, verdicts, others, is_surprised=is_surprised)


def correct(
    connection: Connection,
    *,
    quarantined: str,
    corrected: bytes,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Keep corrected bytes for a refused event beside its original; replay takes them."""
    held = _open_quarantined(connection, quarantined, reason)
    store.set_corrected(connection, quarantined, corrected)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.correct",
        object_id=quarantined,
        reason=reason,
        before=_shown(held.corrected or held.raw),
        after=_shown(corrected),
    )


def replay(
    connection: Connection,
    *,
    quarantined: str,
    admission: Admission,
    by: str,
    reason: str,
    at: datetime,
) -> Answer:
    """Bring a refused event (as corrected) to the door again and return its answer.

    It is closed only when it got through; otherwise it stays, with the reason of this refusal.
    """
    held = _open_quarantined(connection, quarantined, reason)
    judged = judge_again(held, admission, at=at)
    refused = [verdict for verdict in judged.verdicts if isinstance(verdict, Refused)]
    if len(refused) < len(judged.verdicts):
        answer = _store_again(connection, judged.verdicts, at=at)
    else:
        answer = Answer("ignored", "", "")
    if refused:
        answer = _rejected(refused[0])._replace(kept_as=quarantined)
        _note_refusal(connection, held, refused[0], by=by, at=at)
    if answer.status in {"accepted", "duplicate", "ignored"}:
        store.close_quarantined(connection, quarantined, "replayed", by=by, reason=reason, at=at)
        clear_object(connection, quarantined, by=by, resolution=f"replayed: {reason}", at=at)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.replay",
        object_id=quarantined,
        reason=reason,
        after=answer.code or answer.status,
    )
    return answer


def judge_again(held: store.Quarantined, admission: Admission, *, at: datetime) -> Judged:
    """Judge a refused record, as corrected; what a back-fill brought may still be of any age."""
    if held.door.startswith(BACKFILL_DOOR):
        admission = replace(admission, takes_any_age=True)
    body = held.corrected or held.raw
    if held.mapping is None:
        return Judged(admit_all([body], admission, at=at))
    again = Held(body, held.metadata or {}, is_corrected=held.corrected is not None)
    return judge_held(again, held.mapping, admission, at=at)


def _store_again(connection: Connection, verdicts: Sequence[Verdict], *, at: datetime) -> Answer:
    """Store what was admitted; of several events the answer that most needs a person."""
    admitted = [verdict for verdict in verdicts if isinstance(verdict, Admitted)]
    events.ensure_days(connection, days_of(admitted))
    return most_urgent(capture(connection, verdicts=admitted, door="replay", at=at).answers)


def most_urgent(answers: Sequence[Answer]) -> Answer:
    """Return of the answers to one record's events the one that most needs a person."""
    urgency = ("conflict", "accepted", "duplicate")
    if not answers:
        return Answer("ignored", "", "")
    return min(answers, key=lambda answer: urgency.index(answer.status))


def discard(
    connection: Connection, *, quarantined: str, by: str, reason: str, at: datetime
) -> None:
    """Close a refused event that will never be counted; its bytes are kept."""
    _open_quarantined(connection, quarantined, reason)
    store.close_quarantined(connection, quarantined, "discarded", by=by, reason=reason, at=at)
    clear_object(connection, quarantined, by=by, resolution=f"discarded: {reason}", at=at)
    audit.record(
        connection, at=at, actor=by, action="capture.discard", object_id=quarantined, reason=reason
    )


def dismiss_conflict(
    connection: Connection, *, conflict: str, by: str, reason: str, at: datetime
) -> None:
    """Note that a person looked at a conflict and lets the first event stand."""
    require_reason(reason)
    if store.get_conflict(connection, conflict) is None:
        raise Rejected("capture.no_such_conflict", f"There is no conflict {conflict}.")
    clear_object(connection, conflict, by=by, resolution=f"first event stands: {reason}", at=at)
    audit.record(
        connection, at=at, actor=by, action="capture.dismiss", object_id=conflict, reason=reason
    )


def void_event(
    connection: Connection, *, event_id: str, by: str, reason: str, at: datetime
) -> None:
    """Stop counting an event that was reported by mistake; what it was billed is corrected.

    The event stays stored, and its identity stays taken: the right one is sent under a new id.
    """
    require_reason(reason)
    event = find_event(connection, event_id)
    digest = read_event_id(event_id)
    if event.voided_for is not None:
        raise Rejected("capture.already_voided", f"{event_id} is already voided.")
    receipt = store.insert_receipt(connection, door="void", at=at)
    day = event.occurred_at.date()
    events.insert_exclusion(connection, digest, day=day, reason=reason, receipt=receipt, at=at)
    store.mark_dirty(connection, {(day.isoformat(), event.type)}, receipt=receipt)
    audit.record(
        connection, at=at, actor=by, action="capture.void", object_id=event_id, reason=reason
    )


def find_event(connection: Connection, event_id: str) -> events.StoredEvent:
    """Return a captured event by our id of it; Rejected when there is none."""
    try:
        found = events.get_event(connection, read_event_id(event_id))
    except ValueError:
        found = None
    if found is None:
        raise Rejected("capture.no_such_event", f"There is no event {event_id}.")
    return found


@dataclass(frozen=True, slots=True)
class _Arriving:
    """How a group is stored: under which receipt, when, and what else is done with new events."""

    receipt: int
    at: datetime
    is_repeat_likely: bool
    repeated: AbstractSet[bytes]
    counting: Counting | None


def _store_admitted(
    connection: Connection, admitted: Sequence[tuple[int, Admitted]], group: _Arriving
) -> tuple[dict[int, Answer], bool]:
    """Store events, each with its position; return the answers of those that were not new, and
    whether an earlier group holds one of them that was not foretold.
    """
    first, again = first_of_each(admitted)
    known = events.insert_new(
        connection,
        first,
        receipt=group.receipt,
        repeated=None if group.is_repeat_likely else group.repeated,
    )
    new = [one for one in first if one[1].key not in known] if known else first
    new = events.without_twins(connection, new, known)
    is_surprised = any(digest not in group.repeated for digest, _ in known)
    if known:
        again += [one for one in first if one[1].key in known]
    if new:
        # In the order of arrival, in which they lie in memory.
        repeating = {number for number, _ in again}
        arrived = [event for number, event in admitted if number not in repeating]
        _note_new(connection, arrived, group)
    if not again:
        return {}, is_surprised
    repeated = {event.digest for _, event in again}
    for number, event in new:
        if event.digest in repeated:
            known[event.key] = events.Known(group.receipt, number, event.f1, event.f2)
    return _answer_repeated(connection, sorted(again), known, group.at), is_surprised


def _note_new(connection: Connection, new: Sequence[Admitted], group: _Arriving) -> None:
    days = Counter([event.occurred_us // DAY_MICROSECONDS for event in new])
    numbers = [(DAY_ZERO + timedelta(days=day), number) for day, number in days.items()]
    events.insert_days(connection, numbers, receipt=group.receipt)
    if any(event.type == CONTROL_TYPE for event in new):
        declare_all(connection, new, at=group.at)
    if group.counting is not None:
        group.counting(connection, new, group.receipt)
        return
    dirty = {(event.occurred_at.date().isoformat(), event.type) for event in new}
    store.mark_dirty(connection, dirty, receipt=group.receipt)


def _answer_repeated(
    connection: Connection,
    repeated: Sequence[tuple[int, Admitted]],
    known: Mapping[tuple[bytes, int], events.Known],
    at: datetime,
) -> dict[int, Answer]:
    answers: dict[int, Answer] = {}
    conflicts = []
    for number, event in repeated:
        first = known[event.key]
        if (first.f1, first.f2) == (event.f1, event.f2):
            answers[number] = Answer("duplicate", event.source, event.id)
            continue
        conflicts.append(event)
        answers[number] = Answer(
            "conflict",
            event.source,
            event.id,
            CONFLICT,
            "Another event with this source and id was taken first; that one stands.",
            conflict_id(event.digest, event.f1, event.f2),
        )
    keep_conflicts(connection, [store.conflict_of(event) for event in conflicts], at=at)
    return answers


def keep_conflicts(
    connection: Connection, conflicts: Sequence[store.NewConflict], *, at: datetime
) -> None:
    """Keep events that reuse an identity, each on the worklist once."""
    for fresh in store.insert_conflicts(connection, conflicts, at=at):
        open_item(
            connection,
            code=CONFLICT,
            cause=fresh,
            message="Two events share one source and id but differ. The first was counted, this "
            "one was not: void the first if it is wrong, or let it stand.",
            objects=[fresh],
            at=at,
        )


def _quarantine(
    connection: Connection, refused: Sequence[Refused], *, door: str, at: datetime
) -> None:
    # A record that became several events is kept once, for the first that was refused.
    first = {refusal.quarantine_id: refusal for refusal in reversed(refused)}
    fresh = store.insert_quarantine(connection, list(first.values()), door=door, at=at)
    held: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for kept_as, refusal in reversed(first.items()):
        if kept_as in fresh:
            _, objects = held.setdefault((refusal.code, refusal.cause), (refusal.message, []))
            objects.append(kept_as)
    for (code, cause), (message, objects) in sorted(held.items()):
        open_item(connection, code=code, cause=cause, message=message, objects=objects, at=at)


def _note_refusal(
    connection: Connection, held: store.Quarantined, refusal: Refused, *, by: str, at: datetime
) -> None:
    store.set_refusal(connection, held.quarantine_id, refusal)
    if (held.code, held.cause) == (refusal.code, refusal.cause):
        return
    clear_object(
        connection, held.quarantine_id, by=by, resolution=f"now refused as {refusal.code}", at=at
    )
    open_item(
        connection,
        code=refusal.code,
        cause=refusal.cause,
        message=refusal.message,
        objects=[held.quarantine_id],
        at=at,
    )


def _rejected(refusal: Refused) -> Answer:
    return Answer(
        "rejected",
        refusal.source,
        refusal.id,
        refusal.code,
        refusal.message,
        refusal.quarantine_id,
    )


def _open_quarantined(connection: Connection, quarantined: str, reason: str) -> store.Quarantined:
    require_reason(reason)
    held = store.get_quarantined(connection, quarantined, lock=True)
    if held is None:
        raise Rejected("capture.no_such_refusal", f"There is no refused event {quarantined}.")
    if held.state != "open":
        raise Rejected(
            "capture.refusal_closed",
            f"{quarantined} was {held.state} by {held.closed_by} ({held.reason}).",
        )
    return held


def _shown(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace").replace("\0", "\\x00")
