"""A preview shows what a mapping would make of a sample, and stores nothing."""

from typing import Any

import msgspec
import pytest

from api_client import Api, event
from tollbook.storage.database import Database

PATH = "/v1/source-mappings/log/preview"
MAPPING = {
    "id": "log",
    "input": "json",
    "when": [{"path": "$.kind", "not_equals": "ping"}],
    "event": {
        "type": "call",
        "source": "/test",
        "id": "$.id",
        "subject": "$.who",
        "time": "$.at",
        "data": {"model": "$.model", "tokens": {"path": "$.used.tokens", "as": "integer"}},
    },
}
ROW = {
    "id": "e1",
    "who": "ada",
    "at": "2023-11-16T18:17:03Z",
    "model": "m",
    "used": {"tokens": "1000000", "cached": 5},
    "trace": "t-1",
}


@pytest.fixture
def mapped(api: Api) -> Api:
    """Give the API of the small company with a mapping, and one event stored."""
    api.post("/v1/master-data/apply", {"source_mappings": [MAPPING]})
    api.send(event(1))
    return api


def used(tokens: Any) -> dict[str, Any]:
    return {"used": {"tokens": tokens}}


def test_each_record_has_its_answer(mapped: Api, database: Database) -> None:
    records = [
        ROW,
        ROW | {"id": "e2"},
        ROW | {"id": "e2"},
        ROW | {"id": "e2"} | used(7),
        ROW | {"id": "e3", "who": "stranger"},
        ROW | {"id": "e4"} | used("lots"),
        ROW | {"kind": "ping"},
    ]

    found = mapped.post(PATH, {"records": records})

    statuses = [[one["status"] for one in record["events"]] for record in found["records"]]
    assert statuses == [
        ["duplicate"], ["accepted"], ["duplicate"], ["conflict"], ["rejected"], [], []
    ]  # fmt: skip
    assert found["records"][5]["code"] == "capture.unmappable"
    assert found["records"][6]["ignored"] == 1
    assert found["counts"] == {
        "records": 7,
        "events": 5,
        "accepted": 1,
        "duplicate": 2,
        "conflict": 1,
        "rejected": 2,
        "ignored": 1,
    }
    with database.transaction() as connection:
        rows = connection.execute(
            "select (select count(*) from usage_event), (select count(*) from quarantine)"
        )
        assert rows.fetchone() == (1, 0)


def test_it_tells_meters_unknown_subjects_and_fields_that_are_not_read(mapped: Api) -> None:
    records = [ROW | {"id": "e2"}, ROW | {"id": "e3"} | used(5), ROW | {"id": "e4", "who": "x"}]

    found = mapped.post(PATH, {"records": records})

    totals = {one["meter"]: (one["quantity"], one["unit"]) for one in found["meters"]}
    assert totals == {"tokens": ("1000005", "token"), "calls": ("2", "call")}
    assert found["unknown_subjects"] == ["x"]
    assert found["unmapped_fields"] == ["$.used.cached", "$.trace"]


def test_numbers_of_an_event_are_shown_exactly(mapped: Api) -> None:
    mapping = MAPPING | {"id": "exact"}
    event_rule = {**mapping["event"], "data": {"model": "$.model", "tokens": "$.n"}}  # type: ignore[dict-item]
    mapped.post("/v1/master-data/apply", {"source_mappings": [mapping | {"event": event_rule}]})
    body = msgspec.json.encode({"records": [ROW]})[:-3] + b',"n":0.12345678901234567890}]}'

    response = mapped.client.post("/v1/source-mappings/exact/preview", content=body)

    assert b'"tokens":0.1234567890123456789' in response.content


def test_a_file_is_previewed_as_text(mapped: Api) -> None:
    sample = "id,who,at,model\ne2,ada,2023-11-16T18:17:03Z,m\ne3,ada\n"

    found = mapped.post(PATH, {"sample": sample, "format": "csv"})

    assert [record["code"] for record in found["records"]] == [
        "capture.unmappable",
        "capture.bad_row",
    ]
    assert [record["place"]["row"] for record in found["records"]] == ["1", "2"]


@pytest.mark.parametrize(
    "body",
    [{}, {"records": {}}, {"sample": "x"}, {"sample": "x", "format": "parquet"}, {"records": [1] * 1001},
     {"records": [], "metadata": {"a": 1}}],
)  # fmt: skip
def test_what_is_no_sample_is_refused(mapped: Api, body: dict[str, Any]) -> None:
    answer = mapped.problem("POST", PATH, content=msgspec.json.encode(body))

    assert answer == (422, "api.invalid_request")


def test_a_mapping_that_is_not_there_is_404(mapped: Api) -> None:
    answer = mapped.problem("POST", "/v1/source-mappings/no/preview", content=b'{"records":[]}')

    assert answer == (404, "capture.no_such_mapping")


def test_a_sample_is_read_as_its_options_say(mapped: Api) -> None:
    sample = "Title\nid;who;at;model\ne2;ada;2023-11-16T18:17:03Z;m\nTotal;1\n"
    options = {"skip_lines": "1", "trailer": "Total"}

    found = mapped.post(PATH, {"sample": sample, "format": "csv", "options": options})
    strange = {"sample": sample, "format": "csv", "options": {"skip": "1"}}
    answer = mapped.problem("POST", PATH, content=msgspec.json.encode(strange))

    assert found["counts"]["records"] == 1
    assert answer == (422, "config.source_option")
