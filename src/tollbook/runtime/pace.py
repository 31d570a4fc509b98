"""How fast events were stored lately, from which follows how long more of them would wait."""

from collections import deque
from typing import Final

MILLISECONDS: Final = 1000
# Small groups say little: most of their time does not depend on how many events they have.
EVENTS_MIN: Final = 1_000
GROUPS_MAX: Final = 8
# What was so long ago says nothing of now.
SECONDS_MAX: Final = 10


class Pace:
    """The last groups of some size: their events, how long each took and when it ended.

    One thread notes, any thread asks. Instants are those of a monotonic clock, in seconds.
    """

    def __init__(self) -> None:
        self._groups: deque[tuple[int, float, float]] = deque(maxlen=GROUPS_MAX)

    def note(self, events: int, *, begun: float, ended: float) -> None:
        """Remember a group that was stored."""
        if events >= EVENTS_MIN:
            self._groups.append((events, ended - begun, ended))

    def milliseconds(self, events: int, *, now: float) -> int:
        """Return how long so many events take; 0 when nothing is known about that."""
        groups = [one for one in list(self._groups) if now - one[2] <= SECONDS_MAX]
        if not groups:
            return 0
        seconds = sum(one[1] for one in groups)
        return int(seconds * MILLISECONDS * events / sum(one[0] for one in groups))
