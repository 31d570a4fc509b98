"""Whether a JSON Schema still takes all data that the one before it took, and which field does not."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from tollbook.values.codec import to_json

Schema = Mapping[str, Any] | bool

# Deeper is not compared but refused: a schema that refers to itself has no end.
DEPTH_MAX: Final = 32

# Bounds that take less when they grow, and bounds that take less when they shrink.
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")

# Adding or changing one of these may take less, and no program can tell whether it does.
_OPAQUE: Final = (
    *("pattern", "format", "multipleOf", "not", "if", "then", "else", "oneOf", "patternProperties"),
    *(
        "propertyNames",
        "contains",
        "prefixItems",
        "additionalItems",
        "dependencies",
        "contentEncoding",
    ),
    *(
        "dependentRequired",
        "dependentSchemas",
        "minContains",
        "maxContains",
        "unevaluatedProperties",
    ),
    *("unevaluatedItems", "contentMediaType"),
)

_ANYTHING: Final[Mapping[str, Any]] = {}
_NOTHING: Final[Mapping[str, Any]] = {"not_at_all": True}

_TYPES: Final = frozenset({"string", "number", "boolean", "object", "array", "null"})


def breaks(before: Schema, after: Schema) -> Iterator[str]:
    """Yield a sentence for each way in which `after` refuses data that `before` took.

    Adding a field that is not required is no break, although a schema that allows other fields took
    anything under its name before.
    """
    yield from _Comparison(before, after).compare(before, after, "", 0)


class _Comparison:
    """Two whole documents, in which references of their parts are looked up."""

    def __init__(self, before: Schema, after: Schema) -> None:
        self._roots = (before, after)
        self._compared: set[tuple[int, int]] = set()

    def compare(self, before: Schema, after: Schema, name: str, depth: int) -> Iterator[str]:
        """Yield what one field refuses now; `name` is its path, empty for the data itself."""
        if to_json(before) == to_json(after) and not _refers(before):
            return
        if depth > DEPTH_MAX:
            yield f"{_shown(name)} is nested too deeply to be compared"
            return
        old, new = _resolved(before, self._roots[0]), _resolved(after, self._roots[1])
        if old is None or new is None:
            yield f"{_shown(name)} refers to a schema that cannot be found"
            return
        pair = (id(old), id(new))
        if "not_at_all" in old or pair in self._compared:
            return
        self._compared.add(pair)
        if "not_at_all" in new:
            yield f"{_shown(name)} is not allowed any more"
            return
        yield from _narrowed_values(old, new, name)
        yield from _narrowed_bounds(old, new, name)
        yield from _changed_opaque(old, new, name)
        yield from self._object(old, new, name, depth)
        yield from self._items(old, new, name, depth)
        yield from self._alternatives(old, new, name, depth)

    def _object(
        self, old: Mapping[str, Any], new: Mapping[str, Any], name: str, depth: int
    ) -> Iterator[str]:
        for field in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{_inside(name, field)} is newly required"
        had, has = old.get("properties", {}), new.get("properties", {})
        others_before = old.get("additionalProperties", True)
        others = new.get("additionalProperties", True)
        for field in sorted(had.keys() & has.keys()):
            yield from self.compare(had[field], has[field], _inside(name, field), depth + 1)
        for field in sorted(had.keys() - has.keys()):
            if others is False:
                yield f"{_inside(name, field)} was removed, and other fields are not allowed"
            else:
                yield from self.compare(had[field], others, _inside(name, field), depth + 1)
        if others is False and others_before is not False:
            yield f"{_shown(name)} allows no other fields any more (additionalProperties)"
        elif others is not False and others_before is not False:
            yield from self.compare(others_before, others, _inside(name, "*"), depth + 1)

    def _items(
        self, old: Mapping[str, Any], new: Mapping[str, Any], name: str, depth: int
    ) -> Iterator[str]:
        if new.get("uniqueItems") and not old.get("uniqueItems"):
            yield f"{_shown(name)} must not repeat an element any more (uniqueItems)"
        was, now = old.get("items", True), new.get("items", True)
        if isinstance(was, list) or isinstance(now, list):
            if to_json(was) != to_json(now):
                yield f"{_shown(name)} has other items, which cannot be compared"
            return
        yield from self.compare(was, now, f"{name}[]", depth + 1)

    def _alternatives(
        self, old: Mapping[str, Any], new: Mapping[str, Any], name: str, depth: int
    ) -> Iterator[str]:
        if "anyOf" in new:
            for was in old.get("anyOf", [{key: old[key] for key in old if key != "anyOf"}]):
                if all(any(self.compare(was, now, name, depth + 1)) for now in new["anyOf"]):
                    yield f"{_shown(name)} takes fewer alternatives (anyOf)"
        for now in new.get("allOf", ()):
            if to_json(now) not in map(to_json, old.get("allOf", ())):
                yield f"{_shown(name)} must satisfy one more schema (allOf)"


def _narrowed_values(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Iterator[str]:
    gone = sorted(_types(old) - _types(new))
    if gone:
        yield f"{_shown(name)} is no longer of type {' or '.join(gone)}"
    allowed = _values(new)
    if allowed is None:
        return
    had = _values(old)
    if had is None:
        yield f"{_shown(name)} takes only certain values now (enum)"
        return
    lost = [value for value in had if value not in allowed]
    if lost:
        yield f"{_shown(name)} no longer takes {', '.join(value.decode() for value in lost)} (enum)"


def _narrowed_bounds(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Iterator[str]:
    for bounds, is_tighter in ((_LOWER, _grew), (_UPPER, _shrank)):
        for bound in bounds:
            if bound in new and is_tighter(old.get(bound), new[bound]):
                before = f"{old[bound]}" if bound in old else "without"
                yield f"{_shown(name)} has a narrower {bound}: {new[bound]}, before {before}"


def _grew(before: Any, after: Any) -> bool:
    return before is None or _number(after) > _number(before)


def _shrank(before: Any, after: Any) -> bool:
    return before is None or _number(after) < _number(before)


def _number(value: Any) -> Decimal:
    return Decimal(str(int(value))) if isinstance(value, bool) else Decimal(str(value))


def _changed_opaque(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Iterator[str]:
    for keyword in _OPAQUE:
        if keyword in new and to_json(new[keyword]) != to_json(old.get(keyword)):
            what = "another" if keyword in old else "a new"
            yield f"{_shown(name)} has {what} {keyword}, which may refuse what was taken before"


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types a schema takes; whole numbers are one of their own inside number."""
    stated = schema.get("type")
    if stated is None:
        return _TYPES | {"integer"}
    types = frozenset([stated] if isinstance(stated, str) else stated)
    return types | {"integer"} if "number" in types else types


def _values(schema: Mapping[str, Any]) -> list[bytes] | None:
    """Return the values a schema is limited to as JSON, where true is not 1; None without limit."""
    if "const" in schema:
        return [to_json(schema["const"])]
    if "enum" in schema:
        return [to_json(value) for value in schema["enum"]]
    return None


def _refers(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return "$ref" in schema or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))


def _resolved(schema: Schema, root: Schema) -> Mapping[str, Any] | None:
    """Return a schema as an object, with its reference inside the document followed."""
    found: Any = schema
    for _ in range(DEPTH_MAX):
        if isinstance(found, bool):
            return _ANYTHING if found else _NOTHING
        if not isinstance(found, Mapping) or "$ref" not in found:
            return found if isinstance(found, Mapping) else None
        found = _pointed(found["$ref"], root)
    return None


def _pointed(reference: str, root: Any) -> Any:
    found = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _inside(name: str, field: str) -> str:
    return f"{name}.{field}" if name else field


def _shown(name: str) -> str:
    return f"field {name}" if name else "the data"
