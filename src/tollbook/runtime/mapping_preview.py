"""Previews a source mapping on a sample, whether it is stored or still in a file; writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from tollbook.errors import Rejected
from tollbook.flow.capture import store
from tollbook.flow.capture.admit import Admission, Admitted, build_admission
from tollbook.flow.capture.events.store import known_events
from tollbook.flow.capture.foreign import mapping_in_force
from tollbook.flow.capture.mapping import CompiledMapping, compile_mapping
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.step import plan_directory
from tollbook.masterdata.store import load_catalog
from tollbook.masterdata.subjects import crosswalk
from tollbook.records.source_mapping import SourceMapping
from tollbook.runtime.mapped_sample import Key, Preview, Print, preview
from tollbook.sdk.source import SourceRecord
from tollbook.storage.database import Connection
from tollbook.values.period import midnight


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A mapping, and the master data it is rehearsed with."""

    mapping: CompiledMapping
    admission: Admission
    catalog: Catalog


def rehearse_stored(
    connection: Connection, mapping_id: str, *, at: datetime, future_hours_max: int
) -> Rehearsal:
    """Take a mapping as it is in force now; Rejected when there is none of this name."""
    catalog = load_catalog(connection, known_at=at)
    rows = store.read_crosswalk(connection)
    admission = build_admission(catalog, rows, future_hours_max=future_hours_max)
    if not catalog.versions.get(("source_mapping", mapping_id)):
        raise Rejected("capture.no_such_mapping", f"There is no source mapping {mapping_id!r}.")
    return Rehearsal(mapping_in_force(admission, mapping_id, at.date()), admission, catalog)


def rehearse_file(
    connection: Connection,
    path: Path,
    *,
    at: datetime,
    future_hours_max: int,
    mapping_id: str | None = None,
) -> Rehearsal:
    """Take the latest version of the mapping in a file, with all else in it, as if it were applied.

    Rejected with the first problem when the file could not be applied.
    """
    planned = plan_directory(connection, path, at)
    if planned.problems:
        first = planned.problems[0]
        raise Rejected(first.code, f"{first.place}: {first.message}")
    stored = load_catalog(connection, known_at=at)
    versions = dict(stored.versions)
    for change in planned.changes:
        key = (change.version.kind, change.version.key)
        versions[key] = (*versions.get(key, ()), change.version)
    catalog = Catalog(stored.known_at, versions)
    rows = [(s, c, _midnight(start), _midnight(end)) for s, c, start, end in crosswalk(catalog)]
    mapping = only_mapping(planned.wanted.versions, mapping_id, str(path))
    return Rehearsal(
        compile_mapping(mapping),
        build_admission(catalog, rows, future_hours_max=future_hours_max),
        catalog,
    )


def run_preview(
    connection: Connection, rehearsal: Rehearsal, records: Iterable[SourceRecord], *, at: datetime
) -> Preview:
    """Show what records would become, judged against what is stored now."""

    def stored(admitted: Sequence[Admitted]) -> Mapping[Key, Print]:
        known = known_events(connection, admitted)
        return {key: (event.f1, event.f2) for key, event in known.items()}

    return preview(
        records,
        rehearsal.mapping,
        admission=rehearsal.admission,
        catalog=rehearsal.catalog,
        stored=stored,
        at=at,
    )


def only_mapping(versions: Iterable[Version], mapping_id: str | None, where: str) -> SourceMapping:
    """Return the latest version of the one mapping among versions, or of the one that is named."""
    found: dict[str, SourceMapping] = {}
    for version in versions:
        if isinstance(version.record, SourceMapping) and mapping_id in {None, version.key}:
            found[version.key] = version.record
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise Rejected(
            "capture.no_such_mapping",
            f"{where} must hold one source mapping; it holds {names}. Name one with --id.",
        )
    return next(iter(found.values()))


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else midnight(day)
