"""What a mapping would make of a sample, and what the door would say: nothing of it is stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.admit import Admission, Admitted, Refused, Verdict, admit_all
from tollbook.flow.capture.mapping import CompiledMapping, selections_of
from tollbook.flow.meter.definition import Reading, matches, read
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Meter
from tollbook.sdk.source import SourceRecord
from tollbook.values.quantity import parse_quantity, plain
from tollbook.values.selection import is_every, written_step

UNKNOWN_SUBJECT: Final = "capture.unknown_subject"
_ADDITIVE: Final = frozenset({"count", "sum"})
# A record of more fields is not looked through to its end for fields that are not read.
FIELDS_MAX: Final = 2_000

Key = tuple[bytes, int]
Print = tuple[int, int]
# Which fingerprint holds the identity of each of these events that is stored.
Stored = Callable[[Sequence[Admitted]], Mapping[Key, Print]]


@dataclass(frozen=True, slots=True)
class Counted:
    """What one meter would count of an event; the quantity is a decimal, or the text told apart."""

    meter: str
    quantity: str
    unit: str
    adds_up: bool = True


@dataclass(frozen=True, slots=True)
class PreviewedEvent:
    """An event as it would be, and the door's answer to it.

    Of an element of `each` that cannot be mapped, `event` tells only which one it is.
    """

    event: Any
    status: str
    code: str = ""
    message: str = ""
    meters: Sequence[Counted] = ()


@dataclass(frozen=True, slots=True)
class PreviewedRecord:
    """What one record would become; `code` and `message` when it cannot be mapped."""

    place: Mapping[str, str]
    events: Sequence[PreviewedEvent] = ()
    ignored: int = 0
    code: str = ""
    message: str = ""


@dataclass(slots=True)
class Preview:
    """What a mapping would make of a sample; `meters` are the totals of those that add up."""

    mapping: str
    version: int
    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    unknown_subjects: list[str] = field(default_factory=list)
    unmapped_fields: list[str] = field(default_factory=list)
    meters: list[Counted] = field(default_factory=list)
    records: list[PreviewedRecord] = field(default_factory=list)


class _Door(NamedTuple):
    """What events are judged by."""

    admission: Admission
    catalog: Catalog
    stored: Stored
    at: datetime


def preview(
    records: Iterable[SourceRecord],
    mapping: CompiledMapping,
    *,
    admission: Admission,
    catalog: Catalog,
    stored: Stored,
    at: datetime,
) -> Preview:
    """Map each record and judge each event as the door would at an instant."""
    made = Preview(mapping.mapping.mapping_id, mapping.mapping.version)
    door = _Door(admission, catalog, stored, at)
    seen: dict[Key, Print] = {}
    totals: dict[tuple[str, str], Decimal] = {}
    used = [selection.steps for selection in selections_of(mapping.mapping)]
    unread: dict[str, None] = {}
    for record in records:
        made.counts["records"] += 1
        made.records.append(_previewed(record, mapping, door, seen))
        _count(made, made.records[-1], totals)
        unread |= dict.fromkeys(_unread(record.body, used))
    made.unmapped_fields = list(unread)
    made.meters = [
        Counted(meter, plain(total), unit) for (meter, unit), total in sorted(totals.items())
    ]
    return made


def _previewed(
    record: SourceRecord,
    mapping: CompiledMapping,
    door: _Door,
    seen: dict[Key, Print],
) -> PreviewedRecord:
    try:
        if record.refusal is not None:
            raise record.refusal
        mapped = mapping.apply(record)
    except Rejected as refusal:
        return PreviewedRecord(record.metadata, code=refusal.code, message=refusal.message)
    verdicts = admit_all(mapped.events, door.admission, at=door.at)
    admitted = [verdict for verdict in verdicts if isinstance(verdict, Admitted)]
    seen.update(door.stored([event for event in admitted if event.key not in seen]))
    events = [
        _judged(raw, verdict, door.catalog, seen)
        for raw, verdict in zip(mapped.events, verdicts, strict=True)
    ]
    events += [
        PreviewedEvent({"element": item}, "rejected", refusal.code, refusal.message)
        for item, refusal in mapped.refused
    ]
    return PreviewedRecord(record.metadata, events, mapped.ignored)


def _judged(
    raw: bytes, verdict: Verdict, catalog: Catalog, seen: dict[Key, Print]
) -> PreviewedEvent:
    event = _EXACT.decode(raw)
    if isinstance(verdict, Refused):
        return PreviewedEvent(event, "rejected", verdict.code, verdict.message)
    print_of = (verdict.f1, verdict.f2)
    first = seen.setdefault(verdict.key, print_of)
    if first is not print_of:
        if first == print_of:
            return PreviewedEvent(event, "duplicate")
        message = "Another event with this source and id differs: the first one stands."
        return PreviewedEvent(event, "conflict", "capture.conflict", message)
    on = verdict.occurred_at.date()
    return PreviewedEvent(
        event, "accepted", meters=list(_meters(catalog, verdict.type, verdict.values, on))
    )


def _meters(
    catalog: Catalog, event_type: str, data: Mapping[str, Any], on: date
) -> Iterator[Counted]:
    for key in catalog.keys("meter"):
        meter = catalog.meter(key, on)
        if meter is None or meter.event_type != event_type:
            continue
        if not matches(meter, data):
            continue
        reading = read(meter, data)
        if reading is not None:
            yield Counted(
                key, _quantity(meter, reading), meter.unit, meter.aggregation in _ADDITIVE
            )


def _quantity(meter: Meter, reading: Reading) -> str:
    if meter.aggregation == "count":
        return "1"
    return reading.text if reading.number is None else plain(reading.number)


def _count(made: Preview, record: PreviewedRecord, totals: dict[tuple[str, str], Decimal]) -> None:
    if record.ignored:
        made.counts["ignored"] += record.ignored
    if record.code:
        made.counts["rejected"] += 1
        made.refusals[record.code] += 1
    for event in record.events:
        made.counts["events"] += 1
        made.counts[event.status] += 1
        if event.code:
            made.refusals[event.code] += 1
        if event.code == UNKNOWN_SUBJECT and event.event["subject"] not in made.unknown_subjects:
            made.unknown_subjects.append(event.event["subject"])
        for counted in event.meters:
            if counted.adds_up:
                key = (counted.meter, counted.unit)
                totals[key] = totals.get(key, Decimal(0)) + parse_quantity(counted.quantity)


_EXACT: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def _unread(body: bytes, used: Sequence[tuple[str | int, ...]]) -> Iterator[str]:
    """Yield each field of a record that no path of the mapping reads."""
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return
    for number, steps in enumerate(_leaves(decoded, ())):
        if number == FIELDS_MAX:
            return
        if not any(_covers(path, steps) for path in used):
            yield "$" + "".join(map(written_step, steps))


def _leaves(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*steps, name))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, (*steps, ""))
    else:
        yield steps


def _covers(path: Sequence[str | int], leaf: Sequence[str]) -> bool:
    return len(path) <= len(leaf) and all(
        step == found or (isinstance(step, int) and is_every(found))
        for step, found in zip(path, leaf, strict=False)
    )
