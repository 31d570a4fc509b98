"""Tells which files of a directory are complete, and whether one is still being written."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final, Literal

from tollbook.sdk.drops.place import MARKER_SUFFIX, DropObject, is_data
from tollbook.values.clock import Clock

# A file is complete when it has not changed for a while, once it has its name, or with its marker.
CompleteWhen = Literal["stable", "renamed", "marker"]

# How far the clock of another machine may be from ours.
FOREIGN_CLOCK: Final = timedelta(seconds=60)


class Settling:
    """Files that were seen, and since when they did not change."""

    def __init__(self, clock: Clock, seconds: int, *, leeway: timedelta = timedelta()) -> None:
        self._clock = clock
        self._seconds = seconds
        self._age = timedelta(seconds=seconds) + leeway
        self._since: dict[str, tuple[str, float]] = {}

    def is_settled(self, found: DropObject) -> bool:
        """Tell whether a file has not changed for long enough, by its time or by our watching."""
        if not self._seconds or self._clock.now() - found.modified_at >= self._age:
            self._since.pop(found.key, None)
            return True
        now = self._clock.monotonic()
        version, since = self._since.get(found.key, ("", now))
        if version != found.version:
            since = now
            self._since[found.key] = (found.version, since)
        return now - since >= self._seconds


def complete_files(
    entries: Mapping[str, DropObject],
    *,
    after: str,
    complete_when: CompleteWhen,
    settling: Settling,
) -> Iterator[DropObject]:
    """Yield the complete files of a listing with a greater key, in order.

    What is no data (a manifest, a marker) is given as it is.
    """
    for key in sorted(entries):
        if key <= after:
            continue
        found = entries[key]
        if (
            not is_data(key)
            or (complete_when == "marker" and key + MARKER_SUFFIX in entries)
            or complete_when == "renamed"
            or (complete_when == "stable" and settling.is_settled(found))
        ):
            yield found
