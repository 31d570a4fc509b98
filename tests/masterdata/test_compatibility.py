"""A new version of a schema takes what the one before took, or its author says that it does not."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fastjsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.compatibility import breaks
from tollbook.masterdata.documents import Wanted
from tollbook.masterdata.plan import Plan, plan

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)

CLOSED = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "integer"}}}


def field(rule: Any, **more: Any) -> dict[str, Any]:
    """Give a schema with one field."""
    return {"type": "object", "properties": {"a": rule}, **more}


NARROWER: list[tuple[str, Any, Any, str]] = [
    ("required", OPEN, {**OPEN, "required": ["a"]}, "a is newly required"),
    ("removed", CLOSED, {**CLOSED, "properties": {}}, "a was removed"),
    ("closed", OPEN, CLOSED, "the data allows no other fields any more"),
    (
        "other fields typed",
        OPEN,
        {**OPEN, "additionalProperties": {"type": "string"}},
        "field * is no longer of type",
    ),
    ("type", field({"type": "number"}), field({"type": "integer"}), "field a is no longer of type"),
    ("type added", field({}), field({"type": "string"}), "field a is no longer of type"),
    ("enum", field({"enum": ["x", "y"]}), field({"enum": ["x"]}), 'field a no longer takes "y"'),
    ("enum added", field({"type": "string"}), field({"enum": ["x"]}), "only certain values"),
    ("true is not 1", field({"enum": [True, 1]}), field({"enum": [1]}), "no longer takes true"),
    ("const", field({"const": "x"}), field({"const": "y"}), 'no longer takes "x"'),
    ("minimum", field({"minimum": 0}), field({"minimum": 1}), "narrower minimum: 1, before 0"),
    ("maximum added", field({}), field({"maximum": 9}), "narrower maximum: 9, before without"),
    ("length", field({"maxLength": 9}), field({"maxLength": 8}), "narrower maxLength"),
    ("pattern", field({"pattern": "^a"}), field({"pattern": "^ab"}), "another pattern"),
    ("pattern added", field({}), field({"pattern": "^ab"}), "a new pattern"),
    (
        "deep",
        field(field({"type": "string", "maxLength": 9})),
        field(field({"type": "string", "maxLength": 3})),
        "field a.a has a narrower maxLength",
    ),
    (
        "element",
        field({"type": "array", "items": {"minimum": 0}}),
        field({"type": "array", "items": {"minimum": 5}}),
        "field a[] has a narrower minimum",
    ),
    (
        "alternative",
        field({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        field({"anyOf": [{"type": "integer"}]}),
        "takes fewer alternatives",
    ),
    (
        "behind a reference",
        field({"$ref": "#/definitions/n"}, definitions={"n": {"minimum": 0}}),
        field({"$ref": "#/definitions/n"}, definitions={"n": {"minimum": 1}}),
        "field a has a narrower minimum",
    ),
    (
        "forbidden",
        field({}),
        {**OPEN, "properties": {"a": False}},
        "field a is not allowed any more",
    ),
]

WIDER: list[tuple[str, Any, Any]] = [
    ("not required", {**OPEN, "required": ["a"]}, OPEN),
    ("opened", CLOSED, OPEN),
    ("one more field", CLOSED, {**CLOSED, "properties": {"a": {"type": "integer"}, "b": {}}}),
    ("removed, others allowed", OPEN, {"type": "object"}),
    ("type", field({"type": "integer"}), field({"type": ["number", "string"]})),
    ("enum", field({"enum": ["x"]}), field({"enum": ["x", "y"]})),
    ("minimum", field({"minimum": 1}), field({"minimum": 0})),
    (
        "pattern gone",
        field({"pattern": "^a"}),
        field({"type": ["string", "integer", "number", "boolean", "null", "array", "object"]}),
    ),
    ("described", field({"type": "string"}), field({"type": "string", "description": "x"})),
    (
        "one more alternative",
        field({"anyOf": [{"type": "string"}]}),
        field({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
    ),
    (
        "a schema that refers to itself",
        field({"$ref": "#"}),
        {**field({"$ref": "#"}), "description": "x"},
    ),
]


@pytest.mark.parametrize(("_", "before", "after", "said"), NARROWER, ids=lambda v: str(v)[:40])
def test_a_schema_that_takes_less_is_told_with_its_field(
    _: str, before: Any, after: Any, said: str
) -> None:
    found = list(breaks(before, after))

    assert len(found) >= 1
    assert said in found[0]


@pytest.mark.parametrize(("_", "before", "after"), WIDER, ids=lambda v: str(v)[:40])
def test_a_schema_that_takes_more_is_compatible(_: str, before: Any, after: Any) -> None:
    assert list(breaks(before, after)) == []


def rules() -> st.SearchStrategy[dict[str, Any]]:
    """Make rules of one field out of a few keywords."""
    small = st.integers(-2, 3)
    keywords = {
        "type": st.sampled_from(["integer", "number", "string", "boolean", ["integer", "string"]]),
        "enum": st.lists(st.sampled_from([0, 1, 2, "a", "b", True]), min_size=1, max_size=3),
        "minimum": small,
        "maximum": small,
        "exclusiveMinimum": small,
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 2),
        "pattern": st.sampled_from(["^a", "b$"]),
    }
    return st.fixed_dictionaries({}, optional=keywords)


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Make schemas of two fields."""
    return st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.fixed_dictionaries({"x": rules(), "y": rules()}),
        },
        optional={
            "required": st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=2),
            "additionalProperties": st.booleans(),
        },
    )


