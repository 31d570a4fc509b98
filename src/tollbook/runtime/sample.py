"""Reads the records of a file as a source would give them: JSON, lines of JSON, CSV or Parquet."""

import csv
import gzip
import importlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TextIO

import msgspec

from tollbook.errors import Blocked, Rejected
from tollbook.flow.capture.lines import read_lines
from tollbook.sdk.source import SourceRecord

SampleFormat = Literal["jsonl", "json", "csv", "parquet"]
FORMATS: Final[tuple[SampleFormat, ...]] = ("jsonl", "json", "csv", "parquet")
JSON_BYTES_MAX: Final = 64_000_000
FIELD_CHARACTERS_MAX: Final = 1_000_000

_SUFFIXES: Final[dict[str, SampleFormat]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_DELIMITERS: Final = (",", ";", "\t", "|")
_ROWS_PER_BATCH: Final = 10_000
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode


def read_sample(
    file: Path, *, form: SampleFormat | None = None, limit: int | None = None
) -> Iterator[SourceRecord]:
    """Yield the records of a file, gzipped or not; otherwise as `read_stream`."""
    chosen = form or _format_of(file)
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        yield from read_stream(stream, file.name, chosen, limit=limit)


def read_stream(
    stream: Any, name: str, form: SampleFormat, *, limit: int | None = None
) -> Iterator[SourceRecord]:
    """Yield the records of a stream of bytes, with its name as `meta.object`, their place as `meta.row`.

    A line of JSON such as {"body": {...}, "meta": {"topic": "t"}} brings its own metadata. Rejected
    when the stream cannot be read as what it is said to be.
    """
    try:
        yield from islice(_READERS[form](stream, name), limit)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _unreadable(f"{name} cannot be read as {form}: {error}.") from error


def _format_of(file: Path) -> SampleFormat:
    suffixes = [suffix for suffix in file.suffixes if suffix != ".gz"]
    found = _SUFFIXES.get(suffixes[-1].lower()) if suffixes else None
    if found is None:
        raise _unreadable(
            f"The name {file.name} does not tell its format: say which of {', '.join(FORMATS)} it is."
        )
    return found


def _unreadable(message: str) -> Rejected:
    return Rejected("capture.sample_unreadable", message)


def _records(name: str, bodies: Iterable[bytes], *, first: int = 1) -> Iterator[SourceRecord]:
    for row, body in enumerate(bodies, start=first):
        yield SourceRecord(body, metadata={"object": name, "row": str(row)})


def _read_jsonl(stream: Any, name: str) -> Iterator[SourceRecord]:
    for record in _records(name, read_lines(stream)):
        yield _with_own_metadata(record)


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    body: msgspec.Raw
    meta: dict[str, str]


_WRAPPED: Final = msgspec.json.Decoder(_Wrapped)


def _with_own_metadata(record: SourceRecord) -> SourceRecord:
    if b'"meta"' not in record.body or b'"body"' not in record.body:
        return record
    try:
        wrapped = _WRAPPED.decode(record.body)
    except ValueError:
        return record
    return SourceRecord(bytes(wrapped.body), metadata={**record.metadata, **wrapped.meta})


def _read_json(stream: Any, name: str) -> Iterator[SourceRecord]:
    text = stream.read(JSON_BYTES_MAX + 1)
    if len(text) > JSON_BYTES_MAX:
        raise _unreadable(
            f"{name} is one JSON value of more than {JSON_BYTES_MAX} bytes: write a line a record."
        )
    if text.lstrip()[:1] != b"[":
        yield from _records(name, [text])
        return
    try:
        items = _LIST.decode(text)
    except ValueError as error:
        raise _unreadable(f"{name} is no valid JSON: {error}.") from error
    yield from _records(name, (bytes(item) for item in items))


def _read_csv(stream: Any, name: str) -> Iterator[SourceRecord]:
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    try:
        rows = _csv_rows(text)
        names = next(rows, [])
        if not any(names) or len(set(names)) < len(names):
            raise _unreadable(f"The first line of {name} must name each column, and each once.")
        # The heading is line 1, as an editor shows it.
        yield from _records(name, (_csv_body(names, row) for row in rows if row), first=2)
    except csv.Error as error:
        raise _unreadable(f"{name}: {error}.") from error
    finally:
        # Who opened the stream closes it.
        text.detach()


def _csv_rows(text: TextIO) -> Iterator[Sequence[str]]:
    csv.field_size_limit(FIELD_CHARACTERS_MAX)
    heading = text.readline()
    delimiter = max(_DELIMITERS, key=heading.count)
    yield next(csv.reader([heading], delimiter=delimiter), [])
    yield from csv.reader(text, delimiter=delimiter)


def _csv_body(names: Sequence[str], row: Sequence[str]) -> bytes:
    # A row of another length has lost or gained a column; which one, nobody can tell. As a list it
    # is refused, and kept.
    return _ENCODE(dict(zip(names, row, strict=True)) if len(row) == len(names) else row)


def _read_parquet(stream: Any, name: str) -> Iterator[SourceRecord]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise Blocked(
            "config.extra_missing", "Parquet needs more: pip install 'tollbook[parquet]'."
        ) from error
    try:
        stored = parquet.ParquetFile(stream)
    except ValueError as error:
        raise _unreadable(f"{name}: {error}.") from error
    batches = stored.iter_batches(batch_size=_ROWS_PER_BATCH)
    yield from _records(name, (_ENCODE(row) for batch in batches for row in batch.to_pylist()))


_READERS: Final = {
    "jsonl": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "parquet": _read_parquet,
}
