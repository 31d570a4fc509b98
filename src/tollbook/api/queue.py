"""The events that were handed to the intake and not answered yet, and for how long they wait."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from tollbook.errors import Transient
from tollbook.flow.capture.step import Captured
from tollbook.runtime.intake import Intake
from tollbook.values.clock import Clock

MILLISECONDS: Final = 1000
BEHIND: Final = "capture.behind"


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits: requests, their events and bytes, and milliseconds since the oldest came."""

    requests: int
    events: int
    bytes: int
    oldest_milliseconds: int


class Queue:
    """Hands events to the intake unless those before them wait too long; on the event loop only."""

    def __init__(self, intake: Intake, clock: Clock, *, wait_milliseconds_max: int) -> None:
        self._intake = intake
        self._clock = clock
        self._wait_max = wait_milliseconds_max
        self._numbers = count()
        # In the order they came: the first one is the oldest.
        self._waiting = dict[int, int]()
        self._events = 0
        self._bytes = 0

    def depth(self) -> Depth:
        """Return how much waits now; may be asked from any thread."""
        return Depth(len(self._waiting), self._events, self._bytes, self._oldest())

    def refuse_if_late(self) -> None:
        """Refuse more events while those before them wait, or would wait, too long: Transient."""
        if not self._waiting:
            return
        # What waits is known to be late only when it is; at the pace of the last groups it shows
        # before, so that what is taken is answered in time.
        wait = max(self._oldest(), self._intake.milliseconds_for(self._events))
        if wait > self._wait_max:
            raise Transient(
                BEHIND,
                "Events come faster than they are stored: send these again in a moment.",
                retry_after_seconds=-(-wait // MILLISECONDS),
            )

    async def submit(self, raws: Sequence[bytes]) -> Captured:
        """Return the answers to events after they are durable."""
        self.refuse_if_late()
        number, size = next(self._numbers), sum(map(len, raws))
        self._waiting[number] = self._now()
        self._events += len(raws)
        self._bytes += size
        try:
            return await asyncio.wrap_future(self._intake.submit(raws))
        finally:
            del self._waiting[number]
            self._events -= len(raws)
            self._bytes -= size

    def _oldest(self) -> int:
        since = next(iter(self._waiting.copy().values()), None)
        return 0 if since is None else self._now() - since

    def _now(self) -> int:
        return int(self._clock.monotonic() * MILLISECONDS)
