"""Turns the records of a foreign system into usage events, by a mapping that is data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.envelope import SPEC_VERSION
from tollbook.flow.capture.field import Read, compile_field, origin_of
from tollbook.flow.capture.json_text import BYTE_ORDER_MARK, refuse_repeated_names
from tollbook.masterdata.catalog import Version
from tollbook.records.source_mapping import Condition, EventRule, FieldRule, SourceMapping
from tollbook.values.selection import (
    Context,
    Selection,
    as_text,
    is_every,
    named,
    parse_selection,
    parse_template,
    select,
)

UNMAPPABLE: Final = "capture.unmappable"

# The mapping that the OTLP door applies unless it is told another.
OTLP_MAPPING: Final = "otlp"
_SUBJECTS: Final = ("tollbook.subject", "customer.id", "tenant.id")
_PLACES_OF_SUBJECT: Final = ("attributes", "resource")

# One record becomes at most so many events.
ELEMENTS_MAX: Final = 10_000
_DIGITS_MAX: Final = 100
_ATTRIBUTES: Final = ("id", "source", "type", "subject", "time")

Decode = Callable[[bytes], Any]
Holds = Callable[[Context], bool]


class ForeignRecord(Protocol):
    """A record as it came: its bytes, and what the transport knows of it."""

    @property
    def body(self) -> bytes:
        """The record, a JSON value."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """Topic, key, headers, object, row: what `meta.` selects from."""
        ...


class RefusedElement(NamedTuple):
    """An element of `each` that cannot become an event: its place, and why."""

    item: str
    refusal: Rejected


class Mapped(NamedTuple):
    """The events a record became, each as structured JSON, and how many of it were ignored.

    Where the mapping has `each`, `items` are the places of the elements that the events were made
    of (numbers from 0, joined by points), and `refused` the elements that could not be mapped.
    """

    events: list[bytes]
    ignored: int
    items: Sequence[str] = ()
    refused: Sequence[RefusedElement] = ()


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping ready to be applied to any number of records; it keeps nothing of them."""

    mapping: SourceMapping
    _decode: Decode
    _each: tuple[str | int, ...] | None
    _when: tuple[Holds, ...]
    _attributes: tuple[tuple[str, Read], ...]
    _data: tuple[tuple[str, Read], ...]
    _has_optional: bool
    _origins: Mapping[str, str]

    def __call__(self, record: ForeignRecord) -> list[bytes]:
        """Return the events a record becomes: none when all of it is ignored.

        Rejected with `capture.unmappable` when a field of any of them cannot be filled.
        """
        if self._each is not None:
            mapped = self.apply(record)
            if mapped.refused:
                raise mapped.refused[0].refusal
            return mapped.events
        decoded = self._decode(record.body)
        event = self._event((self._object(decoded), None, None, record.metadata))
        return [] if event is None else [event]

    def apply(self, record: ForeignRecord, *, only: str | None = None) -> Mapped:
        """Return the events a record becomes and how many of its elements were ignored.

        Each element of `each` is judged on its own; with `only`, nothing but the element at that
        place. Rejected with `capture.unmappable` when the record as a whole cannot be mapped.
        """
        decoded = self._decode(record.body)
        if self._each is None:
            event = self._event((self._object(decoded), None, None, record.metadata))
            return Mapped([], 1) if event is None else Mapped([event], 0)
        events: list[bytes] = []
        items: list[str] = []
        refused: list[RefusedElement] = []
        found = 0
        for context in self._contexts(decoded, record.metadata):
            item = context[3]["item"]
            if only is not None and item != only:
                continue
            found += 1
            try:
                event = self._event_of(context)
            except Rejected as refusal:
                refused.append(RefusedElement(item, refusal))
                continue
            if event is not None:
                events.append(event)
                items.append(item)
        if only is not None and not found:
            raise self._rejected("each", f"it has no element {only}")
        return Mapped(events, found - len(events) - len(refused) or int(not found), items, refused)

    def _event_of(self, context: Context) -> bytes | None:
        if context[1] is None:
            raise self._rejected("each", f"there is nothing at {context[3]['item']}")
        return self._event(context)

    def _object(self, decoded: Any) -> dict[str, Any]:
        if type(decoded) is not dict:
            raise Rejected(
                "capture.not_an_object",
                f"A record of mapping {self.mapping.mapping_id} is a JSON object; this is "
                f"{named(decoded)}.",
            )
        return decoded

    def _contexts(self, decoded: Any, metadata: Mapping[str, str]) -> Iterator[Context]:
        assert self._each is not None
        found = _elements(decoded, self._each, None, "")
        for number, (element, around, item) in enumerate(found):
            if number == ELEMENTS_MAX:
                raise self._rejected("each", f"it has more than {ELEMENTS_MAX} elements")
            if element is None and not item:
                raise self._rejected("each", "there is no list")
            yield decoded, element, around, {**metadata, "item": item}

    def _event(self, context: Context) -> bytes | None:
        for holds in self._when:
            if not holds(context):
                return None
        try:
            event: dict[str, Any] = {name: read(context) for name, read in self._attributes}
            data = {name: read(context) for name, read in self._data}
        except ValueError:
            raise self._explained(context) from None
        if self._has_optional:
            data = {name: value for name, value in data.items() if value is not None}
        event["data"] = data
        return _ENCODE(event)

    def _explained(self, context: Context) -> Rejected:
        """Go through the fields again, one by one, to find the one that cannot be filled."""
        named_fields = [*self._attributes, *((f"data.{name}", read) for name, read in self._data)]
        for name, read in named_fields:
            try:
                read(context)
            except ValueError as problem:
                item = context[3].get("item", "") if self._each is not None else ""
                return self._rejected(name, str(problem), item)
        raise AssertionError("a field fails the first time and not the second")

    def _rejected(self, field: str, found: str, item: str = "") -> Rejected:
        where = f" in element {item}" if item else ""
        mapping, path = self.mapping, self._origins[field]
        return Rejected(
            UNMAPPABLE,
            f"Mapping {mapping.mapping_id} version {mapping.version} cannot fill {field} from "
            f"{path}{where}: {found}. Correct the record, or the mapping in a new version.",
            mapping=mapping.mapping_id,
            field=field,
            path=path,
            cause=f"{mapping.mapping_id} {field}",
        )


