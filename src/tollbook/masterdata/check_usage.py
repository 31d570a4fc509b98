"""Checks of event types, meters and products."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from re import compile as compile_pattern
from re import error as PatternError  # noqa: N812 - an exception, and named as one from 3.13 on
from typing import Any, Final

import fastjsonschema

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.problems import Finding, suggestion
from tollbook.masterdata.references import check_reference
from tollbook.records.commercial import EventType, Filter, Meter, Product
from tollbook.values.formula import fields_of, parse_formula

# Each divides an hour, so that a sample never goes over the edge of one.
SAMPLE_MINUTES: Final = (1, 5, 10, 15, 30, 60)

RESERVED: Final = "tollbook."
HOURS_MAX: Final = 24 * 366
DAYS_MAX: Final = 366 * 100

# These give a quantity in the unit of the field that they read.
_KEEPS_UNIT: Final = frozenset({"sum", "min", "max", "average", "latest", "percentile"})


def check_event_type(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check the schema of an event type (a JSON Schema that stands alone) and its policies."""
    del catalog
    event_type = version.record
    assert isinstance(event_type, EventType)
    if event_type.event_type.startswith(RESERVED):
        reserved = f"names that begin with {RESERVED!r} are Tollbook's own: choose another id."
        yield Finding("reserved_name", reserved, ("id",))
    message = _schema_problem(event_type.schema)
    if message:
        yield Finding("invalid_schema", message, ("schema",))
        return
    declared = sorted(event_type.schema.get("properties", {}))
    for name in event_type.units:
        if declared and name.partition(".")[0] not in declared:
            hint = suggestion(name, declared)
            yield Finding(
                "undeclared_field", f"the schema has no field {name!r}.{hint}", ("units", name)
            )
    yield from _check_policies(event_type)


def _check_policies(event_type: EventType) -> Iterator[Finding]:
    try:
        compile_pattern(event_type.subject_pattern)
    except PatternError as error:
        message = f"subject_pattern is not a regular expression ({error})."
        yield Finding("invalid_pattern", message, ("subject_pattern",))
    for name, least, most in (("future_hours_max", 0, HOURS_MAX), ("age_days_max", 1, DAYS_MAX)):
        limit = getattr(event_type, name)
        if limit is not None and not least <= limit <= most:
            yield Finding("out_of_range", f"{name} must be from {least} to {most}.", (name,))


