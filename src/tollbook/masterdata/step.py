"""Plan master data against what is stored, and apply the plan in one transaction."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.documents import Wanted, documents_to_versions, to_versions
from tollbook.masterdata.files import read_directory
from tollbook.masterdata.plan import Change, Plan, plan
from tollbook.masterdata.store import (
    insert_version,
    load_catalog,
    read_crosswalk,
    replace_crosswalk,
)
from tollbook.masterdata.subjects import crosswalk, moved, subjects_ever
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.codec import to_json

# Whatever was decided, even by a clock ahead of ours, is there and has taken its number.
_EVERYTHING: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying stored.

    `changed_kinds` counts new versions by kind; `new_subjects` are the subjects of events that
    now mean a customer they did not mean before, so that what waited for them can be replayed.
    `moved_subjects` are subjects that events may have been stored under, and the days (the last not
    included) on which they mean another customer now, or none: what was counted must be again.
    `known_from` is the receipt from which on that is known; 0 when no subject moved.
    """

    created: int
    changed: int
    unchanged: int
    changed_kinds: Mapping[str, int]
    new_subjects: tuple[str, ...]
    moved_subjects: Mapping[str, Sequence[tuple[date, date]]] = field(default_factory=dict)
    known_from: int = 0


def plan_directory(connection: Connection, directory: Path, at: datetime) -> Plan:
    """Compare a directory of YAML files (or one file) with the stored master data."""
    reading = read_directory(directory)
    return _plan(connection, to_versions(reading.documents, reading.problems), at)


def plan_documents(connection: Connection, sections: Mapping[str, Any], at: datetime) -> Plan:
    """Compare documents in the API's shape with the stored master data."""
    return _plan(connection, documents_to_versions(sections), at)


def apply_plan(
    connection: Connection,
    planned: Plan,
    *,
    by: str,
    reason: str,
    at: datetime,
    open_receipt: Callable[[], int] = lambda: 0,
) -> Applied:
    """Store the versions of a plan, with an audit record each, and rebuild the crosswalk.

    `open_receipt` gives the receipt from which on a moved subject is known to mean another
    customer; without it, what was counted before cannot be told from what is counted now.
    Raises Rejected when the plan has problems, or when what it was compared with has changed since.
    """
    hold_lock(connection, Lock.APPLY_MASTER_DATA)
    stored = load_catalog(connection, known_at=_EVERYTHING)
    _require_valid(planned, plan(stored, planned.wanted, at=planned.planned_at))
    for change in planned.changes:
        insert_version(connection, change.version, decided_at=at, decided_by=by)
        _audit(connection, change, by=by, reason=reason, at=at)
    kinds = Counter(change.version.kind for change in planned.changes)
    crossed = (
        _rebuild_crosswalk(connection, stored, open_receipt) if kinds["customer"] else _NOT_CROSSED
    )
    return Applied(
        created=sum(change.action == "create" for change in planned.changes),
        changed=sum(change.action == "change" for change in planned.changes),
        unchanged=planned.unchanged,
        changed_kinds=dict(kinds),
        new_subjects=crossed.gained,
        moved_subjects=crossed.moved,
        known_from=crossed.known_from,
    )


def _plan(connection: Connection, wanted: Wanted, at: datetime) -> Plan:
    return plan(load_catalog(connection, known_at=_EVERYTHING), wanted, at=at)


def _require_valid(planned: Plan, now: Plan) -> None:
    if planned.problems:
        raise Rejected(
            "masterdata.plan_has_problems",
            f"Nothing was applied: {len(planned.problems)} problems must be corrected first.",
        )
    if now.changes != planned.changes or now.problems:
        raise Rejected(
            "masterdata.plan_outdated",
            "Nothing was applied: master data changed after this plan was shown. Plan again.",
        )


def _audit(connection: Connection, change: Change, *, by: str, reason: str, at: datetime) -> None:
    version, before = change.version, change.before
    audit.record(
        connection,
        at=at,
        actor=by,
        action=f"masterdata.{change.action}",
        object_id=f"{version.kind}/{version.key}@{version.version}",
        reason=reason,
        before=to_json(before.record).decode() if before else None,
        after=to_json(version.record).decode(),
    )


class _Crossed(NamedTuple):
    gained: tuple[str, ...]
    moved: Mapping[str, Sequence[tuple[date, date]]]
    known_from: int


_NOT_CROSSED: Final = _Crossed((), {}, 0)


def _rebuild_crosswalk(
    connection: Connection, stored: Catalog, open_receipt: Callable[[], int]
) -> _Crossed:
    before = read_crosswalk(connection)
    rows = crosswalk(load_catalog(connection, known_at=_EVERYTHING))
    # Under a subject that no customer ever had, no event was stored: there is nothing to look for.
    known = subjects_ever(stored)
    spans = {subject: days for subject, days in moved(before, rows).items() if subject in known}
    known_from = open_receipt() if spans else 0
    replace_crosswalk(connection, rows, moved=spans, known_from=known_from)
    gained: set[tuple[str, str, date | None, date | None]] = set(rows) - set(before)
    return _Crossed(tuple(sorted({row[0] for row in gained})), spans, known_from)
