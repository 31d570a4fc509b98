"""Everything a broken feed sends is refused with its own code, kept, and never breaks the door."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest

from door import add_record, admission, data, event, raw
from tollbook.flow.capture.admit import Admitted, Refused, admit_all
from tollbook.flow.capture.store import get_quarantined
from tollbook.records.commercial import EventType
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Database
from tollbook.worklist.codes import CODES
from tollbook.worklist.store import list_items, objects_of

ADMISSION = admission()


def _text(old: bytes, new: bytes) -> bytes:
    whole = raw(1)
    assert old in whole
    return whole.replace(old, new)


REFUSED: list[tuple[str, bytes]] = [
    ("malformed_json", b'{"specversion":"1.0","id":"code-cut00","source":'),
    ("malformed_json", b"not json"),
    ("malformed_json", raw(1) + b"}"),
    ("malformed_json", raw(1) + b" " + raw(2)),
    ("malformed_json", _text(b'"input_tokens":1', b'"input_tokens":NaN')),
    ("malformed_json", _text(b'"input_tokens":1', b'"input_tokens":Infinity')),
    ("malformed_json", _text(b'"input_tokens":1', b'"input_tokens":01')),
    ("malformed_json", _text(b"e-1", b"e-\xff")),
    ("malformed_json", _text(b"e-1", b"e-\xed\xa0\x80")),
    ("malformed_json", _text(b"e-1", b"e-\\ud800")),
    ("malformed_json", _text(b'"m"', b'"m\\ud800"')),
    ("malformed_json", _text(b"e-1", b"e-\x00")),
    ("too_deep", b"[" * 100_000),
    ("too_deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    # With a text that is never closed: to look for its end again at each quote would not end today.
    ("too_deep", b"[" * 65 + b'"' + b'\\"' * 450_000),
    ("not_an_object", b"[]"),
    ("not_an_object", b'"event"'),
    ("not_an_object", b"17"),
    ("not_an_object", b"null"),
    ("not_an_object", b"[" + raw(1) + b"]"),
    ("unsupported_specversion", raw(specversion="0.3")),
    ("unsupported_specversion", raw(specversion=None)),
    ("unsupported_specversion", raw(specversion=1.0)),
    ("missing_id", raw(id=None)),
    ("missing_id", raw(id="")),
    ("missing_source", raw(source=None)),
    ("missing_type", raw(type="")),
    ("missing_subject", raw(subject=None)),
    ("missing_subject", _text(b'"cus_001"', b"null")),
    ("missing_time", raw(time=None)),
    ("invalid_attribute", raw(id=5)),
    ("invalid_attribute", raw(subject=["cus_001"])),
    ("invalid_attribute", raw(source=True)),
    ("invalid_attribute", raw(data_base64="e30=")),
    ("invalid_attribute", raw(data=None, data_base64="?")),
    ("invalid_time", raw(time="16/11/2023 18:17")),
    ("invalid_time", raw(time="2023-11-16T18:17:03")),
    ("invalid_time", raw(time="2023-11-16")),
    ("invalid_time", raw(time="2023-02-30T00:00:00Z")),
    ("invalid_time", raw(time="2023-11-16T18:17:60Z")),
    ("invalid_time", raw(time="2023-11-16T24:00:00Z")),
    ("invalid_time", raw(time="2023-11-16T18:17:03+25:00")),
    ("invalid_time", raw(time="0001-01-01T00:00:00+10:00")),
    ("invalid_time", raw(time="9999-12-31T23:59:59-10:00")),
    ("invalid_time", raw(time="1700158623")),
    ("invalid_attribute", raw(time=1700158623)),
    ("time_in_future", raw(time="2023-12-02T09:00:01Z")),
    ("time_in_future", raw(time="9999-01-01T00:00:00Z")),
    ("time_too_old", raw(time="1999-12-31T23:59:59Z")),
    ("text_invalid", _text(b"e-1", b"e-\\u0000")),
    ("text_invalid", _text(b"e-1", b"e-\\n")),
    ("text_invalid", _text(b"cus_001", b"cus_001\\t")),
    ("text_invalid", _text(b'"m"', b'"m\\u0000"')),
    ("text_invalid", _text(b'"model"', b'"a\\u0000":1,"model"')),
    ("text_invalid", _text(b'"m"', b'"\\\\\\u0000"')),
    ("too_long", raw(id="x" * 1025)),
    ("too_long", raw(source="s" * 100_000)),
    ("too_long", raw(subject="ä" * 513)),
    ("too_large", raw(data=data(model="m" * 1_000_000))),
    ("too_large", raw(data=data(model="m" * 10_000_000))),
    ("duplicate_key", _text(b'"input_tokens":1', b'"input_tokens":1,"input_tokens":1000')),
    ("duplicate_key", _text(b'"id":"e-1"', b'"id":"e-1","id":"e-2"')),
    ("duplicate_key", _text(b'"id":"e-1"', b'"id":"e-1","\\u0069d":"e-2"')),
    ("sampled", raw(sampledrate=30)),
    ("sampled", raw(sampledrate="2")),
    ("unsupported_content_type", raw(datacontenttype="text/xml")),
    ("unknown_event_type", raw(type="llm.requst")),
    ("unknown_subject", raw(subject="cus_999")),
    ("schema_mismatch", raw(data=[1, 2])),
    ("schema_mismatch", raw(data="text")),
    ("schema_mismatch", raw(data=data(model=5))),
    ("schema_mismatch", raw(data={"region": "us", "input_tokens": 1, "output_tokens": 2})),
    ("schema_mismatch", raw(data=data(model=None))),
    ("invalid_quantity", raw(data={"model": "m", "region": "us", "output_tokens": 2})),
    ("invalid_quantity", raw(data=data(-5))),
    ("invalid_quantity", raw(data=data("many"))),
    ("invalid_quantity", raw(data=data("1"))),
    ("invalid_quantity", raw(data=data(None))),
    ("invalid_quantity", raw(data=data(input_tokens=True))),
    ("invalid_quantity", raw(data=data([1]))),
    ("invalid_quantity", raw(data=data({"value": 1}))),
    ("invalid_quantity", raw(data=data(1.5))),
    ("invalid_quantity", raw(data=data(10**26))),
    ("invalid_quantity", _text(b'"input_tokens":1', b'"input_tokens":1e400')),
    ("invalid_quantity", _text(b'"input_tokens":1', b'"input_tokens":' + b"9" * 400)),
    ("invalid_quantity", raw(data=data(minutes="NaN"))),
    ("invalid_quantity", raw(data=data(minutes="Infinity"))),
    ("invalid_quantity", raw(data=data(minutes="1_000"))),
    ("invalid_quantity", raw(data=data(minutes="1,5"))),
    ("invalid_quantity", raw(data=data(minutes=""))),
    ("invalid_quantity", raw(data=data(minutes="0.0000000000001"))),
    ("number_out_of_range", _text(b'"input_tokens":1', b'"input_tokens":1e99999')),
    ("number_out_of_range", _text(b'"input_tokens":1', b'"input_tokens":1e-99999999999999999999')),
    ("number_out_of_range", _text(b'"input_tokens":1', b'"input_tokens":' + b"9" * 5000)),
]

TAKEN: list[bytes] = [
    raw(1),
    b"\xef\xbb\xbf" + raw(2),
    b"  " + raw(3) + b"\t ",
    raw(4, time="2023-11-16t18:17:03.123456789z"),
    raw(5, time="2023-11-16T20:17:03+05:30"),
    raw(6, time="2000-01-01T00:00:00Z"),
    raw(7, time="2023-12-02T08:59:59Z"),
    raw(8, datacontenttype=None),
    raw(9, datacontenttype="application/json; charset=utf-8"),
    raw(10, datacontenttype="application/vnd.acme+json"),
    raw(11, sampledrate=1, traceparent="00-ab", dataschema="urn:x"),
    raw(12, id='quoted " and \\ back\u00e9\U0001f600', source="a\\tb"),
    raw(13, id="x" * 1024),
    raw(14, data=data(0)),
    raw(15, data=data(minutes="12.5")),
    raw(16, data=data(minutes=0.000000000001)),
    raw(17, data=data(extra={"nested": [None, True, {"a": None}]}, nothing=None)),
    raw(18, data=data(model="\\u0000 written out")),
    msgspec.json.encode(event(19)).replace(b'"input_tokens":19', b'"input_tokens":19.0'),
    msgspec.json.encode(event(20)).replace(b'"input_tokens":20', b'"input_tokens":2e1'),
    raw(22, data=data(deep=msgspec.Raw(b"[" * 62 + b"]" * 62))),
    raw(21, id="non\u00a0breaking"),
]


AT = datetime(2023, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(("code", "broken"), REFUSED, ids=range(len(REFUSED)))
def test_a_broken_event_is_refused_with_its_code(code: str, broken: bytes) -> None:
    verdict = admit_all([broken], ADMISSION, at=AT)[0]

    assert isinstance(verdict, Refused)
    assert verdict.code == f"capture.{code}"
    assert verdict.raw == broken
    assert CODES[verdict.code].action


@pytest.mark.parametrize("fine", TAKEN, ids=range(len(TAKEN)))
def test_an_unusual_event_that_is_right_is_admitted(fine: bytes) -> None:
    verdict = admit_all([fine], ADMISSION, at=AT)[0]

    assert isinstance(verdict, Admitted)


def test_what_is_refused_is_kept_with_its_bytes_and_its_work_item(
    desk: Desk, database: Database
) -> None:
    broken = raw(1, subject=None)

    answer = desk.take([broken], door="file").answers[0]

    with database.transaction() as connection:
        held = get_quarantined(connection, answer.kept_as)
        (item,) = list_items(connection)
        assert objects_of(connection, item.work_item_id) == [answer.kept_as]
    assert held is not None
    assert (held.raw, held.code, held.state) == (broken, "capture.missing_subject", "open")
    assert (held.source, held.event_id) == ("/inference/us", "e-1")
    assert item.code == answer.code


def test_nothing_is_lost_when_everything_comes_together(
    desk: Desk, count: Callable[[str], int]
) -> None:
    broken = [refused for _, refused in REFUSED]

    counts = desk.take([*broken, *TAKEN, *TAKEN], door="file").counts

    assert counts["rejected"] == len(REFUSED)
    assert counts["accepted"] == counts["duplicate"] == len(TAKEN)
    assert count("usage_event") == len(TAKEN)
    assert count("quarantine") == len(set(broken))


def test_the_same_broken_bytes_are_kept_once(desk: Desk, count: Callable[[str], int]) -> None:
    for _ in range(2):
        desk.take([REFUSED[0][1], REFUSED[0][1]], door="file")

    assert count("quarantine") == 1
    assert count("work_item_object") == 1


def test_one_cause_is_one_work_item(desk: Desk, database: Database) -> None:
    desk.take([raw(number, subject="nobody") for number in range(5)], door="file")

    with database.transaction() as connection:
        items = list_items(connection)
    assert [(item.code, item.cause, item.object_count) for item in items] == [
        ("capture.unknown_subject", "nobody", 5)
    ]


def test_exact_numbers_are_stored(desk: Desk, database: Database) -> None:
    number = "12345678901234567890.123456789012"
    body = raw(1, data=data(minutes=1)).replace(b'"minutes":1', b'"minutes":' + number.encode())

    desk.take([body], door="file")

    with database.transaction() as connection:
        row = connection.execute("select data::jsonb->>'minutes' from usage_event").fetchone()
    assert row == (number,)


def test_a_schema_that_is_unusable_stops_its_own_type_only(desk: Desk, database: Database) -> None:
    add_record(
        database, "event_type", "odd", EventType("odd", {"$ref": "http://example.com/schema.json"})
    )

    captured = desk.take([raw(1, type="odd"), raw(2)], door="file")

    assert [answer.code for answer in captured.answers] == ["capture.schema_unusable", ""]


def test_an_event_the_database_cannot_hold_does_not_take_its_neighbours_with_it(
    desk: Desk, database: Database
) -> None:
    with database.transaction() as connection:
        connection.execute(
            """create function too_much() returns trigger language plpgsql as
               $$ begin raise exception 'beyond me' using errcode = '22003'; end $$"""
        )
        connection.execute(
            """create trigger too_much before insert on usage_event for each row
               when (new.event_id = 'e-3') execute function too_much()"""
        )

    captured = desk.take([raw(number) for number in range(1, 8)], door="file")

    statuses = [answer.status for answer in captured.answers]
    assert statuses == ["accepted", "accepted", "rejected", *["accepted"] * 4]
    assert captured.answers[2].code == "capture.not_storable"


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (raw(1, specversion=None), "specversion must be '1.0'; it is missing."),
        (raw(1, data={"model": "m"}), "data lacks region, input_tokens, output_tokens."),
    ],
    ids=["specversion", "data"],
)
def test_what_is_missing_is_named_in_words(refused: bytes, message: str) -> None:
    verdict = admit_all([refused], ADMISSION, at=AT)[0]

    assert isinstance(verdict, Refused)
    assert verdict.message == message
