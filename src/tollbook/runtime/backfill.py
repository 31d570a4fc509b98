"""Imports a file of old events under an id: shown first, then applied, and taken back if need be."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.capture.admit import Admission, admit_all
from tollbook.flow.capture.corrections.step import (
    Voided,
    close_backfill,
    open_backfill,
    revert_backfill,
)
from tollbook.flow.capture.corrections.store import DOOR, Backfill
from tollbook.flow.capture.events.store import ensure_days
from tollbook.flow.capture.step import capture, days_of
from tollbook.runtime.import_file import batches
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock

ID_CHARACTERS_MAX: Final = 100
_CHUNK: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Brought:
    """How many events of a file had each answer, and how many were rejected for each code."""

    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Order:
    """Under which id a file is imported, who wants it, and why."""

    backfill_id: str
    by: str
    reason: str


def try_backfill(
    file: Path, *, admission_of: Callable[[Connection], Admission], at: datetime
) -> Callable[[Connection], tuple[Brought, set[date]]]:
    """Return the act of importing a file in one transaction, for a preview that undoes it.

    `admission_of` must give one that takes events of any age.
    """

    def act(connection: Connection) -> tuple[Brought, set[date]]:
        brought, days = Brought(), set[date]()
        admission = admission_of(connection)
        with file.open("rb") as stored:
            for batch in batches(stored, file):
                verdicts = admit_all(batch, admission, at=at)
                touched = days_of(verdicts)
                ensure_days(connection, touched)
                captured = capture(connection, verdicts=verdicts, door=f"{DOOR}preview", at=at)
                days |= touched
                for answer in captured.answers:
                    brought.answers[answer.status] += 1
                    if answer.status == "rejected":
                        brought.refusals[answer.code] += 1
        return brought, days

    return act


def apply_backfill(
    database: Database,
    desk: Desk,
    file: Path,
    *,
    order: Order,
    clock: Clock,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Backfill:
    """Take every line of a file under an id; `desk` is one that takes events of any age.

    Cut off, the same file and id go on where it ended. Raises Rejected when the id is used up.
    """
    backfill_id = order.backfill_id
    if not backfill_id.strip() or len(backfill_id) > ID_CHARACTERS_MAX:
        raise Rejected(
            "capture.invalid_backfill_id",
            f"The id of a back-fill has from 1 to {ID_CHARACTERS_MAX} characters.",
        )
    with database.transaction() as connection:
        open_backfill(
            connection,
            backfill_id,
            file_name=file.name,
            file_sha256=_sha256(file),
            by=order.by,
            reason=order.reason,
            at=clock.now(),
        )
    counts: Counter[str] = Counter()
    with file.open("rb") as stored:
        for batch in batches(stored, file):
            counts.update(desk.take(batch, door=DOOR + backfill_id).counts)
            on_progress(stored.tell())
    with database.transaction() as connection:
        return close_backfill(connection, backfill_id, counts, at=clock.now())


def try_revert(
    backfill_id: str, *, by: str, at: datetime
) -> Callable[[Connection], tuple[Voided, tuple[date, ...]]]:
    """Return the act of taking a back-fill back, for a preview that undoes it."""

    def act(connection: Connection) -> tuple[Voided, tuple[date, ...]]:
        voided = revert_backfill(connection, backfill_id, by=by, reason="preview", at=at)
        return voided, voided.days

    return act


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stored:
        while chunk := stored.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
