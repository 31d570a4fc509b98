"""Stores arrivals in one transaction, and repairs what was refused: correct, replay, discard, void."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, NamedTuple

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture import store
from tollbook.flow.capture.admit import Admission, Admitted, Refused, Verdict, admit_all
from tollbook.flow.capture.identity import conflict_id, quarantine_id
from tollbook.storage.database import Connection
from tollbook.values.ids import read_event_id
from tollbook.worklist.store import clear_object, open_item

Status = Literal["accepted", "duplicate", "conflict", "rejected"]

CONFLICT: Final = "capture.conflict"
_REPLAY_PAGE: Final = 500


class Answer(NamedTuple):
    """What became of one event; `kept_as` is its quarantine or conflict id."""

    status: Status
    source: str
    id: str
    code: str = ""
    message: str = ""
    kept_as: str = ""


@dataclass(frozen=True, slots=True)
class Captured:
    """The answers to a group of events, in their order, and the receipt they were stored under."""

    receipt: int
    answers: Sequence[Answer]

    @property
    def counts(self) -> Counter[Status]:
        """How many events had each answer."""
        return Counter(answer.status for answer in self.answers)

    @property
    def tally(self) -> Counter[str]:
        """How many events had each answer, and how many were refused with each code."""
        found = Counter[str](answer.status for answer in self.answers)
        found.update(answer.code for answer in self.answers if answer.status == "rejected")
        return found


def days_of(verdicts: Iterable[Verdict]) -> set[date]:
    """Return the UTC days that admitted events belong to; each needs its partition."""
    texts = {verdict.occurred_at[:10] for verdict in verdicts if isinstance(verdict, Admitted)}
    return {date.fromisoformat(text) for text in texts}


def capture(
    connection: Connection, *, verdicts: Sequence[Verdict], door: str, at: datetime
) -> Captured:
    """Store what was admitted, quarantine what was refused, and answer for each event.

    Nothing is acknowledged before the caller has committed. The partitions of the days must exist.
    """
    receipt = store.insert_receipt(connection, door=door, at=at)
    admitted = [verdict for verdict in verdicts if isinstance(verdict, Admitted)]
    stored = iter(_store_admitted(connection, admitted, receipt=receipt, at=at))
    refused = [verdict for verdict in verdicts if isinstance(verdict, Refused)]
    if refused:
        _quarantine(connection, refused, door=door, at=at)
    answers = [
        next(stored) if isinstance(verdict, Admitted) else _rejected(verdict)
        for verdict in verdicts
    ]
    return Captured(receipt, answers)


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
    verdict = admit_all([held.corrected or held.raw], admission, at=at)[0]
    if isinstance(verdict, Admitted):
        store.ensure_days(connection, days_of([verdict]))
        receipt = store.insert_receipt(connection, door="replay", at=at)
        answer = _store_admitted(connection, [verdict], receipt=receipt, at=at)[0]
    else:
        answer = _rejected(verdict)._replace(kept_as=quarantined)
        _note_refusal(connection, held, verdict, by=by, at=at)
    if answer.status in {"accepted", "duplicate"}:
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


def replay_all(
    connection: Connection,
    *,
    admission: Admission,
    by: str,
    reason: str,
    at: datetime,
    code: str | None = None,
    cause: str | None = None,
) -> list[Answer]:
    """Replay every open refusal of a code and cause, for instance after a subject became known."""
    answers: list[Answer] = []
    after = ""
    while page := store.list_quarantine(
        connection, code=code, cause=cause, after=after, limit=_REPLAY_PAGE
    ):
        after = page[-1].quarantine_id
        answers += [
            replay(
                connection,
                quarantined=held.quarantine_id,
                admission=admission,
                by=by,
                reason=reason,
                at=at,
            )
            for held in page
        ]
    return answers


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
    _require_reason(reason)
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
    _require_reason(reason)
    event = find_event(connection, event_id)
    digest = read_event_id(event_id)
    if event.voided_for is not None:
        raise Rejected("capture.already_voided", f"{event_id} is already voided.")
    receipt = store.insert_receipt(connection, door="void", at=at)
    day = event.occurred_at.date()
    store.insert_exclusion(connection, digest, day=day, reason=reason, receipt=receipt, at=at)
    store.mark_dirty(connection, {(day.isoformat(), event.type)}, receipt=receipt)
    audit.record(
        connection, at=at, actor=by, action="capture.void", object_id=event_id, reason=reason
    )


def find_event(connection: Connection, event_id: str) -> store.StoredEvent:
    """Return a captured event by our id of it; Rejected when there is none."""
    try:
        found = store.get_event(connection, read_event_id(event_id))
    except ValueError:
        found = None
    if found is None:
        raise Rejected("capture.no_such_event", f"There is no event {event_id}.")
    return found


def _store_admitted(
    connection: Connection, admitted: Sequence[Admitted], *, receipt: int, at: datetime
) -> list[Answer]:
    if not admitted:
        return []
    first, repeated = _first_of_each(admitted)
    taken = store.claim_identities(connection, first, receipt=receipt)
    if taken:
        known = frozenset(taken)
        first = [numbered for numbered in first if numbered[0] not in known]
        repeated = sorted([*repeated, *taken])
    store.insert_events(connection, first, receipt=receipt)
    answers = [Answer("accepted", event.source, event.id) for event in admitted]
    if repeated:
        _answer_repeated(connection, admitted, repeated, answers, at)
    dirty = {(event.occurred_at[:10], event.type) for _, event in first}
    store.mark_dirty(connection, dirty, receipt=receipt)
    return answers


def _first_of_each(
    admitted: Sequence[Admitted],
) -> tuple[list[tuple[int, Admitted]], list[int]]:
    """Part the first arrival of each identity, numbered, from the positions of the others."""
    first: dict[bytes, tuple[int, Admitted]] = {}
    for numbered in enumerate(admitted):
        first.setdefault(numbered[1].digest, numbered)
    if len(first) == len(admitted):
        return list(first.values()), []
    positions = {number for number, _ in first.values()}
    return list(first.values()), [n for n in range(len(admitted)) if n not in positions]


def _answer_repeated(
    connection: Connection,
    admitted: Sequence[Admitted],
    repeated: Sequence[int],
    answers: list[Answer],
    at: datetime,
) -> None:
    known = store.known_events(connection, {admitted[ordinal].digest for ordinal in repeated})
    conflicts = []
    for ordinal in repeated:
        event = admitted[ordinal]
        first = known[event.digest]
        if (first.f1, first.f2) == (event.f1, event.f2):
            answers[ordinal] = Answer("duplicate", event.source, event.id)
            continue
        conflicts.append(event)
        answers[ordinal] = Answer(
            "conflict",
            event.source,
            event.id,
            CONFLICT,
            "Another event with this source and id was taken first; that one stands.",
            conflict_id(event.digest, event.f1, event.f2),
        )
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
    fresh = store.insert_quarantine(connection, refused, door=door, at=at)
    held: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for refusal in refused:
        kept_as = quarantine_id(refusal.raw)
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
        quarantine_id(refusal.raw),
    )


def _open_quarantined(connection: Connection, quarantined: str, reason: str) -> store.Quarantined:
    _require_reason(reason)
    held = store.get_quarantined(connection, quarantined, lock=True)
    if held is None:
        raise Rejected("capture.no_such_refusal", f"There is no refused event {quarantined}.")
    if held.state != "open":
        raise Rejected(
            "capture.refusal_closed",
            f"{quarantined} was {held.state} by {held.closed_by} ({held.reason}).",
        )
    return held


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Rejected("capture.reason_missing", "Say why: the reason goes into the audit trail.")


def _shown(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace").replace("\0", "\\x00")