def compile_mapping(mapping: SourceMapping) -> CompiledMapping:
    """Compile a mapping; ValueError names the field whose rule is wrong."""
    blank = "" if mapping.input == "csv_row" else None
    event = mapping.event
    # The database keeps no order of fields: the same mapping must name the same field first.
    data = sorted(event.data.items())
    rules = {name: _as_attribute(name, getattr(event, name)) for name in _ATTRIBUTES}
    origins = {name: origin_of(rule) for name, rule in rules.items()}
    origins |= {f"data.{name}": origin_of(rule) for name, rule in data}
    return CompiledMapping(
        mapping,
        _decode_checked if mapping.input == "json" else _decode,
        _steps_of_each(mapping.each) if mapping.each else None,
        tuple(_compile_condition(condition, blank) for condition in mapping.when),
        (
            ("specversion", _unrefused if mapping.input == "otlp" else lambda _: SPEC_VERSION),
            *((name, _compiled(name, rule, blank)) for name, rule in rules.items()),
        ),
        tuple((name, _compiled(f"data.{name}", rule, blank)) for name, rule in data),
        any(rule.optional for _, rule in data),
        {**origins, "each": mapping.each},
    )


def selections_of(mapping: SourceMapping) -> list[Selection]:
    """Return every path that a mapping reads, in the whole record."""
    rules = [getattr(mapping.event, name) for name in _ATTRIBUTES]
    read = [condition.path for condition in mapping.when]
    for rule in (*rules, *mapping.event.data.values()):
        read += [path for path in (rule.path, rule.unit) if path is not None]
        read += [*rule.hash_of, *rule.first_of]
        if rule.template is not None:
            parts = parse_template(rule.template)
            read += [part.text for part in parts if isinstance(part, Selection)]
    each = _steps_of_each(mapping.each) if mapping.each else ()
    return [_in_record(parse_selection(path), each) for path in read]


def _in_record(selection: Selection, each: tuple[str | int, ...]) -> Selection:
    """Return where a path in an element is in the whole record."""
    if selection.root == "@":
        return Selection("$", (*each, *selection.steps), selection.text)
    if selection.root == "@@":
        around = [at for at, step in enumerate(each[:-1]) if is_every(step)]
        outer = each[: around[-1] + 1] if around else ()
        return Selection("$", (*outer, *selection.steps), selection.text)
    return selection


def compile_version(version: Version) -> CompiledMapping | Rejected:
    """Compile a stored version; one that cannot be used stops its own records, not the door."""
    assert isinstance(version.record, SourceMapping)
    try:
        return compile_mapping(version.record)
    except ValueError as error:
        return Rejected(UNMAPPABLE, f"Mapping {version.key} cannot be used: {error}.")


