"""Tests a mapping by a pair of files: records as they come, and the events they must become."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import canonical, read_object
from tollbook.flow.capture.mapping import CompiledMapping, compile_mapping
from tollbook.masterdata.documents import to_versions
from tollbook.masterdata.files import read_directory
from tollbook.runtime.mapping_preview import only_mapping
from tollbook.runtime.sample import FORMATS, read_sample
from tollbook.sdk.source import SourceRecord

MAPPING: Final = "mapping.yaml"
EVENTS: Final = "events.jsonl"
_RECORDS: Final = "records"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where the outcome is not the expected one: its line in events.jsonl; None = there is none."""

    line: int
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class Checked:
    """How many records were mapped, how many outcomes they had, and which were not expected."""

    records: int
    outcomes: Sequence[bytes]
    mismatches: Sequence[Mismatch]


def check_directory(directory: Path, *, mapping_id: str | None = None) -> Checked:
    """Map the records of a directory and compare what they become with its events.jsonl.

    The directory holds mapping.yaml, records.jsonl (or .csv, .json, .parquet) and events.jsonl: an
    event a line in the order of the records, {"ignored": n} for what is left out and
    {"rejected": code, "field": name} for what cannot be mapped. Of one
    record the events come first, then what is rejected, then what is ignored.
    """
    mapping = _read_mapping(directory, mapping_id)
    records = list(read_sample(_records_file(directory)))
    found = [line for record in records for line in _outcomes(mapping, record)]
    expected = _expected(directory / EVENTS)
    mismatches = [
        Mismatch(number, _text(expected, number), _text(found, number))
        for number in range(1, max(len(found), len(expected)) + 1)
        if _text(expected, number) != _text(found, number)
    ]
    return Checked(len(records), found, mismatches)


def _read_mapping(directory: Path, mapping_id: str | None) -> CompiledMapping:
    reading = read_directory(_existing(directory / MAPPING))
    wanted = to_versions(reading.documents, reading.problems)
    if wanted.problems:
        first = wanted.problems[0]
        raise Rejected(first.code, f"{first.place}: {first.message}")
    mapping = only_mapping(wanted.versions, mapping_id, MAPPING)
    try:
        return compile_mapping(mapping)
    except ValueError as error:
        raise Rejected("masterdata.invalid_mapping", f"{MAPPING}: {error}.") from error


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise Rejected("capture.no_such_file", f"There is no file {file}.")
    return file


def _records_file(directory: Path) -> Path:
    for form in FORMATS:
        file = directory / f"{_RECORDS}.{form}"
        if file.is_file():
            return file
    raise Rejected(
        "capture.no_such_file", f"{directory} has no {_RECORDS}.{{{','.join(FORMATS)}}}."
    )


def _outcomes(mapping: CompiledMapping, record: SourceRecord) -> Iterator[bytes]:
    try:
        if record.refusal is not None:
            raise record.refusal
        mapped = mapping.apply(record)
    except Rejected as refusal:
        yield canonical(_told(refusal))
        return
    for event in mapped.events:
        yield canonical(read_object(event))
    for element in mapped.refused:
        yield canonical(_told(element.refusal))
    if mapped.ignored:
        yield canonical({"ignored": mapped.ignored})


def _told(refusal: Rejected) -> dict[str, str]:
    field = {"field": refusal.ids["field"]} if "field" in refusal.ids else {}
    return {"rejected": refusal.code, **field}


def _expected(file: Path) -> list[bytes]:
    if not file.is_file():
        return []
    lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    return [canonical(read_object(line)) for line in lines]


def _text(lines: Sequence[bytes], number: int) -> str | None:
    return lines[number - 1].decode() if number <= len(lines) else None
