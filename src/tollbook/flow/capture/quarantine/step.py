"""Replays or discards many refused events: a page a call, each with its own answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture.admit import Admission, Admitted, Refused
from tollbook.flow.capture.events import store as events
from tollbook.flow.capture.quarantine import store
from tollbook.flow.capture.quarantine.store import Which
from tollbook.flow.capture.reason import require_reason
from tollbook.flow.capture.step import Answer, capture, days_of, judge_again, most_urgent
from tollbook.flow.capture.store import Quarantined
from tollbook.storage.database import Connection
from tollbook.worklist.store import clear_objects, open_item

REPLAY_DOOR: Final = "replay"
PAGE: Final = 2_000

_THROUGH: Final = frozenset({"accepted", "duplicate", "ignored"})


@dataclass(frozen=True, slots=True)
class Page:
    """The answers to one page of refused events, and after which id the next page begins.

    `days` are those on which events occurred that may be stored.
    """

    answers: tuple[Answer, ...]
    last: str
    days: frozenset[date]


def replay_page(
    connection: Connection,
    which: Which,
    *,
    admission: Admission,
    by: str,
    reason: str,
    at: datetime,
    after: str = "",
) -> Page | None:
    """Bring the next page of open refusals, as corrected, to the door again; None at the end.

    Those that got through are closed; the others stay, with the reason of this refusal.
    """
    require_reason(reason)
    page = store.find(connection, which, after=after, limit=PAGE, lock=True)
    if not page:
        return None
    judged = [judge_again(held, admission, at=at).verdicts for held in page]
    admitted = [one for verdicts in judged for one in verdicts if isinstance(one, Admitted)]
    answers = iter(_capture(connection, admitted, at))
    told: list[Answer] = []
    refusals: list[tuple[Quarantined, Refused]] = []
    for held, verdicts in zip(page, judged, strict=True):
        mine = [next(answers) for one in verdicts if isinstance(one, Admitted)]
        refused = [one for one in verdicts if isinstance(one, Refused)]
        if refused:
            refusals.append((held, refused[0]))
            told.append(_rejected(refused[0], held))
        else:
            told.append(most_urgent(mine))
    through = [
        held.quarantine_id
        for held, answer in zip(page, told, strict=True)
        if answer.status in _THROUGH
    ]
    if through:
        store.close(connection, through, "replayed", by=by, reason=reason, at=at)
        clear_objects(connection, through, by=by, resolution=f"replayed: {reason}", at=at)
    _note_refusals(connection, refusals, by=by, at=at)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.replay",
        object_id=f"quarantine: {which}",
        reason=reason,
        before=f"{len(page)} open, {page[0].quarantine_id} to {page[-1].quarantine_id}",
        after=f"{len(through)} got through",
    )
    return Page(tuple(told), page[-1].quarantine_id, frozenset(days_of(admitted)))


def replay_pages(
    connection: Connection,
    which: Which,
    *,
    admission: Admission,
    by: str,
    reason: str,
    at: datetime,
) -> tuple[list[Answer], set[date]]:
    """Replay all that is meant in one transaction, for one that is rolled back.

    Returns the answers, and the days on which events occurred that may be stored.
    """
    answers: list[Answer] = []
    days: set[date] = set()
    after = ""
    while page := replay_page(
        connection, which, admission=admission, by=by, reason=reason, at=at, after=after
    ):
        answers += page.answers
        days |= page.days
        after = page.last
    return answers, days


def discard_all(connection: Connection, which: Which, *, by: str, reason: str, at: datetime) -> int:
    """Close all open refusals that are meant and return how many; their bytes are kept."""
    require_reason(reason)
    require_choice(which)
    closed = 0
    while page := store.find(connection, which, limit=PAGE, lock=True):
        ids = [held.quarantine_id for held in page]
        store.close(connection, ids, "discarded", by=by, reason=reason, at=at)
        clear_objects(connection, ids, by=by, resolution=f"discarded: {reason}", at=at)
        closed += len(ids)
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.discard",
        object_id=f"quarantine: {which}",
        reason=reason,
        after=f"{closed} discarded",
    )
    return closed


def require_choice(which: Which) -> None:
    """Refuse to act on everything there is only because nothing was said."""
    if which.is_everything:
        raise Rejected(
            "capture.no_choice",
            "Say which refused events are meant: a code, a cause, a door, a source, an event type "
            "or when they were received.",
        )


def _capture(
    connection: Connection, admitted: Sequence[Admitted], at: datetime
) -> Sequence[Answer]:
    if not admitted:
        return []
    events.ensure_days(connection, days_of(admitted))
    return capture(connection, verdicts=admitted, door=REPLAY_DOOR, at=at).answers


def _rejected(refusal: Refused, held: Quarantined) -> Answer:
    return Answer(
        "rejected", refusal.source, refusal.id, refusal.code, refusal.message, held.quarantine_id
    )


def _note_refusals(
    connection: Connection,
    refusals: Sequence[tuple[Quarantined, Refused]],
    *,
    by: str,
    at: datetime,
) -> None:
    """Keep the new reason of each, and move to its work item what has another cause now."""
    differing = [
        (held, refusal)
        for held, refusal in refusals
        if (held.code, held.cause, held.message) != (refusal.code, refusal.cause, refusal.message)
    ]
    store.set_refusals(connection, {held.quarantine_id: refusal for held, refusal in differing})
    moved: dict[tuple[str, str, str], list[str]] = {}
    for held, refusal in differing:
        if (held.code, held.cause) != (refusal.code, refusal.cause):
            key = (refusal.code, refusal.cause, refusal.message)
            moved.setdefault(key, []).append(held.quarantine_id)
    for (code, cause, message), ids in sorted(moved.items()):
        clear_objects(connection, ids, by=by, resolution=f"now refused as {code}", at=at)
        open_item(connection, code=code, cause=cause, message=message, objects=ids, at=at)
