"""Seals a day: its files first, then, in one transaction, their manifest and the empty partition."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from tollbook.controls import audit
from tollbook.errors import Blocked, Rejected, Transient
from tollbook.flow.capture import store as capture
from tollbook.flow.capture.events.store import ensure_days
from tollbook.flow.capture.sealing import store
from tollbook.flow.capture.sealing.fields import Fields
from tollbook.flow.capture.segments import store as segments
from tollbook.flow.capture.segments.manifest import NumberBounds, Segment, path_of
from tollbook.storage.database import Connection, Database
from tollbook.storage.locks import Lock, hold_lock, try_lock
from tollbook.storage.segments.archive import STAGED_SUFFIX, Archive, sha256_of, sync_file
from tollbook.storage.segments.columns import FORMAT
from tollbook.storage.segments.extras import part
from tollbook.values.ids import derive

# A file is sorted in memory; this many events of usual size take less than 1 GB.
EVENTS_PER_SEGMENT_MAX: Final = 500_000
LOCK_SECONDS: Final = 5

# Told of each point at which a process may be killed; the torture tests do kill it there.
OnPoint = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sealing:
    """Who seals when, and which fields of the data get columns of their own."""

    fields: Fields
    by: str
    at: datetime
    events_per_segment: int = EVENTS_PER_SEGMENT_MAX


@dataclass(frozen=True, slots=True)
class Waiting:
    """A day that could not be sealed now, and why; the next round tries again."""

    day: date
    code: str
    message: str


def sealable_days(connection: Connection, *, through: date) -> list[date]:
    """Return the days up to one that have events to seal, in order."""
    return store.days_with_events(connection, through=through)


def seal_day(
    database: Database, day: date, sealing: Sealing, *, on_point: OnPoint = lambda _: None
) -> list[Segment]:
    """Move the events of a closed day into files and return their manifest.

    Blocked when the day is not ready or somebody else seals; Transient when it changed meanwhile.
    Whatever happens, its events are in the partition or in registered files, never in both.
    """
    if day >= sealing.at.date():
        raise Rejected("capture.day_open", f"{day} is not over yet (UTC): seal an earlier day.")
    with _alone(database) as archive:
        attempt = derive("sea", day.isoformat(), sealing.at.isoformat(), sealing.by)
        with database.transaction() as connection:
            _require_ready(connection, day)
            store.insert_attempt(connection, attempt, day)
            number = segments.next_number(connection, day)
        on_point("noted")
        with database.transaction() as connection:
            written = _write(connection, archive, day, sealing, attempt)
        if not written:
            _forget(database, attempt)
            return []
        on_point("written")
        found = [
            _registered(one, day, number + offset, sealing) for offset, one in enumerate(written)
        ]
        with database.transaction() as connection:
            store.set_attempt_paths(connection, attempt, [one.path for one in found])
        for one, segment in zip(written, found, strict=True):
            archive.keep(one.path, segment.path, sha256=segment.sha256)
            on_point("kept")
        _require_kept(archive, found)
        with _impatient(day), database.transaction() as connection:
            _commit(connection, day, found, sealing, on_point)
            store.remove_attempt(connection, attempt)
        on_point("committed")
        return found


def seal_through(
    database: Database, through: date, sealing: Sealing
) -> Iterator[list[Segment] | Waiting]:
    """Seal every day up to one that has events; yield the segments of each, or why it waits."""
    clean(database)
    with database.transaction() as connection:
        days = sealable_days(connection, through=through)
    for day in days:
        try:
            yield seal_day(database, day, sealing)
        except (Blocked, Transient) as refusal:
            yield Waiting(day, refusal.code, refusal.message)


def clean(database: Database) -> list[str]:
    """Remove what attempts that were cut off left behind, and return the names of those files."""
    removed = []
    with _alone(database) as archive, database.transaction() as connection:
        for attempt_id, paths in store.attempts(connection):
            for staged in sorted(archive.staging.glob(f"{attempt_id}-*{STAGED_SUFFIX}")):
                staged.unlink()
                removed.append(staged.name)
            for path in paths:
                archive.remove(path)
                removed.append(path)
            store.remove_attempt(connection, attempt_id)
    return removed


def restore_day(
    database: Database, day: date, *, by: str, reason: str, at: datetime
) -> list[Segment]:
    """Bring a sealed day back into its partition, proven by count and digest; the files stay."""
    require_reason(reason)
    with _alone(database) as archive, _impatient(day), database.transaction() as connection:
        _exclude_readers(connection)
        found = segments.list_segments(
            connection, first=day, until=date.fromordinal(day.toordinal() + 1), states=("sealed",)
        )
        if not found:
            raise Rejected("capture.day_not_sealed", f"{day} is not sealed: nothing to restore.")
        ensure_days(connection, [day])
        store.lock_partition(connection, day, within_seconds=LOCK_SECONDS)
        for segment in found:
            _require_unchanged(archive, segment)
            before = store.held_in_partition(connection, day)
            segments.put_back(connection, archive, segment)
            after = store.held_in_partition(connection, day)
            if _difference(after, before) != _proof(segment):
                raise Blocked(
                    "capture.segment_altered",
                    f"The file of {segment.name} does not hold the events that were sealed: bring "
                    "it back from a backup.",
                )
            segments.set_state(connection, segment, "restored")
            _audit(connection, segment, "capture.restore", by=by, reason=reason, at=at)
    return [replace(segment, state="restored") for segment in found]


def require_reason(reason: str) -> None:
    """Refuse an act that says nothing for the audit trail."""
    if not reason.strip():
        raise Rejected("capture.reason_missing", "Say why: the reason goes into the audit trail.")


@contextmanager
def _alone(database: Database) -> Iterator[Archive]:
    """Give the archive to one process at a time; the lock goes with the process."""
    with database.transaction() as guard:
        if not try_lock(guard, Lock.WRITE_SEGMENTS):
            raise Blocked(
                "capture.sealing_elsewhere",
                "Another process is sealing, restoring or deleting days: try again when it is done.",
            )
        archive = segments.archive_of(guard)
        archive.staging.mkdir(parents=True, exist_ok=True)
        yield archive


@contextmanager
def _impatient(day: date) -> Iterator[None]:
    try:
        yield
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
        raise Transient(
            "capture.day_in_use",
            f"Events of {day} are being read or taken right now: nothing was changed, try again.",
            retry_after_seconds=LOCK_SECONDS,
        ) from error


def _exclude_readers(connection: Connection) -> None:
    connection.execute("select set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
    hold_lock(connection, Lock.SUMMARIZE)
    segments.hold_day_lock(connection)


def _require_ready(connection: Connection, day: date) -> None:
    if store.is_dirty(connection, day):
        raise Blocked(
            "capture.day_dirty",
            f"Summaries of {day} are behind its events: seal it when a worker has caught up.",
        )
    # The ledger of identities answers for a sealed day; it must know all of it first.
    if capture.swept_through(connection) < store.held_in_partition(connection, day).last_receipt:
        raise Blocked(
            "capture.day_not_swept",
            f"The identities of {day} are not in the ledger yet: seal it when a worker has caught "
            "up.",
        )


def _write(
    connection: Connection, archive: Archive, day: date, sealing: Sealing, attempt: str
) -> list[Any]:
    fields = sealing.fields
    rows = segments.copy_rows(
        connection,
        sql.SQL("e.day = {}").format(sql.Literal(day)),
        texts=fields.texts,
        numbers=fields.numbers,
    )
    written: list[Any] = part("writing").write_files(
        rows,
        texts=fields.texts,
        numbers=fields.numbers,
        name_file=lambda number: archive.staging / f"{attempt}-{number:04}{STAGED_SUFFIX}",
        rows_max=sealing.events_per_segment,
    )
    return written


def _registered(written: Any, day: date, number: int, sealing: Sealing) -> Segment:
    # On the disk before its hash is taken, so that the hash is of what the disk was given.
    sync_file(written.path)
    sha256 = sha256_of(written.path)
    return Segment(
        day=day,
        segment=number,
        path=path_of(day, number, sha256),
        event_count=written.event_count,
        bytes=written.path.stat().st_size,
        sha256=sha256,
        digest_1=written.digest_1,
        digest_2=written.digest_2,
        first_receipt=written.first_receipt,
        last_receipt=written.last_receipt,
        first_at=written.first_at,
        last_at=written.last_at,
        types=written.types,
        texts=sealing.fields.texts,
        numbers={
            name: NumberBounds(bounds.digits, bounds.scale)
            for name, bounds in sorted(written.bounds.items())
        },
        format=FORMAT,
        sealed_at=sealing.at,
        sealed_by=sealing.by,
    )


def _require_kept(archive: Archive, found: Iterable[Segment]) -> None:
    for segment in found:
        _require_unchanged(archive, segment)


def _require_unchanged(archive: Archive, segment: Segment) -> None:
    if sha256_of(archive.fetch(segment.path, sha256=segment.sha256)) != segment.sha256:
        raise Blocked(
            "capture.segment_altered",
            f"The file of {segment.name} is not what was written: bring it back from a backup.",
        )


def _commit(
    connection: Connection,
    day: date,
    found: list[Segment],
    sealing: Sealing,
    on_point: OnPoint,
) -> None:
    _exclude_readers(connection)
    store.lock_partition(connection, day, within_seconds=LOCK_SECONDS)
    held = store.held_in_partition(connection, day)
    if (held.event_count, held.digest_1, held.digest_2) != (
        sum(one.event_count for one in found),
        sum(one.digest_1 for one in found),
        sum(one.digest_2 for one in found),
    ) or store.is_dirty(connection, day):
        raise Transient(
            "capture.day_changed",
            f"Events of {day} arrived while it was sealed: nothing was changed, seal it again.",
        )
    for segment in found:
        segments.insert_segment(connection, segment)
        reason = "sealed: in the archive, and no longer in the database"
        _audit(connection, segment, "capture.seal", by=sealing.by, reason=reason, at=sealing.at)
    on_point("registered")
    segments.empty_partition(connection, day)
    on_point("emptied")


def _forget(database: Database, attempt: str) -> None:
    with database.transaction() as connection:
        store.remove_attempt(connection, attempt)


def _difference(after: store.Held, before: store.Held) -> tuple[int, int, int]:
    return (
        after.event_count - before.event_count,
        after.digest_1 - before.digest_1,
        after.digest_2 - before.digest_2,
    )


def _proof(segment: Segment) -> tuple[int, int, int]:
    return segment.event_count, segment.digest_1, segment.digest_2


def _audit(
    connection: Connection, segment: Segment, action: str, *, by: str, reason: str, at: datetime
) -> None:
    audit.record(
        connection,
        at=at,
        actor=by,
        action=action,
        object_id=f"segment {segment.name}",
        reason=reason,
        after=f"{segment.path} sha256 {segment.sha256}",
    )
