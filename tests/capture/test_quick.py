"""The quick yes: it may say nothing, but it never takes what the schema refuses."""

from typing import Any

import fastjsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.flow.capture.json_text import canonical
from tollbook.flow.capture.quick import quick_type

names = st.sampled_from(["a", "b", "B", "_c", "class", "with space", "ü"])
members = st.one_of(
    st.just({"type": "string"}),
    st.just({"type": "integer"}),
    st.fixed_dictionaries({"type": st.just("integer"), "minimum": st.integers(-3, 3)}),
    st.fixed_dictionaries({"type": st.just("integer"), "maximum": st.integers(-3, 3)}),
    st.fixed_dictionaries({"type": st.just("string"), "minLength": st.integers(0, 3)}),
    st.fixed_dictionaries({"type": st.just("string"), "maxLength": st.integers(0, 3)}),
    st.just({"enum": ["x", "y"]}),
    st.just({"type": "string", "enum": ["x", ""], "description": "either"}),
)
values = st.one_of(
    st.integers(-5, 5), st.integers(10**20, 10**21), st.text(max_size=4), st.booleans(),
    st.none(), st.sampled_from(["x", "y"]), st.lists(st.integers(), max_size=1),
)  # fmt: skip


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    properties = draw(st.dictionaries(names, members, min_size=1, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    return {"type": "object", "properties": properties, "required": required}


@given(schemas(), st.dictionaries(names, values, max_size=5))
def test_it_never_takes_what_the_schema_refuses(
    schema: dict[str, Any], data: dict[str, Any]
) -> None:
    quick = quick_type(schema)
    if quick is None:
        return
    try:
        read = msgspec.json.decode(msgspec.json.encode(data), type=quick)
    except msgspec.ValidationError:
        return

    fastjsonschema.compile(schema)(data)
    assert canonical(read) == canonical(data)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": {}},
        {"type": "object", "properties": {"with space": {"type": "integer"}}},
        {"type": "object", "properties": {"class": {"type": "integer"}}},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["b"]},
        {"anyOf": [{"type": "object"}]},
    ],
)
def test_it_keeps_out_of_schemas_that_are_not_plain(schema: dict[str, Any]) -> None:
    assert quick_type(schema) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"type": ["integer", "null"]},
        {"type": "integer", "multipleOf": 2},
        {"type": "number"},
        {"enum": [1, "1"]},
        True,
        {"type": "string", "pattern": "^a"},
        {"type": "integer", "minimum": 0.5},
    ],
)
def test_a_member_that_is_not_plain_must_be_absent(rule: object) -> None:
    schema = {"type": "object", "properties": {"a": rule, "b": {"type": "integer"}}}
    quick = quick_type(schema)
    assert quick is not None

    msgspec.convert({"b": 1}, quick)
    for value in (0, 1, 2, "a", "1", None):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"a": value, "b": 1}, quick)
    assert quick_type({**schema, "required": ["a"]}) is None


def test_plain_data_takes_the_quick_way() -> None:
    schema = {
        "type": "object",
        "required": ["model", "tokens"],
        "properties": {
            "model": {"enum": ["large", "small"]},
            "tokens": {"type": "integer", "minimum": 0},
            "note": {"type": "string"},
        },
    }
    quick = quick_type(schema)
    assert quick is not None

    msgspec.convert({"model": "large", "tokens": 3}, quick)
    for strange in ({"tokens": True}, {"tokens": 2**63}, {"tokens": 3, "other": [1]}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"model": "large"} | strange, quick)
