"""Brings records of foreign systems to the door: maps each, judges what it becomes, keeps where from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from msgspec.structs import replace

from tollbook.errors import Rejected
from tollbook.flow.capture.admit import (
    Admission,
    Origin,
    Refused,
    Verdict,
    admit_all,
)
from tollbook.flow.capture.json_text import read_object
from tollbook.flow.capture.mapping import CompiledMapping, ForeignRecord

_CAUSE_CHARACTERS_MAX: Final = 200


@dataclass(slots=True)
class Judged:
    """The verdicts on what records became, and how many records or elements were ignored."""

    verdicts: list[Verdict] = field(default_factory=list)
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """A record that was refused and is brought again, as it came or as a person corrected it."""

    body: bytes
    metadata: Mapping[str, str]
    is_corrected: bool = False


def mapping_in_force(admission: Admission, mapping_id: str, on: date) -> CompiledMapping:
    """Return the mapping in force on a day; Rejected with `capture.unknown_mapping` if there is none."""
    for start, compiled in admission.mappings.get(mapping_id, ()):
        if start <= on:
            if isinstance(compiled, Rejected):
                raise Rejected(compiled.code, compiled.message, cause=mapping_id)
            return compiled
    raise Rejected(
        "capture.unknown_mapping",
        f"There is no source mapping {mapping_id!r} on {on}: apply it as master data.",
        cause=mapping_id,
    )


def judge_records(
    records: Iterable[ForeignRecord], mapping_id: str, admission: Admission, *, at: datetime
) -> Judged:
    """Map and judge records by the mapping in force when they arrive.

    What is refused, by the mapping or by the door, keeps the record as it came. A record that cannot
    be mapped gives one refusal and no event.
    """
    judged = Judged()
    mapping: CompiledMapping | None = None
    for record in records:
        try:
            mapping = mapping or mapping_in_force(admission, mapping_id, at.date())
            mapped = mapping.apply(record)
        except Rejected as refusal:
            judged.verdicts.append(_refused(refusal, record, mapping_id))
            continue
        judged.ignored += mapped.ignored
        for verdict in admit_all(mapped.events, admission, at=at):
            judged.verdicts.append(
                replace(verdict, raw=record.body, origin=_origin(record, mapping_id))
                if isinstance(verdict, Refused)
                else verdict
            )
    return judged


def judge_held(held: Held, mapping_id: str, admission: Admission, *, at: datetime) -> Judged:
    """Map and judge a refused record again, by the mapping in force now.

    A correction is the record as it should have been, or the event it should have become.
    """
    if held.is_corrected and _is_event(held.body):
        return Judged(admit_all([held.body], admission, at=at))
    return judge_records([held], mapping_id, admission, at=at)


def _is_event(body: bytes) -> bool:
    try:
        return "specversion" in read_object(body)
    except Rejected:
        return False


def _refused(refusal: Rejected, record: ForeignRecord, mapping_id: str) -> Refused:
    return Refused(
        refusal.code,
        refusal.message,
        refusal.ids.get("cause", mapping_id)[:_CAUSE_CHARACTERS_MAX],
        "",
        "",
        record.body,
        origin=_origin(record, mapping_id),
    )


def _origin(record: ForeignRecord, mapping_id: str) -> Origin:
    return Origin(mapping_id, dict(record.metadata))