VALUES = st.sampled_from([-1, 0, 1, 2, 3, "", "a", "b", "ab", "abc", True, False, None])
DATA = st.dictionaries(st.sampled_from(["x", "y", "z"]), VALUES, max_size=3)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(schemas(), schemas(), st.lists(DATA, min_size=1, max_size=8))
def test_data_that_a_schema_took_is_taken_by_every_compatible_one(
    before: dict[str, Any], after: dict[str, Any], found: list[dict[str, Any]]
) -> None:
    assume(not list(breaks(before, after)))
    old, new = fastjsonschema.compile(before), fastjsonschema.compile(after)

    for data in found:
        try:
            old(dict(data))
        except fastjsonschema.JsonSchemaValueException:
            continue
        new(dict(data))


TYPE = """
event_types:
  - id: call
    versions:
      - version: 1
        effective_from: 2000-01-01
        schema: &first
          type: object
          required: [model, tokens]
          properties: {model: {type: string}, tokens: {type: integer}}
"""
STRICTER = """
      - version: 2
        effective_from: 2024-01-01%s
        schema:
          type: object
          required: [model, tokens, region]
          properties: {model: {type: string}, tokens: {type: integer, minimum: 0},
                       region: {type: string}}
"""
WIDENED = """
      - version: 2
        effective_from: 2024-01-01
        schema:
          type: object
          required: [model, tokens]
          properties: {model: {type: string}, tokens: {type: number}, region: {type: string}}
"""
FIRST = TYPE.replace(" &first", "")


def planned(wanted: Callable[[str], Wanted], text: str) -> Plan:
    """Plan a second version of the event type on what the first one is."""
    first = plan(Catalog(AT), wanted(FIRST), at=AT)
    assert first.problems == ()
    versions = {(c.version.kind, c.version.key): (c.version,) for c in first.changes}
    return plan(Catalog(AT, versions), wanted(FIRST + text), at=AT)


def test_a_breaking_version_is_refused_and_names_each_field(
    wanted: Callable[[str], Wanted],
) -> None:
    found = planned(wanted, STRICTER % "").problems

    assert {problem.code for problem in found} == {"masterdata.breaking_change"}
    assert [problem.message.partition(":")[2].partition(":")[0].strip() for problem in found] == [
        "field tokens has a narrower minimum",
        "region is newly required",
    ]


def test_a_breaking_version_that_says_so_is_taken(wanted: Callable[[str], Wanted]) -> None:
    declared = planned(wanted, STRICTER % "\n        compatibility: breaking")

    assert declared.problems == ()
    assert [change.version.version for change in declared.changes] == [2]


def test_a_compatible_version_passes(wanted: Callable[[str], Wanted]) -> None:
    widened = planned(wanted, WIDENED)

    assert widened.problems == ()
    assert [change.version.version for change in widened.changes] == [2]
