"""The three modes of CloudEvents over HTTP, and what a request as a whole may be."""

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import zstandard
from starlette.applications import Starlette
from starlette.testclient import TestClient

from door import data, event, raw
from tollbook.api.bodies import BODY_BYTES_MAX
from tollbook.api.intake import intake_routes
from tollbook.flow.capture.binding import HEADER_BYTES_MAX, HEADERS_MAX, VALUES_MAX
from tollbook.flow.capture.json_text import DEPTH_MAX
from tollbook.runtime.intake import Intake
from tollbook.storage.database import Database
from tollbook.values.ids import event_id

STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
LINES = {"content-type": "application/x-ndjson"}
BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "b-1",
    "ce-source": "/inference/us",
    "ce-type": "llm.request",
    "ce-subject": "cus_001",
    "ce-time": "2023-11-16T18:17:03Z",
    "content-type": "application/json",
}

Count = Callable[[str], int]


@pytest.fixture
def client(intake: Intake) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=intake_routes(intake))) as client:
        yield client


def _post(client: TestClient, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    response = client.post("/v1/events", content=body, headers=headers)
    return response.status_code, response.json()


def _statuses(answer: dict[str, Any]) -> list[str]:
    return [result["status"] for result in answer["results"]]


def test_a_structured_event_is_accepted_and_answered_with_our_id(client: TestClient) -> None:
    status, answer = _post(client, raw(1), STRUCTURED)

    assert status == 200
    assert answer["accepted"] == 1
    assert answer["results"] == [
        {
            "index": 0,
            "source": "/inference/us",
            "id": "e-1",
            "status": "accepted",
            "event_id": event_id("/inference/us", "e-1"),
        }
    ]


def test_a_batch_answers_each_event_in_its_place(client: TestClient) -> None:
    events = [event(1), event(2, subject=None), event(1), event(1, data=data(7)), event(3)]

    status, answer = _post(client, msgspec.json.encode(events), BATCH)

    assert status == 200
    assert _statuses(answer) == ["accepted", "rejected", "duplicate", "conflict", "accepted"]
    assert answer["results"][1]["code"] == "capture.missing_subject"
    assert answer["results"][3]["code"] == "capture.conflict"
    counts = {name: answer[name] for name in ("accepted", "duplicates", "conflicts", "rejected")}
    assert counts == {"accepted": 2, "duplicates": 1, "conflicts": 1, "rejected": 1}


def test_a_binary_event_is_the_same_event_as_its_structured_form(client: TestClient) -> None:
    same = event(id="b-1", time="2023-11-16T18:17:03Z", data=data(5))

    binary, _ = _post(client, msgspec.json.encode(data(5)), BINARY)
    structured, answer = _post(client, msgspec.json.encode(same), STRUCTURED)

    assert (binary, structured) == (200, 200)
    assert _statuses(answer) == ["duplicate"]


def test_binary_attributes_are_percent_decoded_and_unquoted(
    client: TestClient, database: Database
) -> None:
    headers = BINARY | {"ce-source": '"/k%C3%B6ln%20a"', "ce-id": "50%25"}

    status, _ = _post(client, msgspec.json.encode(data()), headers)

    assert status == 200
    with database.transaction() as connection:
        stored = connection.execute("select source, event_id from usage_event").fetchall()
    assert stored == [("/köln a", "50%")]


def test_a_binary_event_without_a_needed_attribute_is_refused(client: TestClient) -> None:
    needed = {
        "ce-id": "missing_id",
        "ce-source": "missing_source",
        "ce-type": "missing_type",
        "ce-subject": "missing_subject",
        "ce-time": "missing_time",
        "ce-specversion": "unsupported_specversion",
    }
    for missing, code in needed.items():
        headers = {name: value for name, value in BINARY.items() if name != missing}

        status, answer = _post(client, msgspec.json.encode(data()), headers)

        assert status == 422
        assert answer["results"][0]["code"] == f"capture.{code}"


def test_a_binary_body_that_is_no_json_is_refused_and_kept(
    client: TestClient, count: Count
) -> None:
    malformed, deep = [b"{", b'{},"subject":"cus_002"', b"\xff", b"[" * 64], [b"[" * 5000]
    bodies = malformed + deep
    for body in bodies:
        status, answer = _post(client, body, BINARY)

        code = "too_deep" if body in deep else "malformed_json"
        assert (status, answer["results"][0]["code"]) == (400, f"capture.{code}")
    assert count("quarantine") == len(bodies)


def test_data_may_come_in_base64(client: TestClient, database: Database) -> None:
    encoded = "eyJtb2RlbCI6Im0iLCJyZWdpb24iOiJ1cyIsImlucHV0X3Rva2VucyI6OSwib3V0cHV0X3Rva2VucyI6MX0="

    status, _ = _post(client, raw(1, data=None, data_base64=encoded), STRUCTURED)

    assert status == 200
    with database.transaction() as connection:
        row = connection.execute("select data::jsonb->>'input_tokens' from usage_event").fetchone()
    assert row == ("9",)


def test_lines_are_taken_as_a_batch(client: TestClient) -> None:
    body = raw(1) + b"\r\n\n" + b'{"specversion":"1.0","id":' + b"\n" + raw(2)

    status, answer = _post(client, body, LINES)

    assert status == 200
    assert _statuses(answer) == ["accepted", "rejected", "accepted"]


def test_plain_json_without_event_headers_is_read_as_what_it_is(client: TestClient) -> None:
    headers = {"content-type": "application/json"}

    one, _ = _post(client, raw(1), headers)
    many, answer = _post(client, b" [" + raw(1) + b"," + raw(2) + b"]", headers)

    assert (one, many) == (200, 200)
    assert _statuses(answer) == ["duplicate", "accepted"]


def test_an_empty_batch_is_legal(client: TestClient, count: Count) -> None:
    status, answer = _post(client, b"[]", BATCH)

    assert (status, answer["results"]) == (200, [])
    assert count("usage_event") == 0


def test_one_broken_event_does_not_fail_its_batch(client: TestClient) -> None:
    broken = [b'{"id":NaN}', b'{"id":"\\ud800"}', b"{" * 3000 + b"}" * 3000]
    body = b"[" + b" , ".join([raw(1), *broken, raw(2)]) + b"]"

    status, answer = _post(client, body, BATCH)

    assert status == 200
    assert _statuses(answer) == ["accepted", "rejected", "rejected", "rejected", "accepted"]
    codes = [result["code"] for result in answer["results"][1:4]]
    assert codes == ["capture.malformed_json", "capture.malformed_json", "capture.too_deep"]


def test_a_batch_that_cannot_be_split_is_refused_and_kept_whole(
    client: TestClient, database: Database
) -> None:
    bodies = {b"[" + raw(1) + b"," + end for end in (b"", b'{"id":', b'{"id":"', b"]]", b"] []")}
    for body in bodies:
        status, answer = _post(client, body, BATCH)

        assert status == 400
        assert answer["results"][0]["code"] == "capture.malformed_json"
    with database.transaction() as connection:
        kept = {row[0] for row in connection.execute("select raw from quarantine")}
        assert connection.execute("select count(*) from usage_event").fetchone() == (0,)
    assert kept == bodies


def test_a_single_event_is_answered_by_the_status_too(client: TestClient) -> None:
    arrivals = [raw(1), raw(1), raw(1, data=data(9)), raw(2, subject="nobody"), b"{"]

    statuses = [_post(client, arrival, STRUCTURED)[0] for arrival in arrivals]

    assert statuses == [200, 200, 409, 422, 400]


def test_a_minimal_answer_leaves_out_what_was_accepted(client: TestClient) -> None:
    body = msgspec.json.encode([event(1), event(2, subject="nobody"), event(3)])

    _, answer = _post(client, body, BATCH | {"prefer": "return=minimal"})

    assert answer["accepted"] == 2
    assert [result["index"] for result in answer["results"]] == [1]


def test_gzip_is_taken_and_its_bomb_is_not(client: TestClient) -> None:
    headers = BATCH | {"content-encoding": "gzip"}

    good, answer = _post(client, gzip.compress(b"[" + raw(1) + b"]"), headers)
    bomb, _ = _post(client, gzip.compress(b" " * (BODY_BYTES_MAX + 1)), headers)
    cut, _ = _post(client, gzip.compress(b"[]")[:-9], headers)

    assert (good, _statuses(answer)) == (200, ["accepted"])
    assert (bomb, cut) == (413, 400)


def test_a_request_we_cannot_read_is_told_why(client: TestClient) -> None:
    unreadable = [
        ({"content-type": "text/plain"}, "capture.unsupported_content_type"),
        ({"content-type": "application/cloudevents+xml"}, "capture.unsupported_content_type"),
        (
            {"content-type": "application/cloudevents+json; charset=utf-16"},
            "capture.unsupported_content_type",
        ),
        (BATCH | {"content-encoding": "br"}, "capture.unsupported_encoding"),
    ]
    for headers, code in unreadable:
        status, answer = _post(client, raw(1), headers)

        assert (status, answer["code"]) == (415, code)


def test_too_many_events_in_a_request_are_told_so(client: TestClient, count: Count) -> None:
    bodies = [
        (b"[" + b"{}," * 100_000 + b"{}]", BATCH, "too_many"),
        (b"[" + b"{}," * 100_001 + b"NaN]", BATCH, "too_many"),
        (b"{}\n" * 100_001, LINES, "too_many"),
        (b"[" + b"1," * VALUES_MAX + b"1,1]", BATCH, "too_many_values"),
        (b"\n" * (VALUES_MAX + 1), LINES, "too_many_values"),
    ]
    for body, headers, code in bodies:
        status, answer = _post(client, body, headers)

        assert (status, answer["code"]) == (413, f"capture.{code}")
    assert count("quarantine") == 0


def test_of_an_event_that_is_far_too_large_only_the_beginning_is_kept(
    client: TestClient, database: Database
) -> None:
    large = raw(1, data=data(model="x" * 3_000_000))

    alone, _ = _post(client, large, STRUCTURED)
    _, among = _post(client, b"[" + raw(2) + b"," + large + b"]", BATCH)

    assert alone == 422
    assert [result.get("code") for result in among["results"]] == [None, "capture.too_large"]
    with database.transaction() as connection:
        [kept] = connection.execute("select raw from quarantine").fetchall()
    assert kept[0] == large[:2_000_000]


def test_a_broken_batch_is_split_however_its_events_are_nested(client: TestClient) -> None:
    nested = [
        raw(number, data=data(deep=msgspec.Raw(b"[" * number + b'"]}{[,"' + b"]" * number)))
        for number in range(1, 8)
    ]

    status, answer = _post(client, b" [" + b" , ".join([*nested, b"{'id'}"]) + b"] ", BATCH)

    assert status == 200
    assert _statuses(answer) == ["accepted"] * 7 + ["rejected"]


def test_zstd_is_taken_and_its_bomb_is_not(client: TestClient) -> None:
    headers = BATCH | {"content-encoding": "zstd"}
    compress = zstandard.ZstdCompressor().compress

    good, answer = _post(client, compress(b"[" + raw(1) + b"]"), headers)
    in_two, again = _post(client, compress(b"[" + raw(1)) + compress(b"]"), headers)
    bomb, _ = _post(client, compress(b" " * (BODY_BYTES_MAX + 1)), headers)

    assert (good, _statuses(answer)) == (200, ["accepted"])
    assert (in_two, _statuses(again)) == (200, ["duplicate"])
    assert bomb == 413


def test_a_body_that_is_packed_badly_is_told_why(client: TestClient) -> None:
    batch = b"[" + raw(1) + b"]"
    zstd = zstandard.ZstdCompressor().compress(batch)
    wide = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(window_log=27)
    ).compressobj()
    far = wide.compress(batch) + wide.flush()
    badly = [
        ("gzip", b"", "bad_gzip"),
        ("gzip", b"junk", "bad_gzip"),
        ("gzip", gzip.compress(batch) + b"junk", "bad_gzip"),
        ("gzip", gzip.compress(b" ") * 200, "too_many_pieces"),
        ("zstd", b"", "bad_zstd"),
        ("zstd", b"junk", "bad_zstd"),
        ("zstd", zstd[:-3], "bad_zstd"),
        ("zstd", zstd + b"junk", "bad_zstd"),
        ("zstd", far, "bad_zstd"),
        ("zstd", zstandard.ZstdCompressor().compress(b" ") * 200, "too_many_pieces"),
        ("gzip, zstd", gzip.compress(zstd), "unsupported_encoding"),
        ("gzip, gzip", gzip.compress(gzip.compress(batch)), "unsupported_encoding"),
    ]

    for encoding, body, code in badly:
        status, answer = _post(client, body, BATCH | {"content-encoding": encoding})

        expected = 415 if code == "unsupported_encoding" else 400
        assert (status, answer["code"]) == (expected, f"capture.{code}"), (encoding, body[:40])


