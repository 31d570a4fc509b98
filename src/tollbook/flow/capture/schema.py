"""The JSON Schema of an event type, compiled once, answering with the field that is wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import fastjsonschema
import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.quick import quick_type
from tollbook.values.quantity import parse_quantity

_INTEGER_BOUND: Final = 10**26


@dataclass(frozen=True, slots=True)
class DataRule:
    """What the data of one event type must be: its schema, and the fields that meters add up."""

    check: Callable[[dict[str, Any]], object]
    quantity_fields: tuple[str, ...]
    quick: type[msgspec.Struct] | None


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
    return DataRule(check, quantity_fields, quick_type(schema))


def check_data(rule: DataRule, data: dict[str, Any]) -> None:
    """Check the data of an event; Rejected says which field is wrong, in ids["field"]."""
    try:
        _check_shape(rule, data)
    except fastjsonschema.JsonSchemaValueException as error:
        field = _field_of(error)
        code = "invalid_quantity" if field in rule.quantity_fields else "schema_mismatch"
        raise Rejected(f"capture.{code}", f"{error.message[:300]}.", field=field) from None
    except (TypeError, ArithmeticError) as error:
        raise Rejected(
            "capture.schema_unusable",
            f"The schema of this event type cannot judge the data ({error}): correct the schema.",
            field="",
        ) from None
    for field in rule.quantity_fields:
        if field in data:
            _check_quantity(field, data[field])


def _check_shape(rule: DataRule, data: dict[str, Any]) -> None:
    if rule.quick is not None:
        try:
            msgspec.convert(data, rule.quick)
        except msgspec.ValidationError:
            pass  # the whole schema says what is wrong, or that nothing is
        else:
            return
    rule.check(data)


def _check_quantity(field: str, value: object) -> None:
    if type(value) is int and -_INTEGER_BOUND < value < _INTEGER_BOUND:
        return
    try:
        parse_quantity(value)
    except ValueError as error:
        raise Rejected("capture.invalid_quantity", f"data.{field}: {error}.", field=field) from None


def _field_of(error: fastjsonschema.JsonSchemaValueException) -> str:
    path = list(error.path)
    if error.rule == "required" and len(path) == 1:
        missing = [name for name in error.rule_definition if name not in error.value]
        return str(missing[0])
    return str(path[1]) if len(path) > 1 else ""


_SCHEMES: Final = ("http", "https", "ftp", "file", "data")


def _refuse_reference(uri: str) -> object:
    raise ValueError(f"it refers to {uri}, and a schema must stand on its own")
