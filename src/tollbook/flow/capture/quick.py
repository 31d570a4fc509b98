"""A quick yes for plain JSON Schemas: a type that only data fits which the schema allows."""

import keyword
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

# Keywords that say nothing about which data is allowed.
_REMARKS: Final = frozenset({"$schema", "$id", "title", "description", "examples", "default"})
_OBJECT: Final = frozenset({"type", "properties", "required", "additionalProperties"}) | _REMARKS
_BOUNDS: Final[dict[str, dict[str, str]]] = {
    "integer": {"minimum": "ge", "maximum": "le"},
    "string": {"minLength": "min_length", "maxLength": "max_length"},
}
# What no value is: an optional member with another kind of rule must be absent for a quick yes.
_NOTHING: Final = Annotated[int, msgspec.Meta(ge=1, le=0)]
_TYPES: Final[dict[str, type]] = {"integer": int, "string": str}
# Larger ones are judged by the whole schema; what is read here is a quantity without asking.
_INTEGERS: Final = {"ge": -(2**62), "le": 2**62}


def quick_type(schema: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """Build a type whose values all satisfy the schema; None when the schema is not plain.

    It is a short cut only: data that does not fit, or has members the schema does not name, is
    judged by the whole schema. Members are attributes of the same name.
    """
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or schema.keys() - _OBJECT or not properties:
        return None
    if not isinstance(schema.get("additionalProperties", True), bool):
        return None
    required = schema.get("required", [])
    if set(required) - set(properties):
        return None
    if not all(map(_is_attribute, properties)):
        return None
    fields: list[Any] = []
    # In the order of canonical JSON: written again, the data is canonical.
    for name, rule in sorted(properties.items()):
        kind = _kind(rule)
        if kind is None and name in required:
            return None
        kind = _NOTHING if kind is None else kind
        fields.append(
            (name, kind) if name in required else (name, kind | msgspec.UnsetType, msgspec.UNSET)
        )
    return msgspec.defstruct(
        "QuickData", fields, kw_only=True, forbid_unknown_fields=True, gc=False
    )


def _is_attribute(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name[0] != "_" and not keyword.iskeyword(name)


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
    if name == "integer":
        bounds = _INTEGERS | bounds
    return Annotated[_TYPES[name], msgspec.Meta(**bounds)] if bounds else _TYPES[name]


def _are_texts(values: object) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
