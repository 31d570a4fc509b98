"""Checks of source mappings: every path, pattern and table can be used, and the event is one."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, Final

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.problems import Finding, Path, suggestion
from tollbook.masterdata.references import check_reference
from tollbook.records.source_mapping import Condition, FieldRule, SourceMapping
from tollbook.values.conversion import RFC3339, time_reader
from tollbook.values.quantity import DECIMALS_MAX, parse_quantity
from tollbook.values.selection import Selection, is_every, parse_selection, parse_template

_ATTRIBUTES: Final = ("type", "source", "id", "subject", "time")
_Parse = Callable[[str], Selection]
_ORIGINS: Final = "path, value, template, hash or first"


def check_source_mapping(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check that a mapping can be compiled, and that its event type takes what it makes."""
    mapping = version.record
    assert isinstance(mapping, SourceMapping)
    if mapping.each:
        yield from _check_path(mapping.each, ("each",), _as_each)
    parse = _as_selection(has_each=bool(mapping.each))
    for at, condition in enumerate(mapping.when):
        yield from _check_condition(condition, parse, ("when", at))
    for name in _ATTRIBUTES:
        rule = getattr(mapping.event, name)
        yield from _check_field(rule, parse, ("event", name))
        if rule.optional:
            message = f"{name} is needed by every event: it cannot be optional."
            yield Finding("optional_attribute", message, ("event", name, "optional"))
    if mapping.event.time.kind not in {None, "time"}:
        message = "the time of an event is read `as: time`."
        yield Finding("wrong_value", message, ("event", "time", "as"))
    for name, rule in mapping.event.data.items():
        yield from _check_field(rule, parse, ("event", "data", name))
    yield from _check_event_type(mapping, version.effective_from, catalog)


def _check_event_type(mapping: SourceMapping, since: date, catalog: Catalog) -> Iterator[Finding]:
    """Check what is made against the schema, when the type is a constant."""
    key = mapping.event.type.value
    if not isinstance(key, str):
        return
    yield from check_reference(catalog, "event_type", key, since=since, path=("event", "type"))
    event_type = catalog.event_type(key, date.max)
    if event_type is None:
        return
    made = mapping.event.data
    declared = sorted(event_type.schema.get("properties", {}))
    for name in made if declared else ():
        if name not in declared:
            hint = suggestion(name, declared)
            message = f"the schema of {key} has no field {name!r}.{hint}"
            yield Finding("undeclared_field", message, ("event", "data", name))
    required: list[Any] = event_type.schema.get("required", [])
    for name in required:
        if name not in made:
            message = f"event type {key} requires data.{name}: say where it comes from."
            yield Finding("unmapped_field", message, ("event", "data"))


def _check_condition(condition: Condition, parse: _Parse, at: Path) -> Iterator[Finding]:
    yield from _check_path(condition.path, (*at, "path"), parse)
    tests = (condition.equals, condition.not_equals, condition.exists)
    if all(test is None for test in tests) and not condition.one_of and not condition.none_of:
        message = "a condition says equals, not_equals, in, not_in or exists."
        yield Finding("no_condition", message, at)


def _check_field(rule: FieldRule, parse: _Parse, at: Path) -> Iterator[Finding]:
    yield from _check_origin(rule, parse, at)
    if rule.kind == "time":
        yield from _check_time(rule, at)
    elif (rule.format, rule.zone) != (RFC3339, "") and at != ("event", "time"):
        yield Finding("time_only", "`format:` and `zone:` need `as: time`.", at)
    if at == ("event", "time") and rule.kind is None:
        yield from _check_time(rule, at)
    yield from _check_number(rule, at)
    if rule.otherwise == "keep" and not rule.replace:
        yield Finding("no_table", "`otherwise:` needs a `replace:` table.", (*at, "otherwise"))
    if rule.lower and rule.upper:
        yield Finding("wrong_value", "choose `lower:` or `upper:`.", (*at, "upper"))
    if rule.take and not rule.split:
        yield Finding("wrong_value", "`take:` needs `split:`.", (*at, "take"))


def _check_origin(rule: FieldRule, parse: _Parse, at: Path) -> Iterator[Finding]:
    given = [rule.path is not None, rule.value is not None, rule.template is not None]
    if sum((*given, bool(rule.hash_of), bool(rule.first_of))) != 1:
        message = f"a field comes from one of {_ORIGINS}."
        yield Finding("no_origin", message, at)
    for key, path in (("path", rule.path), ("unit", rule.unit)):
        if path is not None:
            yield from _check_path(path, (*at, key), parse)
    for key, paths in (("hash", rule.hash_of), ("first", rule.first_of)):
        for number, path in enumerate(paths):
            yield from _check_path(path, (*at, key, number), parse)
    if rule.template is not None:
        yield from _check_path(rule.template, (*at, "template"), _as_template(parse))


def _check_time(rule: FieldRule, at: Path) -> Iterator[Finding]:
    try:
        time_reader(pattern=rule.format, zone=rule.zone, ambiguous=rule.ambiguous)
    except ValueError as error:
        yield Finding("invalid_format", f"{error}.", (*at, "format"))


def _check_number(rule: FieldRule, at: Path) -> Iterator[Finding]:
    is_number = rule.kind in {"integer", "decimal"}
    factors = [factor for factor in (rule.multiply, rule.divide) if factor is not None]
    if (factors or rule.units or rule.rounding != "none") and not is_number:
        message = "units, factors and rounding need `as: integer` or `as: decimal`."
        yield Finding("number_only", message, at)
    if any(factor <= 0 for factor in factors):
        yield Finding("wrong_value", "a factor is greater than nothing.", at)
    if (rule.unit is None) != (not rule.units):
        message = "`unit:` (where the unit is) and `units:` (its factors) go together."
        yield Finding("units", message, at)
    for unit, factor in rule.units.items():
        try:
            is_positive = parse_quantity(factor) > 0
        except ValueError:
            is_positive = False
        if not is_positive:
            message = f"the factor of {unit!r} must be a number greater than nothing."
            yield Finding("wrong_value", message, (*at, "units", unit))
    if not 0 <= rule.decimals <= DECIMALS_MAX or (rule.decimals and rule.kind != "decimal"):
        message = f"`decimals:` is from 0 to {DECIMALS_MAX}, and needs `as: decimal`."
        yield Finding("wrong_value", message, (*at, "decimals"))
    if rule.thousands_mark == rule.decimal_mark or len(rule.thousands_mark) > 1:
        message = "`thousands_mark:` is one character, and not the decimal mark."
        yield Finding("wrong_value", message, (*at, "thousands_mark"))


def _check_path(text: str, at: Path, parse: Callable[[str], object]) -> Iterator[Finding]:
    try:
        parse(text)
    except ValueError as error:
        yield Finding("invalid_path", f"{error}.", at)


def _as_selection(*, has_each: bool) -> _Parse:
    def parse(text: str) -> Selection:
        selection = parse_selection(text)
        if selection.root.startswith("@") and not has_each:
            raise ValueError(f"{text!r} is a path in an element, and there is no `each:`")
        if selection.root != "meta" and any(is_every(step) for step in selection.steps):
            raise ValueError(f"{text!r} is many values: only `each:` may have [*]")
        return selection

    return parse


def _as_template(parse: _Parse) -> Callable[[str], object]:
    return lambda text: [
        parse(part.text) for part in parse_template(text) if isinstance(part, Selection)
    ]


def _as_each(text: str) -> Selection:
    selection = parse_selection(text)
    if selection.root != "$":
        raise ValueError(f"{text!r} must begin with $: it is the path of a list in the record")
    return selection
