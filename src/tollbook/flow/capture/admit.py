"""Decides at the door whether this is a usage event that we can count, and for a known customer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from re import Pattern
from re import compile as compile_pattern
from typing import Any, Final, NamedTuple

import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.envelope import (
    ATTRIBUTE_BYTES_MAX,
    EVENT_BYTES_MAX,
    QUICK,
    Envelope,
    Quick,
    is_wholly_read,
    read_any,
)
from tollbook.flow.capture.identity import (
    DAY_MICROSECONDS,
    ZERO,
    identify,
    instant_text,
    microseconds,
    quarantine_id,
)
from tollbook.flow.capture.json_text import canonical, may_be_deep
from tollbook.flow.capture.mapping import (
    OTLP_MAPPING,
    CompiledMapping,
    compile_mapping,
    compile_version,
    default_otlp_mapping,
)
from tollbook.flow.capture.rows import Texts, row_of
from tollbook.flow.capture.schema import DataRule, check_data, compile_rule, read_data
from tollbook.flow.capture.watermark import CONTROL_SCHEMA, CONTROL_TYPE, read_complete_until
from tollbook.masterdata.catalog import SINCE_EVER, Catalog, Record
from tollbook.records.commercial import EventType, Meter
from tollbook.values.formula import fields_of, parse_formula
from tollbook.values.period import midnight

OLDEST: Final = ZERO
DAY_ZERO: Final = ZERO.date()

# What stands for the cause when the event is too broken to say where it came from.
UNREADABLE: Final = "(unreadable)"
CAUSE_CHARACTERS_MAX: Final = 200

# Aggregations that add or compare their value; unique_count only tells values apart.
_NUMERIC: Final = frozenset(
    {"sum", "min", "max", "average", "latest", "time_weighted_sum", "percentile"}
)

# (subject, customer, valid from, valid until), the bounds open when None.
CrosswalkRow = tuple[str, str, datetime | None, datetime | None]


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """An event that may be stored.

    `digest` is its identity, `f1` and `f2` its fingerprint; `occurred_us` is its instant in
    microseconds since the year 2000 (UTC), `row` how it is stored, `said` its data decoded: a
    dictionary, or an object whose attributes have the names of the members.
    """

    digest: bytes
    f1: int
    f2: int
    occurred_us: int
    source: str
    id: str
    type: str
    subject: str
    row: bytes
    said: Any
    raw: bytes

    @property
    def values(self) -> dict[str, Any]:
        """What the event says, by name."""
        if isinstance(self.said, dict):
            return self.said
        members = msgspec.structs.asdict(self.said).items()
        return {name: value for name, value in members if value is not msgspec.UNSET}

    @property
    def occurred_at(self) -> datetime:
        """When the customer used it, in UTC."""
        return ZERO + timedelta(microseconds=self.occurred_us)

    @property
    def day_number(self) -> int:
        """The UTC day of that, in days since 2000-01-01."""
        return self.occurred_us // DAY_MICROSECONDS

    @property
    def key(self) -> tuple[bytes, int]:
        """By what the door keeps an event once: its identity, and its UTC day."""
        return self.digest, self.day_number


class Origin(msgspec.Struct, frozen=True, gc=False):
    """How bytes that are no event became one: by which mapping, with what beside them."""

    mapping: str
    metadata: Mapping[str, str]


class Refused(msgspec.Struct, frozen=True, gc=False):
    """An event that goes to quarantine; `cause` is what one correction would cure.

    With an `origin`, `raw` is the foreign record that it (and perhaps others) was made of.
    """

    code: str
    message: str
    cause: str
    source: str
    id: str
    raw: bytes
    type: str = ""
    origin: Origin | None = None

    @property
    def quarantine_id(self) -> str:
        """The id under which it is kept: the same bytes from the same place are kept once."""
        if self.origin is None:
            return quarantine_id(self.raw)
        return quarantine_id(canonical([self.origin.mapping, self.origin.metadata]) + self.raw)


Verdict = Admitted | Refused


class Policy(NamedTuple):
    """What one version of an event type asks of time and subject, besides its schema."""

    future: timedelta | None
    age: timedelta | None
    subject: Pattern[str] | None


_NO_POLICIES: Final[tuple[tuple[datetime, Policy], ...]] = ()


@dataclass(frozen=True, slots=True)
class Admission:
    """What the door knows: event types with when each rule starts (latest first), and subjects."""

    rules: Mapping[str, tuple[tuple[datetime, DataRule | Rejected], ...]]
    subjects: Mapping[str, tuple[tuple[datetime | None, datetime | None], ...]]
    future: timedelta

    # The two questions asked of every event, answered at once where no date matters.
    only_rule: Mapping[str, DataRule]
    always_known: frozenset[str]

    # Source mappings with when each version starts (latest first).
    mappings: Mapping[str, tuple[tuple[date, CompiledMapping | Rejected], ...]]
    # Of event types that have a policy, with when each starts, latest first.
    policies: Mapping[str, tuple[tuple[datetime, Policy], ...]] = field(default_factory=dict)
    takes_any_age: bool = False


def build_admission(
    catalog: Catalog,
    crosswalk: Iterable[CrosswalkRow],
    *,
    future_hours_max: int,
    takes_any_age: bool = False,
) -> Admission:
    """Compile all event types and index all subjects, once per change of master data.

    `takes_any_age` is for what a person brings on purpose: back-fills and amendments.
    """
    subjects: dict[str, list[tuple[datetime | None, datetime | None]]] = {}
    for subject, _, start, end in crosswalk:
        subjects.setdefault(subject, []).append((start, end))
    rules = {key: _rules(catalog, key) for key in catalog.keys("event_type")}
    rules[CONTROL_TYPE] = ((OLDEST, compile_rule(CONTROL_SCHEMA, ())),)
    return Admission(
        rules,
        {subject: tuple(spans) for subject, spans in subjects.items()},
        timedelta(hours=future_hours_max),
        only_rule={
            key: rule
            for key, ((start, rule), *later) in rules.items()
            if not later and start <= OLDEST and isinstance(rule, DataRule)
        },
        always_known=frozenset(s for s, spans in subjects.items() if (None, None) in spans),
        mappings={
            OTLP_MAPPING: ((SINCE_EVER, compile_mapping(default_otlp_mapping(tuple(rules)))),),
            **{key: _mappings(catalog, key) for key in catalog.keys("source_mapping")},
        },
        policies={
            CONTROL_TYPE: _NO_POLICIES,
            **{
                key: found
                for key in catalog.keys("event_type")
                if (found := _policies(catalog, key))
            },
        },
        takes_any_age=takes_any_age,
    )


def admit_all(raws: Iterable[bytes], admission: Admission, *, at: datetime) -> list[Verdict]:
    """Judge each event on its own; `at` is when they were received."""
    latest = at + admission.future
    quickly = _quick_door(admission, latest)
    return [quickly(raw) or _admit(raw, admission, latest) for raw in raws]


def _quick_door(admission: Admission, latest: datetime) -> Callable[[bytes], Admitted | None]:
    """Return what admits an event that is surely right, and nothing when the whole rules must judge.

    Nearly every event comes this way: its cost is the cost of the door, so what is asked for each
    event is bound once.
    """
    rules, always_known, decode = admission.only_rule, admission.always_known, QUICK.decode
    policies, texts = admission.policies, Texts()

    def quickly(raw: bytes) -> Admitted | None:
        try:
            event = decode(raw)
            moment = event.time
            if event.subject not in always_known:
                _check_subject(admission, event.subject, moment)
            if event.type in policies and not _allows(admission, event, latest):
                return None
            values = read_data(rules[event.type], event.data)
        except (ValueError, KeyError, ArithmeticError, RecursionError, Rejected):
            return None
        data = canonical(values)
        source, name = event.source, event.id
        # Types and subjects were found in master data, so they need no look.
        if (
            not source.isprintable()
            or not name.isprintable()
            # Beyond ASCII there are characters that count as printable and are not seen.
            or not (source.isascii() and name.isascii())
            or moment.tzinfo is not UTC
            or not OLDEST <= moment <= latest
            or not is_wholly_read(raw, event, data)
            or len(raw) > EVENT_BYTES_MAX
            # What a quick type reads is flat.
            or (type(values) is dict and may_be_deep(raw))
        ):
            return None
        since = moment - ZERO
        at = since.days * DAY_MICROSECONDS + since.seconds * 1_000_000 + since.microseconds
        kind, subject = event.type, event.subject
        told = f"{kind}\n{subject}\n".encode() + instant_text(moment)
        identity = identify(source, name, told, data)
        fields = texts[source] + texts[kind] + texts[subject]
        row = row_of(identity, at, fields, name.encode(), data)
        return Admitted(*identity, at, source, name, kind, subject, row, values, raw)

    return quickly


def _admit(raw: bytes, admission: Admission, latest: datetime) -> Verdict:
    envelope = None
    try:
        if len(raw) > EVENT_BYTES_MAX:
            raise Rejected(
                "capture.too_large", f"The event is larger than {EVENT_BYTES_MAX} bytes."
            )
        envelope = read_any(raw)
        _check_known(envelope, admission, latest)
    except Rejected as refusal:
        return _refused(refusal, envelope, raw)
    at = microseconds(envelope.occurred_at)
    source, name, kind, subject = envelope.source, envelope.id, envelope.type, envelope.subject
    data = envelope.data_json
    told = f"{kind}\n{subject}\n".encode() + instant_text(envelope.occurred_at)
    identity = identify(source, name, told, data)
    texts = Texts()
    fields = texts[source] + texts[kind] + texts[subject]
    row = row_of(identity, at, fields, name.encode(), data)
    return Admitted(*identity, at, source, name, kind, subject, row, envelope.data, raw)


def _refused(refusal: Rejected, envelope: Envelope | None, raw: bytes) -> Refused:
    source = envelope.source if envelope else refusal.ids.get("source", "")
    event_id = envelope.id if envelope else refusal.ids.get("id", "")
    cause = refusal.ids.get("cause") or source or UNREADABLE
    return Refused(
        refusal.code,
        refusal.message,
        cause[:CAUSE_CHARACTERS_MAX],
        source[:ATTRIBUTE_BYTES_MAX],
        event_id[:ATTRIBUTE_BYTES_MAX],
        raw,
        envelope.type if envelope else "",
    )


def _check_known(envelope: Envelope, admission: Admission, latest: datetime) -> None:
    moment = envelope.occurred_at
    ahead = admission.future
    if envelope.type == CONTROL_TYPE:
        read_complete_until(envelope.data)
    elif envelope.type in admission.policies:
        ahead = _check_policy(admission, envelope, moment, latest - ahead)
        latest += ahead - admission.future
    if moment > latest:
        raise Rejected(
            "capture.time_in_future",
            f"time {moment.isoformat()} is more than {ahead} ahead of our clock.",
        )
    if moment < OLDEST:
        raise Rejected(
            "capture.time_too_old", f"time {moment.isoformat()} is before the year 2000."
        )
    rule = admission.only_rule.get(envelope.type) or _rule_at(admission, envelope.type, moment)
    if envelope.subject not in admission.always_known and envelope.type != CONTROL_TYPE:
        _check_subject(admission, envelope.subject, moment)
    try:
        check_data(rule, envelope.data)
    except Rejected as refusal:
        refusal.ids["cause"] = f"{envelope.type} {refusal.ids['field']}".rstrip()
        raise


def _allows(admission: Admission, event: Quick, latest: datetime) -> bool:
    """Tell whether the policy of its type surely allows an event; Rejected when it does not."""
    if event.type == CONTROL_TYPE:
        return False
    now = latest - admission.future
    return event.time <= now + _check_policy(admission, event, event.time, now)


def _check_policy(
    admission: Admission, event: Quick | Envelope, moment: datetime, now: datetime
) -> timedelta:
    """Check age and subject by the policy in force, and return how far ahead the time may be."""
    for start, policy in admission.policies[event.type]:
        if start > moment:
            continue
        if policy.age and now - moment > policy.age and not admission.takes_any_age:
            raise Rejected(
                "capture.too_old_for_type",
                f"time {moment.isoformat()} is more than {policy.age.days} days ago, the most that "
                f"{event.type} allows: import it as a back-fill if it must count.",
                cause=f"{event.type} from {event.source}",
            )
        if policy.subject and policy.subject.fullmatch(event.subject) is None:
            raise Rejected(
                "capture.invalid_subject",
                f"The subject {event.subject!r} is not one of {event.type}: it must match "
                f"{policy.subject.pattern}.",
                cause=f"{event.type} from {event.source}",
            )
        return admission.future if policy.future is None else policy.future
    return admission.future


def _rule_at(admission: Admission, event_type: str, moment: datetime) -> DataRule:
    for start, rule in admission.rules.get(event_type, ()):
        if start <= moment:
            if isinstance(rule, Rejected):
                raise Rejected(rule.code, rule.message, cause=event_type)
            return rule
    raise Rejected(
        "capture.unknown_event_type",
        f"There is no event type {event_type!r} on {moment.date()}: define it, or correct the "
        "sender.",
        cause=event_type,
    )


def _check_subject(admission: Admission, subject: str, moment: datetime) -> None:
    for start, end in admission.subjects.get(subject, ()):
        if (start is None or start <= moment) and (end is None or moment < end):
            return
    raise Rejected(
        "capture.unknown_subject",
        f"No customer has the subject {subject!r} on {moment.date()}: add it to a customer, "
        "or correct the sender.",
        cause=subject,
    )


def _rules(catalog: Catalog, key: str) -> tuple[tuple[datetime, DataRule | Rejected], ...]:
    fields = _quantity_fields(catalog, key)
    versions = sorted(
        catalog.versions["event_type", key],
        key=lambda version: (version.effective_from, version.version),
        reverse=True,
    )
    found = []
    for version in versions:
        assert isinstance(version.record, EventType)
        found.append((midnight(version.effective_from), _compiled(version.record, fields)))
    return tuple(found)


def _mappings(catalog: Catalog, key: str) -> tuple[tuple[date, CompiledMapping | Rejected], ...]:
    versions = sorted(
        catalog.versions["source_mapping", key],
        key=lambda version: (version.effective_from, version.version),
        reverse=True,
    )
    return tuple((version.effective_from, compile_version(version)) for version in versions)


def _policies(catalog: Catalog, key: str) -> tuple[tuple[datetime, Policy], ...]:
    found = [
        (midnight(version.effective_from), version.version, _policy(version.record))
        for version in catalog.versions["event_type", key]
    ]
    if all(policy == Policy(None, None, None) for _, _, policy in found):
        return ()
    found.sort(key=itemgetter(0, 1), reverse=True)
    return tuple((start, policy) for start, _, policy in found)


def _policy(event_type: Record) -> Policy:
    assert isinstance(event_type, EventType)
    hours, days = event_type.future_hours_max, event_type.age_days_max
    return Policy(
        None if hours is None else timedelta(hours=hours),
        None if days is None else timedelta(days=days),
        compile_pattern(event_type.subject_pattern) if event_type.subject_pattern else None,
    )


def _compiled(event_type: EventType, fields: tuple[str, ...]) -> DataRule | Rejected:
    # A broken schema stops its own type, not the door.
    try:
        return compile_rule(event_type.schema, fields)
    except Rejected as refusal:
        return refusal


def _quantity_fields(catalog: Catalog, event_type: str) -> tuple[str, ...]:
    meters: Sequence[Meter] = [
        version.record
        for (kind, _), versions in catalog.versions.items()
        if kind == "meter"
        for version in versions
        if isinstance(version.record, Meter)
    ]
    mine = [meter for meter in meters if meter.event_type == event_type]
    added = {meter.value for meter in mine if meter.value and meter.aggregation in _NUMERIC}
    formulas = {meter.expression for meter in mine if meter.expression}
    return tuple(sorted(added.union(*(fields_of(parse_formula(text)) for text in formulas))))