def _schema_problem(schema: Mapping[str, Any]) -> str | None:
    if not _is_json(schema):
        return "the schema may hold text, whole numbers, true, false, null, lists and objects only."
    if any(not reference.startswith("#") for reference in _references(schema)):
        return "the schema refers to another document ($ref): write it out here."
    try:
        fastjsonschema.compile(dict(schema))
    except (fastjsonschema.JsonSchemaException, AttributeError, TypeError, ValueError) as error:
        return f"the schema is not a JSON Schema ({error})."
    return None


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_json(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    return value is None or isinstance(value, str | int)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def check_meter(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check that a meter is whole, and reads fields that its event type has."""
    meter, since = version.record, version.effective_from
    assert isinstance(meter, Meter)
    yield from check_reference(
        catalog, "event_type", meter.event_type, since=since, path=("event_type",)
    )
    yield from _value(meter)
    yield from _settings(meter)
    yield from _filters(meter)
    if len(set(meter.dimensions)) < len(meter.dimensions):
        yield Finding("duplicate", "a dimension is listed twice.", ("dimensions",))
    event_type = catalog.event_type(meter.event_type, date.max)
    declared = sorted(event_type.schema.get("properties", {})) if event_type else []
    for name in _fields(meter) if declared else []:
        if name.partition(".")[0] not in declared:
            hint = suggestion(name, declared)
            message = f"the schema of {meter.event_type} has no field {name!r}.{hint}"
            yield Finding("undeclared_field", message)
    yield from _check_unit(meter, event_type)


def _check_unit(meter: Meter, event_type: EventType | None) -> Iterator[Finding]:
    unit = event_type.units.get(meter.value or "") if event_type else None
    if unit is not None and meter.aggregation in _KEEPS_UNIT and meter.unit != unit:
        yield Finding(
            "unit_mismatch",
            f"{meter.value} of {meter.event_type} is measured in {unit}, the meter counts "
            f"{meter.unit}: write `unit: {unit}`, or correct the event type.",
            ("unit",),
        )


def _value(meter: Meter) -> Iterator[Finding]:
    path = ("aggregation",)
    stated = (meter.value is not None) + (meter.expression is not None)
    if meter.aggregation == "count" and stated:
        name = "value" if meter.value else "expression"
        yield Finding("meter_value", f"a count has no `{name}:`.", path)
    elif meter.aggregation == "unique_count" and (meter.value is None or stated > 1):
        message = "aggregation unique_count needs `value:`, the field that it reads, and no other."
        yield Finding("meter_value", message, path)
    elif meter.aggregation != "count" and stated != 1:
        message = (
            f"aggregation {meter.aggregation} needs `value:`, the field that it reads, "
            "or `expression:`, not both."
        )
        yield Finding("meter_value", message, path)
    if meter.expression is not None:
        try:
            parse_formula(meter.expression)
        except ValueError as error:
            yield Finding("expression", f"{error}.", ("expression",))


def _settings(meter: Meter) -> Iterator[Finding]:
    is_percentile = meter.aggregation == "percentile"
    if is_percentile and not 0 < (meter.percentile or 0) <= 100:
        message = "a percentile needs `percentile:`, more than 0 and at most 100, such as 95."
        yield Finding("meter_setting", message, ("aggregation",))
    if not is_percentile and (meter.percentile is not None or meter.sample_minutes is not None):
        message = "`percentile:` and `sample_minutes:` are for aggregation percentile."
        yield Finding("meter_setting", message, ("aggregation",))
    if meter.sample_minutes not in {None, *SAMPLE_MINUTES}:
        message = f"sample_minutes is one of {', '.join(map(str, SAMPLE_MINUTES))}."
        yield Finding("meter_setting", message, ("sample_minutes",))
    if meter.empty_samples == "zero" and meter.sample_minutes is None:
        message = "`empty_samples:` needs `sample_minutes:`."
        yield Finding("meter_setting", message, ("empty_samples",))
    if meter.series is not None and meter.aggregation != "time_weighted_sum":
        message = "`series:` is for aggregation time_weighted_sum."
        yield Finding("meter_setting", message, ("series",))


def _filters(meter: Meter) -> Iterator[Finding]:
    for at, one in enumerate(meter.filters):
        if one == Filter(one.field):
            message = (
                f"the filter on {one.field} says nothing: use one_of, none_of, exists, at_least, "
                "more_than, at_most or less_than."
            )
            yield Finding("filter", message, ("filters", at))


def _fields(meter: Meter) -> list[str]:
    """Return the fields that a meter reads, in the order of its definition."""
    read = [meter.value] if meter.value else []
    if meter.expression is not None:
        with suppress(ValueError):
            read += fields_of(parse_formula(meter.expression))
    read += [*meter.where, *(one.field for one in meter.filters), *meter.dimensions]
    return [*read, meter.series] if meter.series else read


def check_product(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check that a usage product reads a meter and only dimensions that the meter keeps."""
    product, since = version.record, version.effective_from
    assert isinstance(product, Product)
    if product.meter_id is None:
        if product.where:
            yield Finding("where_without_meter", "`where:` needs a meter.", ("where",))
        return
    yield from check_reference(catalog, "meter", product.meter_id, since=since, path=("meter",))
    if product.revenue != "usage":
        message = f"what is metered becomes revenue as it is used, not {product.revenue}."
        yield Finding("revenue_method", message, ("revenue",))
    meter = catalog.meter(product.meter_id, date.max)
    for name in product.where if meter else ():
        assert meter is not None
        if name not in meter.dimensions:
            hint = suggestion(name, list(meter.dimensions))
            message = f"{name!r} is not a dimension of meter {meter.meter_id}.{hint}"
            yield Finding("unknown_dimension", message, ("where", name))