def test_an_unknown_encoding_is_told_the_known_ones(client: TestClient) -> None:
    headers = BATCH | {"content-encoding": "br"}

    answer = client.post("/v1/events", content=b"x", headers=headers)

    assert answer.headers["accept-encoding"] == "gzip, zstd"


def test_an_event_may_be_nested_so_deep_and_no_deeper(client: TestClient) -> None:
    def nested(levels: int) -> bytes:
        # The event and its data are the first two levels.
        inner = b"[" * (levels - 2) + b"]" * (levels - 2)
        return raw(levels).replace(b'"model":"m"', b'"model":"m","deep":' + inner)

    # Brackets inside of a text nest nothing.
    text = raw(1, data=data(model='{"[' * 200))

    deepest, _ = _post(client, nested(DEPTH_MAX), STRUCTURED)
    too_deep, answer = _post(client, nested(DEPTH_MAX + 1), STRUCTURED)
    flat, _ = _post(client, text, STRUCTURED)

    assert (deepest, flat) == (200, 200)
    assert (too_deep, answer["results"][0]["code"]) == (400, "capture.too_deep")


@pytest.mark.parametrize("name", ["id", "source", "type", "subject"])
@pytest.mark.parametrize(
    "hidden",
    [
        *("\u200b", "\u202e", "\ufeff", "\u00ad", "\u2066", "\u2028"),
        *("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u2800", "\u3164"),
        *("\ufe00", "\ufe0f", "\uffa0", "\ue000", "\U000e0100", "\U000e01ef"),
    ],
)
def test_a_character_that_nobody_sees_is_refused(
    client: TestClient, name: str, hidden: str
) -> None:
    status, answer = _post(client, raw(1, **{name: f"a{hidden}b"}), STRUCTURED)

    assert (status, answer["results"][0]["code"]) == (422, "capture.invisible_character")


