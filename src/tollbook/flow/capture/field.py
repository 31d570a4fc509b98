"""One field of a mapping, compiled: from what a record holds to what the event says."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from tollbook.records.source_mapping import FieldRule
from tollbook.values.conversion import (
    Conversion,
    scaled,
    scaled_and_rounded,
    time_reader,
    to_bool,
    to_decimal,
    to_integer,
    to_whole,
)
from tollbook.values.selection import (
    PLACES,
    Context,
    Selection,
    as_bytes,
    as_text,
    named,
    parse_selection,
    parse_template,
    select,
)

Read = Callable[[Context], Any]

# The entry of a replace table for every value that has none of its own.
ANY: Final = "*"
_HASH_BYTES: Final = 16


def compile_field(rule: FieldRule, *, blank: str | None) -> Read:
    """Compile a field; what is compiled returns None when an optional value is not there.

    `blank` is what counts as nothing besides null. What is compiled raises ValueError with what was
    found; compiling raises it when the rule itself is wrong.
    """
    pick = _origin(rule, blank)
    steps = _steps(rule)
    default = _default(rule)
    if rule.unit is not None:
        return _with_unit(rule, pick, steps, default)
    if rule.value is not None:
        return _constant(rule.value, steps)
    if default is None and not rule.optional:
        member = _member_of_record(rule)
        if member and steps in ([], [as_text]):
            return _required_member(member, blank, is_text=bool(steps))
        return _required(pick, steps)

    def read(context: Context) -> Any:
        value = pick(context)
        if value is None:
            return default
        for step in steps:
            value = step(value)
        return value

    return read


def origin_of(rule: FieldRule) -> str:
    """Return how a sentence names where a field comes from."""
    if rule.path is not None:
        return rule.path
    if rule.template is not None:
        return rule.template
    if rule.first_of:
        return " or ".join(rule.first_of)
    if rule.hash_of:
        return f"the hash of {', '.join(rule.hash_of)}"
    return "its constant"


def _constant(value: Any, steps: Sequence[Conversion]) -> Read:
    for step in steps:
        value = step(value)
    return lambda _: value


def _required(pick: Read, steps: Sequence[Conversion]) -> Read:
    def read(context: Context) -> Any:
        value = pick(context)
        if value is None:
            raise ValueError(_MISSING)
        for step in steps:
            value = step(value)
        return value

    return read


def _member_of_record(rule: FieldRule) -> str:
    if rule.path is None:
        return ""
    selection = parse_selection(rule.path)
    is_member = selection.root == "$" and len(selection.steps) == 1
    return str(selection.steps[0]) if is_member and isinstance(selection.steps[0], str) else ""


def _required_member(name: str, blank: str | None, *, is_text: bool) -> Read:
    """Return the short way for nearly every field: one member of the record as it stands."""

    def read(context: Context) -> Any:
        value = context[0].get(name) if type(context[0]) is dict else None
        if type(value) is str and value != blank:
            return value
        if value is None or value == blank:
            raise ValueError(_MISSING)
        return as_text(value) if is_text else value

    return read


_MISSING: Final = "it is missing or empty"


def _default(rule: FieldRule) -> Any:
    # A default is written as the event is to say it; only what must be a text becomes one.
    return as_text(rule.default) if _is_text(rule) and rule.default is not None else rule.default


def _is_text(rule: FieldRule) -> bool:
    return rule.kind in {"text", "time"}


def _origin(rule: FieldRule, blank: str | None) -> Read:
    if rule.path is not None:
        return _pick(parse_selection(rule.path), blank)
    if rule.template is not None:
        return _fill(parse_template(rule.template), blank)
    if rule.first_of:
        return _first([_pick(parse_selection(text), blank) for text in rule.first_of])
    if rule.hash_of:
        return _hash([_pick(parse_selection(text), None) for text in rule.hash_of])
    value = rule.value
    return lambda _: value


def _pick(selection: Selection, blank: str | None) -> Read:
    names = [step for step in selection.steps if isinstance(step, str)]
    if len(names) == len(selection.steps) == 1:
        return _pick_member(PLACES[selection.root], names[0], blank)
    if len(names) == len(selection.steps) == 2:
        return _pick_inner(PLACES[selection.root], names[0], names[1], blank)

    def pick(context: Context) -> Any:
        value = select(selection, context)
        return None if value == blank else value

    return pick


def _pick_member(place: int, name: str, blank: str | None) -> Read:
    """Return the short way for nearly every path: one member of the record."""

    def pick(context: Context) -> Any:
        try:
            value = context[place].get(name)
        except AttributeError:
            return None
        return None if value == blank else value

    return pick


def _pick_inner(place: int, name: str, inner: str, blank: str | None) -> Read:
    def pick(context: Context) -> Any:
        try:
            value = context[place].get(name).get(inner)
        except AttributeError:
            return None
        return None if value == blank else value

    return pick


def _first(picks: Sequence[Read]) -> Read:
    def first(context: Context) -> Any:
        for pick in picks:
            value = pick(context)
            if value is not None:
                return value
        return None

    return first


def _fill(parts: Sequence[str | Selection], blank: str | None) -> Read:
    picks = [part if isinstance(part, str) else _pick(part, blank) for part in parts]

    def fill(context: Context) -> str | None:
        texts = []
        for pick in picks:
            if isinstance(pick, str):
                texts.append(pick)
                continue
            value = pick(context)
            if value is None:
                return None
            texts.append(value if type(value) is str else as_text(value))
        return "".join(texts)

    return fill


def _hash(picks: Sequence[Read]) -> Read:
    def hashed(context: Context) -> str | None:
        values = [pick(context) for pick in picks]
        if all(value is None or value == "" for value in values):
            return None
        # Lengths first, so that ("ab", "c") and ("a", "bc") differ.
        texts = [as_bytes(value) for value in values]
        content = b"".join(b"%d:%b" % (len(text), text) for text in texts)
        return blake2b(content, digest_size=_HASH_BYTES).hexdigest()

    return hashed


def _steps(rule: FieldRule) -> list[Conversion]:
    steps: list[Conversion] = []
    if rule.strip or rule.lower or rule.upper or rule.split or rule.replace:
        steps.append(as_text)
    if rule.strip:
        steps.append(str.strip)
    if rule.lower:
        steps.append(str.lower)
    if rule.upper:
        steps.append(str.upper)
    if rule.split:
        steps.append(_take(rule.split, rule.take))
    if rule.replace:
        steps.append(_replace(rule))
    steps += _kind_steps(rule)
    return steps


def _take(separator: str, number: int) -> Conversion:
    def take(value: str) -> str:
        parts = value.split(separator)
        if not -len(parts) <= number < len(parts):
            raise ValueError(f"{named(value)} has no part {number} between {separator!r}")
        return parts[number]

    return take


def _replace(rule: FieldRule) -> Conversion:
    table, other = rule.replace, rule.replace.get(ANY)

    def replace(value: str) -> str:
        found = table.get(value, other)
        if found is not None:
            return found
        if rule.otherwise == "keep":
            return value
        raise ValueError(f"{named(value)} is not in its replace table")

    return replace


def _kind_steps(rule: FieldRule) -> list[Conversion]:
    match rule.kind:
        case "text":
            return [as_text]
        case "bool":
            return [to_bool]
        case "time":
            return [
                time_reader(pattern=rule.format, zone=rule.zone, ambiguous=rule.ambiguous),
            ]
        case "integer" | "decimal":
            return _number_steps(rule)
        case None:
            return []


def _number_steps(rule: FieldRule) -> list[Conversion]:
    is_scaled = rule.multiply or rule.divide or rule.unit or rule.rounding != "none"
    is_marked = rule.decimal_mark != "." or rule.thousands_mark
    if rule.kind == "integer" and not is_scaled and not is_marked:
        return [to_integer]
    read = partial(
        to_decimal,
        decimal_mark=rule.decimal_mark,
        thousands_mark=rule.thousands_mark,
        is_fine=bool(is_scaled),
    )
    steps: list[Conversion] = [read if is_marked or is_scaled else to_decimal]
    if rule.unit is None:
        steps += _scale_steps(rule, rule.multiply)
    return steps


def _scale_steps(rule: FieldRule, multiply: Decimal | None) -> list[Conversion]:
    steps: list[Conversion] = []
    if rule.rounding != "none":
        steps.append(
            lambda value: scaled_and_rounded(
                value,
                multiply=multiply,
                divide=rule.divide,
                rounding=rule.rounding,
                decimals=0 if rule.kind == "integer" else rule.decimals,
            )
        )
    elif multiply is not None or rule.divide is not None:
        steps.append(lambda value: scaled(value, multiply=multiply, divide=rule.divide))
    if steps:
        # What was multiplied may have become larger, or finer, than a quantity can be.
        steps.append(to_decimal)
    steps.append(to_whole if rule.kind == "integer" else _plain_number)
    return steps


def _plain_number(value: Decimal) -> int | Decimal:
    whole = int(value)
    return whole if whole == value else value


def _with_unit(rule: FieldRule, pick: Read, steps: Sequence[Conversion], default: Any) -> Read:
    assert rule.unit is not None
    unit_of = _pick(parse_selection(rule.unit), "")
    by_unit = {
        unit: _scale_steps(rule, to_decimal(factor) * (rule.multiply or Decimal(1)))
        for unit, factor in rule.units.items()
    }

    def read(context: Context) -> Any:
        value = pick(context)
        if value is None:
            if default is None and not rule.optional:
                raise ValueError(_MISSING)
            return default
        unit = unit_of(context)
        scale = None if unit is None else by_unit.get(as_text(unit))
        if scale is None:
            known = ", ".join(sorted(by_unit))
            raise ValueError(f"its unit {rule.unit} is {named(unit)}; known are {known}")
        for step in (*steps, *scale):
            value = step(value)
        return value

    return read
