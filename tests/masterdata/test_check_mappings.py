"""A mapping that could not work is refused before it is applied, at the line where it is wrong."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.documents import documents_to_versions, to_versions
from tollbook.masterdata.files import Reading, read_text
from tollbook.masterdata.plan import Plan, plan

AT = datetime(2023, 12, 1, tzinfo=UTC)
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {}, "extra": {}}}
EVENT: dict[str, Any] = {
    "type": "t",
    "source": "s",
    "id": "$.id",
    "subject": "$.c",
    "time": "$.at",
    "data": {"n": "$.n"},
}


def planned(event: dict[str, Any] | None = None, **more: Any) -> Plan:
    document = {"id": "m", "input": "json", "event": {**EVENT, **(event or {})}} | more
    sections = {"event_types": [{"id": "t", "schema": SCHEMA}], "source_mappings": [document]}
    return plan(Catalog(AT), documents_to_versions(sections), at=AT)


def with_field(rule: Any) -> Plan:
    return planned({"data": {"n": rule}})


def test_a_mapping_without_fault_is_one_change() -> None:
    found = planned()

    assert found.problems == ()
    assert [change.version.kind for change in found.changes] == ["event_type", "source_mapping"]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"path": "$.a", "value": 1}, "no_origin"),
        ({"as": "integer"}, "no_origin"),
        ("$.a[", "invalid_path"),
        ("$.a[*].b", "invalid_path"),
        ("@.a", "invalid_path"),
        ({"template": "no path"}, "invalid_path"),
        ({"template": "{a"}, "invalid_path"),
        ({"hash": ["$.a", "b"]}, "invalid_path"),
        ({"path": "$.a", "as": "number"}, "wrong_value"),
        ({"path": "$.a", "as": "integer", "round": "nearest"}, "wrong_value"),
        ({"path": "$.a", "as": "time", "format": "%Y-%m-%d"}, "invalid_format"),
        ({"path": "$.a", "as": "time", "format": "%d %z", "zone": "UTC"}, "invalid_format"),
        ({"path": "$.a", "as": "time", "zone": "Mars/Olympus"}, "invalid_format"),
        ({"path": "$.a", "as": "time", "format": "iso"}, "invalid_format"),
        ({"path": "$.a", "zone": "UTC"}, "time_only"),
        ({"path": "$.a", "multiply": 2}, "number_only"),
        ({"path": "$.a", "as": "decimal", "divide": 0}, "wrong_value"),
        ({"path": "$.a", "as": "decimal", "multiply": -1}, "wrong_value"),
        ({"path": "$.a", "as": "decimal", "unit": "$.u"}, "units"),
        ({"path": "$.a", "as": "decimal", "unit": "$.u", "units": {"GB": "x"}}, "wrong_value"),
        ({"path": "$.a", "as": "integer", "decimals": 2}, "wrong_value"),
        ({"path": "$.a", "as": "decimal", "decimals": 13}, "wrong_value"),
        ({"path": "$.a", "as": "decimal", "thousands_mark": "."}, "wrong_value"),
        ({"path": "$.a", "otherwise": "keep"}, "no_table"),
        ({"path": "$.a", "take": 1}, "wrong_value"),
        ({"path": "$.a", "lower": True, "upper": True}, "wrong_value"),
        ({"path": "$.a", "lowr": True}, "unknown_key"),
    ],
)
def test_a_field_that_could_not_work_is_refused(rule: Any, code: str) -> None:
    found = with_field(rule)

    assert code in [problem.code.removeprefix("masterdata.") for problem in found.problems]
    assert found.problems[0].place.source == "source_mappings[0]"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"event": {"id": {"path": "$.id", "optional": True}}}, "optional_attribute"),
        ({"event": {"time": {"path": "$.at", "as": "text"}}}, "wrong_value"),
        ({"event": {"type": "other"}}, "unknown_event_type"),
        ({"event": {"data": {"n": "$.n", "m": "$.m"}}}, "undeclared_field"),
        ({"event": {"data": {"extra": "$.n"}}}, "unmapped_field"),
        ({"when": [{"path": "$.a"}]}, "no_condition"),
        ({"when": [{"path": "a", "exists": True}]}, "invalid_path"),
        ({"each": "@.list"}, "invalid_path"),
        ({"input": "xml"}, "wrong_value"),
    ],
)
def test_a_mapping_that_could_not_work_is_refused(changes: dict[str, Any], code: str) -> None:
    found = planned(**changes)

    assert code in [problem.code.removeprefix("masterdata.") for problem in found.problems]


def test_a_version_that_is_in_force_cannot_be_changed() -> None:
    first = planned()
    stored = {(c.version.kind, c.version.key): (c.version,) for c in first.changes}
    document = {"id": "m", "input": "json", "event": {**EVENT, "data": {"n": "$.other"}}}

    found = plan(Catalog(AT, stored), documents_to_versions({"source_mappings": [document]}), at=AT)

    assert [problem.code for problem in found.problems] == ["masterdata.version_immutable"]


def test_a_problem_in_a_file_names_its_line() -> None:
    text = """
source_mappings:
  - id: m
    input: json
    event:
      type: t
      source: s
      id: $.id
      subject: $.c
      time: $.at
      data:
        n: {path: "$.a["}
"""
    reading = Reading()
    read_text(text, "m.yaml", reading)

    found = plan(Catalog(AT), to_versions(reading.documents, reading.problems), at=AT)

    lines = {problem.code: problem.place.line for problem in found.problems}
    assert lines["masterdata.invalid_path"] == 12
