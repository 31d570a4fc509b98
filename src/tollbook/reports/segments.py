"""Proves sealed segments: each file is the one that was written, and holds the events it should."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tollbook.errors import Blocked
from tollbook.flow.capture.segments.manifest import Segment
from tollbook.flow.capture.segments.store import READ_STATES, archive_of, list_segments
from tollbook.flow.meter.digest import fingerprint
from tollbook.storage.database import Connection
from tollbook.storage.segments.archive import sha256_of
from tollbook.storage.segments.extras import part


@dataclass(frozen=True, slots=True)
class SegmentCheck:
    """A segment and what is wrong with it; nothing wrong = it proves itself."""

    day: date
    segment: int
    path: str
    event_count: int
    wrong: tuple[str, ...]


def verify_segments(
    connection: Connection, *, first: date | None = None, until: date | None = None
) -> Iterator[SegmentCheck]:
    """Check each file against its manifest, and its manifest against its content hashed anew.

    Restored and deleted segments are not read: their events are elsewhere, or gone by policy.
    """
    archive = archive_of(connection)
    for segment in list_segments(connection, first=first, until=until, states=READ_STATES):
        try:
            path = archive.fetch(segment.path, sha256=segment.sha256)
        except Blocked as missing:
            wrong = [missing.message]
        else:
            wrong = list(_differences(segment, path))
        yield SegmentCheck(
            segment.day, segment.segment, segment.path, segment.event_count, tuple(wrong)
        )


def broken_segments(connection: Connection) -> Iterator[str]:
    """Yield the segments that do not prove themselves, with what is wrong."""
    if not list_segments(connection, states=READ_STATES):
        return
    try:
        for check in verify_segments(connection):
            for sentence in check.wrong:
                yield f"{check.day}/{check.segment}: {sentence}"
    except Blocked as unknown:
        yield unknown.message


def _differences(segment: Segment, path: Path) -> Iterator[str]:
    if sha256_of(path) != segment.sha256:
        yield "the file is not the one that was sealed (sha256)"
    try:
        count, first, second = _content(part("writing").content_rows(path))
    except (OSError, ValueError) as error:
        yield f"the file cannot be read ({str(error).splitlines()[0]})"
        return
    if count != segment.event_count:
        yield f"it holds {count} events, not {segment.event_count}"
    if (first, second) != (segment.digest_1, segment.digest_2):
        yield "its events are not those that were sealed (digest)"


def _content(rows: Iterable[tuple[Any, ...]]) -> tuple[int, int, int]:
    """Return how many events there are and the sums of their hashes, computed from content alone."""
    count = first = second = 0
    for _, _, _, *content in rows:
        halves = fingerprint(*content)
        count, first, second = count + 1, first + halves[0], second + halves[1]
    return count, first, second
