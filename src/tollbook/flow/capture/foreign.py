"""Brings records of foreign systems to the door: maps each, judges what it becomes, keeps where from."""

from collections.abc import Iterable, Mapping, Sequence
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
from tollbook.flow.capture.mapping import CompiledMapping, ForeignRecord, Mapped

_CAUSE_CHARACTERS_MAX: Final = 200

# With it the place of the element that was refused is kept beside what the transport knows; no
# transport has a name with this point in it.
ELEMENT: Final = "each.item"
# Refused elements wait one by one as long as the copies of their record are not larger than this.
COPIES_BYTES_MAX: Final = 16_000_000


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
    be mapped gives one refusal and no event. Of a record that becomes several events each element
    is judged on its own, and a refusal keeps its place too.
    """
    judged = Judged()
    mapping: CompiledMapping | None = None
    for record in records:
        try:
            mapping = mapping or mapping_in_force(admission, mapping_id, at.date())
            mapped = mapping.apply(record, only=record.metadata.get(ELEMENT))
        except Rejected as refusal:
            judged.verdicts.append(_refused(refusal, record, _origin(record, mapping_id)))
            continue
        judged.ignored += mapped.ignored
        verdicts = admit_all(mapped.events, admission, at=at)
        if mapped.items or mapped.refused:
            judged.verdicts += _of_elements(record, mapping_id, mapped, verdicts)
            continue
        for verdict in verdicts:
            judged.verdicts.append(
                replace(verdict, raw=record.body, origin=_origin(record, mapping_id))
                if isinstance(verdict, Refused)
                else verdict
            )
    return judged


def _of_elements(
    record: ForeignRecord, mapping_id: str, mapped: Mapped, verdicts: Sequence[Verdict]
) -> list[Verdict]:
    """Return the verdicts on the elements of a record; a refused one waits with its place.

    When they are too many for a copy of the record each, they wait together as the whole record.
    """
    refusals = len(mapped.refused) + sum(isinstance(one, Refused) for one in verdicts)
    is_apart = refusals * len(record.body) <= COPIES_BYTES_MAX

    def origin(item: str) -> Origin:
        whole = _origin(record, mapping_id)
        return replace(whole, metadata={**whole.metadata, ELEMENT: item}) if is_apart else whole

    made: list[Verdict] = [
        replace(one, raw=record.body, origin=origin(item)) if isinstance(one, Refused) else one
        for item, one in zip(mapped.items, verdicts, strict=True)
    ]
    return made + [_refused(refusal, record, origin(item)) for item, refusal in mapped.refused]


def judge_held(held: Held, mapping_id: str, admission: Admission, *, at: datetime) -> Judged:
    """Map and judge a refused record again, by the mapping in force now.

    A correction is the record as it should have been, or the event it should have become. Of a
    refusal of one element nothing but this element is judged.
    """
    if held.is_corrected and _is_event(held.body):
        return Judged(admit_all([held.body], admission, at=at))
    return judge_records([held], mapping_id, admission, at=at)


def _is_event(body: bytes) -> bool:
    try:
        return "specversion" in read_object(body)
    except Rejected:
        return False


def _refused(refusal: Rejected, record: ForeignRecord, origin: Origin) -> Refused:
    return Refused(
        refusal.code,
        refusal.message,
        refusal.ids.get("cause", origin.mapping)[:_CAUSE_CHARACTERS_MAX],
        "",
        "",
        record.body,
        origin=origin,
    )


def _origin(record: ForeignRecord, mapping_id: str) -> Origin:
    return Origin(mapping_id, dict(record.metadata))
