"""Tells whether a file is still being written, where nothing but its size and its time tells it."""

from datetime import timedelta
from typing import Final

from tollbook.sdk.drops.place import DropObject
from tollbook.values.clock import Clock

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