@pytest.mark.parametrize("seen", ["é", "ü", "名", "\u0301", "한", "ไ", "😀", "\u00a0", "\u3000"])
def test_what_people_write_beyond_ascii_is_taken(client: TestClient, seen: str) -> None:
    status, answer = _post(client, raw(1, id=f"a{seen}b", source=f"s{seen}"), STRUCTURED)

    assert (status, answer["results"][0]["status"]) == (200, "accepted")


def test_two_headers_of_one_name_are_refused_and_kept(
    client: TestClient, database: Database
) -> None:
    headers = [*BINARY.items(), ("ce-id", "b-2")]

    answer = client.post("/v1/events", content=msgspec.json.encode(data()), headers=headers)

    assert answer.status_code == 422
    assert answer.json()["results"][0]["code"] == "capture.duplicate_key"
    with database.transaction() as connection:
        [kept] = connection.execute("select raw from quarantine").fetchall()
    assert (b'"b-1"' in kept[0], b'"b-2"' in kept[0]) == (True, True)


def test_too_many_attributes_in_headers_are_told_so(client: TestClient) -> None:
    many = BINARY | {f"ce-x{number}": "1" for number in range(HEADERS_MAX)}
    large = BINARY | {"ce-x": "1" * HEADER_BYTES_MAX}

    for headers in (many, large):
        status, answer = _post(client, msgspec.json.encode(data()), headers)

        assert (status, answer["code"]) == (431, "capture.headers_too_large")
