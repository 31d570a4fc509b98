"""A quick yes for plain JSON Schemas: a type that only data fits which the schema allows."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

# Keywords that say nothing about which data is allowed.
_REMARKS: Final = frozenset({"$schema", "$id", "title", "description", "examples", "default"})
_OBJECT: Final = frozenset({"type", "properties", "required"}) | _REMARKS
_BOUNDS: Final[dict[str, dict[str, str]]] = {
    "integer": {"minimum": "ge", "maximum": "le"},
    "string": {"minLength": "min_length", "maxLength": "max_length"},
}
# What no value is: an optional member with another kind of rule must be absent for a quick yes.
_NOTHING: Final = Annotated[int, msgspec.Meta(ge=1, le=0)]
_TYPES: Final[dict[str, type]] = {"integer": int, "string": str}


def quick_type(schema: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """Build a type whose values all satisfy the schema; None when the schema is not plain.

    It is a short cut only: data that does not fit is judged by the whole schema.
    """
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or schema.keys() - _OBJECT or not properties:
        return None
    required = schema.get("required", [])
    if set(required) - set(properties):
        return None
    fields: list[Any] = []
    for number, (name, rule) in enumerate(properties.items()):
        kind = _kind(rule)
        if kind is None and name in required:
            return None
        kind = _NOTHING if kind is None else kind
        field = f"f{number}"
        fields.append((field, kind) if name in required else (field, kind, msgspec.UNSET))
    fields.sort(key=len)
    names = {f"f{number}": name for number, name in enumerate(properties)}
    return msgspec.defstruct("QuickData", fields, rename=names, gc=False)


def _kind(rule: object) -> Any:
    """Return the type of one member, or None when its rule is not plain."""
    if not isinstance(rule, Mapping):
        return None
    stated = {key: value for key, value in rule.items() if key not in _REMARKS}
    values = stated.pop("enum", None)
    if values is not None:
        is_plain = stated.pop("type", "string") == "string" and not stated
        return Literal[tuple(values)] if is_plain and _are_texts(values) else None
    name = stated.pop("type", None)
    if not isinstance(name, str) or name not in _TYPES or stated.keys() - _BOUNDS[name].keys():
        return None
    if not all(type(bound) is int for bound in stated.values()):
        return None
    bounds = {_BOUNDS[name][key]: bound for key, bound in stated.items()}
    return Annotated[_TYPES[name], msgspec.Meta(**bounds)] if bounds else _TYPES[name]


def _are_texts(values: object) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