def _as_attribute(name: str, rule: FieldRule) -> FieldRule:
    """An attribute is a text, and the time is an instant, without a word about it."""
    return rule if rule.kind else replace(rule, kind="time" if name == "time" else "text")


def _unrefused(context: Context) -> str:
    """Say the version, unless the door has already found that a point is no usage."""
    refused = context[0].get("refused")
    if isinstance(refused, dict):
        code, message, cause = (as_text(refused.get(key)) for key in ("code", "message", "cause"))
        raise Rejected(code, message, cause=cause)
    return SPEC_VERSION


def default_otlp_mapping(event_types: Sequence[str]) -> SourceMapping:
    """Return how points become events where no mapping `otlp` is defined.

    A metric is the event type of its name; metrics that are no event type are ignored.
    """
    customers = [f"$.{place}['{name}']" for name in _SUBJECTS for place in _PLACES_OF_SUBJECT]
    event = EventRule(
        type=FieldRule(path="$.metric"),
        source=FieldRule(path="$.resource['service.name']", default="otlp"),
        id=FieldRule(path="$.id"),
        subject=FieldRule(first_of=tuple(customers)),
        time=FieldRule(path="$.time"),
        data={
            "value": FieldRule(path="$.value", kind="decimal", rounding="half_even", decimals=12),
            "unit": FieldRule(path="$.unit", optional=True),
            "attributes": FieldRule(path="$.attributes", optional=True),
        },
    )
    # Without any event type nothing is wanted: a condition without values would want everything.
    wanted = Condition(path="$.metric", one_of=tuple(event_types) or ("",))
    return SourceMapping(OTLP_MAPPING, "otlp", event, when=(wanted,), version=0)


def _compiled(name: str, rule: FieldRule, blank: str | None) -> Read:
    try:
        return compile_field(rule, blank=blank)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _compile_condition(condition: Condition, blank: str | None) -> Holds:
    selection = parse_selection(condition.path)
    one_of = frozenset(map(as_text, condition.one_of))
    none_of = frozenset(map(as_text, condition.none_of))
    if condition.equals is not None:
        one_of |= {as_text(condition.equals)}
    if condition.not_equals is not None:
        none_of |= {as_text(condition.not_equals)}
    exists = condition.exists

    def holds(context: Context) -> bool:
        value = select(selection, context)
        if value == blank:
            value = None
        if exists is not None and exists != (value is not None):
            return False
        text = value if type(value) is str or value is None else _comparable(value)
        return (not one_of or text in one_of) and text not in none_of

    return holds


def _comparable(value: Any) -> str | None:
    return None if isinstance(value, dict | list) else as_text(value)


def _steps_of_each(text: str) -> tuple[str | int, ...]:
    steps = parse_selection(text).steps
    return steps if steps and is_every(steps[-1]) else (*steps, "")


def _elements(
    value: Any, steps: Sequence[str | int], around: Any, item: str
) -> Iterator[tuple[Any, Any, str]]:
    """Yield (element, element around it, its numbers); an element of None when there is no list."""
    for at, step in enumerate(steps):
        if not is_every(step):
            value = select(Selection("$", (step,), ""), (value, None, None, None))
            continue
        if type(value) is not list:
            yield None, None, item
            return
        rest = steps[at + 1 :]
        for number, element in enumerate(value):
            numbered = f"{item}.{number}" if item else str(number)
            if rest:
                yield from _elements(element, rest, element, numbered)
            else:
                yield element, around, numbered
        return


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if len(text) > _DIGITS_MAX or abs(number.adjusted()) > _DIGITS_MAX:
        raise ArithmeticError(text)
    return number


_DECODE: Final = msgspec.json.Decoder(float_hook=_number).decode
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode


def _decode(body: bytes) -> Any:
    try:
        return _DECODE(body.removeprefix(BYTE_ORDER_MARK))
    except (msgspec.ValidationError, ArithmeticError):
        raise Rejected(
            "capture.number_out_of_range",
            f"A number of the record has more than {_DIGITS_MAX} digits: send it within that "
            "range.",
        ) from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except ValueError as error:
        raise _malformed(str(error)) from None


def _decode_checked(body: bytes) -> Any:
    decoded = _decode(body)
    # Without escapes every string has two quotes: a member that stands twice shows as quotes that
    # what was decoded has not.
    if b"\\" in body or body.count(b'"') != _ENCODE(decoded).count(b'"'):
        refuse_repeated_names(body)
    return decoded


def _malformed(why: str) -> Rejected:
    return Rejected(
        "capture.malformed_json", f"The record is not valid JSON ({why}): correct it and replay."
    )
