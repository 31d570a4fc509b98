"""The JSON Schema of an event type, compiled once, answering with the field that is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import fastjsonschema
import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import exact_number
from tollbook.flow.capture.quick import quick_type
from tollbook.values.quantity import parse_quantity

_INTEGER_BOUND: Final = 10**26
_DATA: Final = msgspec.json.Decoder(dict[str, Any], float_hook=exact_number)


@dataclass(frozen=True, slots=True)
class DataRule:
    """What the data of one event type must be: its schema, and the fields that meters add up.

    `quick` reads data that certainly is right; what it cannot read is judged by the whole schema.
    """

    check: Callable[[dict[str, Any]], object]
    quantity_fields: tuple[str, ...]
    quick: Callable[[msgspec.Raw], Any]


def compile_rule(schema: Mapping[str, Any], quantity_fields: tuple[str, ...]) -> DataRule:
    """Compile an event type's schema; Rejected when it is no usable JSON Schema."""
    try:
        check = fastjsonschema.compile(
            dict(schema), handlers=dict.fromkeys(_SCHEMES, _refuse_reference), use_default=False
        )
    except Exception as error:
        # The library raises whatever its generated code meets: any of it means "not usable".
        raise Rejected(
            "capture.schema_unusable", f"The JSON Schema cannot be used: {error}."
        ) from error
    decoder = _quick_decoder(schema, quantity_fields)
    return DataRule(check, quantity_fields, decoder.decode if decoder else _DATA.decode)


def read_data(rule: DataRule, raw: msgspec.Raw) -> Any:
    """Read and check the data of an event; ValueError or Rejected when it is not surely right."""
    try:
        values = rule.quick(raw)
    except msgspec.ValidationError:
        values = _DATA.decode(raw)
    if isinstance(values, dict):
        check_data(rule, values)
    return values


def _quick_decoder(
    schema: Mapping[str, Any], quantity_fields: tuple[str, ...]
) -> msgspec.json.Decoder[msgspec.Struct] | None:
    quick = quick_type(schema)
    properties = schema.get("properties", {})
    # A whole number is a quantity as it is; a text must be looked at, and a quick type reads no
    # other numbers.
    if quick is None or any(
        {"type": "string"}.items() <= properties[name].items() or "enum" in properties[name]
        for name in quantity_fields
        if name in properties
    ):
        return None
    return msgspec.json.Decoder(quick)


def check_data(rule: DataRule, data: dict[str, Any]) -> None:
    """Check the data of an event; Rejected says which field is wrong, in ids["field"]."""
    try:
        rule.check(data)
    except fastjsonschema.JsonSchemaValueException as error:
        field = _field_of(error)
        code = "invalid_quantity" if field in rule.quantity_fields else "schema_mismatch"
        raise Rejected(f"capture.{code}", f"{_sentence(error)[:300]}.", field=field) from None
    except (TypeError, ArithmeticError) as error:
        raise Rejected(
            "capture.schema_unusable",
            f"The schema of this event type cannot judge the data ({error}): correct the schema.",
            field="",
        ) from None
    for field in rule.quantity_fields:
        if field in data:
            _check_quantity(field, data[field])


def _check_quantity(field: str, value: object) -> None:
    if type(value) is int and -_INTEGER_BOUND < value < _INTEGER_BOUND:
        return
    try:
        parse_quantity(value)
    except ValueError as error:
        raise Rejected("capture.invalid_quantity", f"data.{field}: {error}.", field=field) from None


def _sentence(error: fastjsonschema.JsonSchemaValueException) -> str:
    if error.rule == "required":
        missing = [str(name) for name in error.rule_definition if name not in error.value]
        return f"{error.name or 'data'} lacks {', '.join(missing)}"
    return str(error.message)


def _field_of(error: fastjsonschema.JsonSchemaValueException) -> str:
    path = list(error.path)
    if error.rule == "required" and len(path) == 1:
        missing = [name for name in error.rule_definition if name not in error.value]
        return str(missing[0])
    return str(path[1]) if len(path) > 1 else ""


_SCHEMES: Final = ("http", "https", "ftp", "file", "data")


def _refuse_reference(uri: str) -> object:
    raise ValueError(f"it refers to {uri}, and a schema must stand on its own")
