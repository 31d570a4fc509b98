"""What applying wanted versions would change: created, changed, unchanged or refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final, Literal

from tollbook.masterdata.catalog import KINDS, Catalog, Version
from tollbook.masterdata.checks import check
from tollbook.masterdata.compatibility import breaks
from tollbook.masterdata.documents import GOVERNED, VersionKey, Wanted
from tollbook.masterdata.problems import Document, Place, Problem
from tollbook.records.commercial import EventType
from tollbook.values.codec import to_builtins

# By which of its fields an element of a list is named in a difference.
_NAMING: Final = ("product_id", "grant_id", "subject")

# The first ones say enough: they are corrected together or declared together.
BREAKS_SHOWN_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One value that differs from the version before; None = it is not there."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One version that applying would store, and the version before it."""

    version: Version
    before: Version | None
    place: Place

    @property
    def action(self) -> Literal["create", "change"]:
        """Whether the record is new."""
        return "change" if self.before else "create"

    @property
    def differences(self) -> tuple[FieldChange, ...]:
        """The fields that change; none for a new record."""
        return differences(self.before, self.version) if self.before else ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All that applying would do. A plan with problems cannot be applied; with warnings it can.

    `planned_at` is when it was made; `wanted` is what it was made from, so that it can be made
    again against newer master data.
    """

    planned_at: datetime
    wanted: Wanted
    changes: tuple[Change, ...]
    unchanged: int
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def plan(catalog: Catalog, wanted: Wanted, *, at: datetime) -> Plan:
    """Compare wanted versions with the catalog; records that are not wanted are left alone."""
    problems = list(wanted.problems)
    changes: list[Change] = []
    unchanged = 0
    unread = set(wanted.unread)
    for (kind, key), group in groupby(wanted.versions, key=lambda v: (v.kind, v.key)):
        compared = _Comparison(catalog.versions.get((kind, key), ()), wanted.documents)
        for version in group:
            compared.add(version)
        changes += compared.changes
        problems += compared.problems
        unchanged += compared.unchanged
        if compared.problems:
            unread.add((kind, key))
    after, places = _merged(catalog, changes, wanted)
    problems += check(after, places, unread)
    order = list(KINDS)
    changes.sort(key=lambda c: (order.index(c.version.kind), c.version.key, c.version.version))
    found = sorted(set(problems))
    return Plan(
        at,
        wanted,
        tuple(changes),
        unchanged,
        problems=tuple(problem for problem in found if not problem.is_warning),
        warnings=tuple(problem for problem in found if problem.is_warning),
    )


class _Comparison:
    """The wanted versions of one record against the stored ones, in order of version."""

    def __init__(self, stored: Sequence[Version], documents: Mapping[VersionKey, Document]) -> None:
        self._known = {version.version: version for version in stored}
        self._last = max(self._known, default=0)
        self._documents = documents
        self.changes: list[Change] = []
        self.problems: list[Problem] = []
        self.unchanged = 0

    def add(self, version: Version) -> None:
        """Decide on one wanted version."""
        if version.kind in GOVERNED:
            self._governed(version)
        else:
            self._numbered_by_us(version)

    def _governed(self, version: Version) -> None:
        stored = self._known.get(version.version)
        if stored is None and version.version == self._last + 1:
            self._follow(version)
        elif stored is None:
            self._refuse(
                version,
                "version_gap",
                f"version {version.version} cannot follow version {self._last}: the next one is "
                f"version {self._last + 1}.",
            )
        elif _same(stored, version):
            self.unchanged += 1
        else:
            changed = ", ".join(d.field for d in differences(stored, version)[:3])
            self._refuse(
                version,
                "version_immutable",
                f"version {version.version} is in force and cannot be changed ({changed}): add "
                f"version {self._last + 1} with its own effective_from.",
            )

    def _follow(self, version: Version) -> None:
        before = self._known.get(self._last)
        broken = _broken(before, version) if before else []
        for sentence in broken[:BREAKS_SHOWN_MAX]:
            self._refuse(
                version,
                "breaking_change",
                f"{sentence}: events that version {self._last} took would be refused. Declare "
                "`compatibility: breaking` for this version, or define a new event type.",
            )
        if not broken:
            self._change(version, version)

    def _numbered_by_us(self, version: Version) -> None:
        last = self._known.get(self._last)
        if last is not None and _same(last, version):
            self.unchanged += 1
        elif last is not None and version.effective_from < last.effective_from:
            self._refuse(
                version,
                "starts_before_latest",
                f"the change would start on {version.effective_from}, before the present version "
                f"({last.effective_from}), which would hide it: set effective_from to that day or "
                "later.",
            )
        else:
            self._change(version, replace(version, version=self._last + 1))

    def _change(self, wanted: Version, version: Version) -> None:
        self.changes.append(Change(version, self._known.get(self._last), self._place(wanted)))
        self._known[version.version] = version
        self._last = version.version

    def _refuse(self, version: Version, code: str, message: str) -> None:
        text = f"{version.kind} {version.key}: {message}"
        self.problems.append(Problem(self._place(version), f"masterdata.{code}", text))

    def _place(self, version: Version) -> Place:
        return self._documents[version.kind, version.key, version.version].place()


def _same(stored: Version, wanted: Version) -> bool:
    # Not by hash: a release that gives records a new field must not make each of them another.
    return (stored.record, stored.effective_from) == (wanted.record, wanted.effective_from)


def _broken(before: Version, version: Version) -> list[str]:
    """Return how the schema of an event type refuses what the version before it took."""
    old, new = before.record, version.record
    if not isinstance(old, EventType) or not isinstance(new, EventType):
        return []
    if new.compatibility == "breaking":
        return []
    return list(breaks(old.schema, new.schema))


def _merged(
    catalog: Catalog, changes: Sequence[Change], wanted: Wanted
) -> tuple[Catalog, dict[VersionKey, Document]]:
    """Return master data as it would be afterwards, and the document of each wanted version."""
    versions = {key: list(found) for key, found in catalog.versions.items()}
    for change in changes:
        versions.setdefault((change.version.kind, change.version.key), []).append(change.version)
    places = {}
    for kind, key, number in wanted.documents:
        stored = versions.get((kind, key), [])
        current = number if kind in GOVERNED or not stored else stored[-1].version
        places[kind, key, current] = wanted.documents[kind, key, number]
    after = {key: tuple(found) for key, found in versions.items()}
    return Catalog(catalog.known_at, after), places


def differences(before: Version, after: Version) -> tuple[FieldChange, ...]:
    """Return the fields in which two versions differ, in the order of the record."""
    old, new = _flat(before), _flat(after)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return tuple(FieldChange(name, old.get(name), new.get(name)) for name in names)


def _flat(version: Version) -> dict[str, str]:
    flat = dict(_leaves("", to_builtins(version.record)))
    for name in ("version", "price_version_id"):
        # They differ in every version and say nothing.
        flat = {key: value for key, value in flat.items() if key.rpartition(".")[2] != name}
    return {"effective_from": str(version.effective_from), **flat}


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list):
        for label, item in zip(_labels(value), value, strict=True):
            yield from _leaves(f"{name}[{label}]", item)
    elif value is not None:
        yield name, str(value)


def _labels(items: Sequence[Any]) -> list[str]:
    """Name elements by their own id where that is unique, else by their number."""
    for field in _NAMING:
        names = [item.get(field) for item in items if isinstance(item, dict)]
        if all(names) and len(set(names)) == len(items) == len(names):
            return [str(name) for name in names]
    return [str(at + 1) for at in range(len(items))]
