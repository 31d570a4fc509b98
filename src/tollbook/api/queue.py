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
RETRY_SECONDS: Final = 1


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
        """Refuse more events while the oldest wait too long: Transient."""
        if self._waiting and self._oldest() > self._wait_max:
            raise Transient(
                "capture.busy",
                "The events before these wait for the database: send these again in a second.",
                retry_after_seconds=RETRY_SECONDS,
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
