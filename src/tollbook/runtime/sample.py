"""Reads the records of a file as a source would give them, for previews and tests of mappings."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final

import msgspec

from tollbook.errors import Rejected
from tollbook.sdk.drops.rows import FileRule, read_rows
from tollbook.sdk.source import SourceRecord

FORMATS: Final = ("jsonl", "json", "csv", "parquet")


def read_sample(
    file: Path, *, rule: FileRule | None = None, limit: int | None = None
) -> Iterator[SourceRecord]:
    """Yield the records of a file, packed or not; otherwise as `read_stream`."""
    with file.open("rb") as stream:
        yield from read_stream(stream, file.name, rule or FileRule(), limit=limit)


def read_stream(
    stream: IO[bytes], name: str, rule: FileRule, *, limit: int | None = None
) -> Iterator[SourceRecord]:
    """Yield the records of a stream of bytes, with its name as `meta.object`, their place as `meta.row`.

    A line of JSON such as {"body": {...}, "meta": {"topic": "t"}} brings its own metadata. Rejected
    when the stream cannot be read as what it is said to be.
    """
    try:
        yield from islice(_records(stream, name, rule), limit)
    except Rejected as failure:
        raise Rejected("capture.sample_unreadable", f"{name}: {failure.message}") from failure


def _records(stream: IO[bytes], name: str, rule: FileRule) -> Iterator[SourceRecord]:
    row = 0
    for batch in read_rows(stream, name, rule):
        for at, body in enumerate(batch.bodies):
            row += 1
            metadata = {"object": name, "row": str(row)}
            refusal = batch.refusals.get(at)
            yield _with_own_metadata(SourceRecord(body, metadata=metadata, refusal=refusal))


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
