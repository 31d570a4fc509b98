"""Checks of event types, meters and products."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import fastjsonschema

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.problems import Finding, suggestion
from tollbook.masterdata.references import check_reference
from tollbook.records.commercial import EventType, Meter, Product


def check_event_type(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check that the schema of an event type is a JSON Schema that stands alone."""
    del catalog
    event_type = version.record
    assert isinstance(event_type, EventType)
    message = _schema_problem(event_type.schema)
    if message:
        yield Finding("invalid_schema", message, ("schema",))


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
    """Check that a meter reads fields that its event type has."""
    meter, since = version.record, version.effective_from
    assert isinstance(meter, Meter)
    yield from check_reference(
        catalog, "event_type", meter.event_type, since=since, path=("event_type",)
    )
    if (meter.value is None) != (meter.aggregation == "count"):
        message = (
            "a count has no `value:`."
            if meter.value
            else f"aggregation {meter.aggregation} needs `value:`, the field that it reads."
        )
        yield Finding("meter_value", message, ("aggregation",))
    if len(set(meter.dimensions)) < len(meter.dimensions):
        yield Finding("duplicate", "a dimension is listed twice.", ("dimensions",))
    event_type = catalog.event_type(meter.event_type, date.max)
    declared = sorted(event_type.schema.get("properties", {})) if event_type else []
    read = [meter.value] if meter.value else []
    for name in [*read, *meter.where, *meter.dimensions] if declared else []:
        if name not in declared:
            hint = suggestion(name, declared)
            message = f"the schema of {meter.event_type} has no field {name!r}.{hint}"
            yield Finding("undeclared_field", message)


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
