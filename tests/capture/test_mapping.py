"""Foreign records become usage events exactly, or are refused with a sentence that says why."""

import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.errors import Rejected
from tollbook.flow.capture.mapping import CompiledMapping, compile_mapping
from tollbook.masterdata.documents import documents_to_versions
from tollbook.records.source_mapping import SourceMapping
from tollbook.runtime.mapping_check import EVENTS, check_directory
from tollbook.sdk.source import SourceRecord
from tollbook.values.conversion import time_reader
from tollbook.values.selection import parse_selection, written_step

VECTORS = Path(__file__).parents[1] / "vectors" / "mappings"
EVENT = {"type": "t", "source": "s", "id": "$.id", "subject": "c", "time": "$.at"}
AT = "2023-11-16T18:17:03Z"


def mapping(data: dict[str, Any], **more: Any) -> CompiledMapping:
    """Give a mapping that makes these fields."""
    document = {"id": "m", "input": "json", "event": {**EVENT, "data": data}} | more
    wanted = documents_to_versions({"source_mappings": [document]})
    assert wanted.problems == ()
    record = wanted.versions[0].record
    assert isinstance(record, SourceMapping)
    return compile_mapping(record)


def record(**fields: Any) -> SourceRecord:
    return SourceRecord(msgspec.json.encode({"id": "1", "at": AT} | fields))


def made_of(made: CompiledMapping, one: SourceRecord) -> list[bytes] | Rejected:
    """Give the events of a record, or the refusal."""
    try:
        return made(one)
    except Rejected as refused:
        return refused


def refusal(made: CompiledMapping, **fields: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
        made(record(**fields))
    return caught.value


@pytest.mark.parametrize("case", sorted(VECTORS.iterdir()), ids=lambda case: case.name)
def test_records_become_the_events_that_stand_beside_them(case: Path) -> None:
    checked = check_directory(case)

    assert checked.mismatches == []
    assert checked.records > 0


def test_a_pair_of_files_that_differs_is_noticed(tmp_path: Path) -> None:
    case = shutil.copytree(VECTORS / "call_records", tmp_path / "case")
    expected = (case / EVENTS).read_text()
    (case / EVENTS).write_text(expected.replace('"minutes":2', '"minutes":1'))

    checked = check_directory(case)

    assert [mismatch.line for mismatch in checked.mismatches] == [1]


def test_a_refusal_names_mapping_field_path_and_what_was_found() -> None:
    made = mapping({"tokens": {"path": "$.usage.tokens", "as": "integer"}})

    refused = refusal(made, usage={"tokens": "many"})

    assert refused.code == "capture.unmappable"
    assert refused.message == (
        "Mapping m version 1 cannot fill data.tokens from $.usage.tokens: 'many' is no number that "
        "can be taken: a quantity is a number or a decimal string. Correct the record, or the "
        "mapping in a new version."
    )
    assert refused.ids == {
        "mapping": "m",
        "field": "data.tokens",
        "path": "$.usage.tokens",
        "cause": "m data.tokens",
    }


EXACT = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=6, min_value=-(10**18), max_value=10**18
    )
)
def test_a_decimal_passes_without_losing_a_digit(number: Decimal) -> None:
    made = mapping({"n": {"path": "$.n", "as": "decimal"}})

    events = made(SourceRecord(f'{{"id":"1","at":"{AT}","n":{number:f}}}'.encode()))

    assert EXACT.decode(events[0])["data"]["n"] == number


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_dividing_is_exact_or_refused(number: int, divisor: int) -> None:
    made = mapping({"n": {"path": "$.n", "as": "decimal", "divide": divisor}})

    outcome = made_of(made, record(n=number))

    if isinstance(outcome, Rejected):
        assert outcome.code == "capture.unmappable"
    else:
        assert EXACT.decode(outcome[0])["data"]["n"] * divisor == number


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ("0.00000123456789012345", "0.000001234568"),
        ("1E-20", "0"),
        ("0.1234567890125", "0.123456789012"),
    ],
)
def test_rounding_takes_more_decimals_than_a_quantity_has(found: str, kept: str) -> None:
    made = mapping({"n": {"path": "$.n", "as": "decimal", "round": "half_even", "decimals": 12}})

    events = made(record(n=found))

    assert Decimal(EXACT.decode(events[0])["data"]["n"]) == Decimal(kept)


@given(st.text(min_size=1))
def test_a_name_that_is_written_as_a_path_selects_that_member(name: str) -> None:
    assert parse_selection(f"${written_step(name)}").steps == (name,)


def test_the_same_record_makes_the_same_id_and_another_makes_another() -> None:
    made = mapping({}, event={**EVENT, "id": {"hash": ["$.a", "$.b"]}})

    same = [made(record(a="x", b=1))[0], made(record(b=1, a="x"))[0]]
    others = [made(record(a="x1"))[0], made(record(a="x", b="1 "))[0], made(record(a="x"))[0]]

    assert same[0] == same[1]
    assert len({same[0], *others}) == 4


def test_a_member_that_stands_twice_is_refused() -> None:
    made = mapping({"n": "$.n"})

    with pytest.raises(Rejected) as caught:
        made(SourceRecord(b'{"id":"1","at":"2023-11-16T18:17:03Z","n":1,"n":2}'))

    assert caught.value.code == "capture.duplicate_key"


def test_a_record_of_too_many_elements_is_refused_whole() -> None:
    made = mapping({"n": "@"}, each="$.list")

    assert len(made(record(list=[1] * 10_000))) == 10_000
    assert refusal(made, list=[1] * 10_001).ids["field"] == "each"


@pytest.mark.parametrize(("ambiguous", "hour"), [("earlier", "00:30:00"), ("later", "01:30:00")])
def test_an_hour_that_was_twice_is_chosen_by_the_mapping(ambiguous: str, hour: str) -> None:
    read = time_reader(pattern="rfc3339", zone="Europe/Berlin", ambiguous=ambiguous)

    assert read("2023-10-29T02:30:00") == f"2023-10-29T{hour}Z"


@given(st.datetimes(datetime.fromisoformat("1970-01-01"), timezones=st.just(UTC)))
def test_an_epoch_is_the_same_instant_in_every_unit(moment: datetime) -> None:
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution

    nanos = time_reader(pattern="epoch_nanos", zone="", ambiguous="refuse")(micros * 1000 + 999)
    found = time_reader(pattern="epoch_micros", zone="", ambiguous="refuse")(str(micros))

    assert nanos == found
    assert datetime.fromisoformat(found) == moment


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_an_event_ignored_or_refused_by_code(value: Any) -> None:
    made = mapping({"n": {"path": "$.n.a", "as": "integer", "default": 0}})

    outcome = made_of(made, SourceRecord(msgspec.json.encode({"id": value, "at": AT, "n": value})))

    assert isinstance(outcome, list) or outcome.code == "capture.unmappable"
