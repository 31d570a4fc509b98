"""Reads a source in the ways that tests of single sources need."""

from collections.abc import Mapping, Sequence

from tollbook.errors import Transient
from tollbook.sdk.source import Chunk, Source
from tollbook.sdk.source_conformance import READS_MAX, RECORDS_MAX, WAIT_SECONDS, Book, read_once

QUIET_SECONDS = 1.0


def positions(lanes: Sequence[str]) -> Mapping[str, int]:
    """Return no position: nothing was stored."""
    del lanes
    return {}


def read_all_that_comes(source: Source) -> list[Chunk]:
    """Read, settling nothing, until nothing comes for a while."""
    chunks: list[Chunk] = []
    while some := source.read(records_max=RECORDS_MAX, wait_seconds=QUIET_SECONDS):
        chunks += some
    return chunks


def read_until_it_fails(source: Source) -> list[Chunk]:
    """Read, settling nothing, until the source says that nobody answers."""
    chunks: list[Chunk] = []
    for _ in range(READS_MAX):
        try:
            chunks += source.read(records_max=RECORDS_MAX, wait_seconds=WAIT_SECONDS)
        except Transient:
            return chunks
    raise AssertionError("it never failed")


def drain_through_failures(source: Source, book: Book, count: int) -> None:
    """Read, store and settle until the book holds so many records, however often it fails."""
    for _ in range(READS_MAX):
        if len(book.bodies) >= count:
            return
        try:
            chunks = source.read(records_max=RECORDS_MAX, wait_seconds=WAIT_SECONDS)
        except Transient:
            continue
        for chunk in chunks:
            book.store(source, chunk)
        source.settle(chunks)
    raise AssertionError(f"{len(book.bodies)} of {count} records came")


def bodies_of(chunks: Sequence[Chunk]) -> list[bytes]:
    """Return the bodies in chunks, in order."""
    return [record.body for chunk in chunks for record in chunk.records]


def first_chunk(source: Source) -> Chunk:
    """Read until a chunk comes, and return it."""
    [chunk] = read_once(source)
    return chunk
