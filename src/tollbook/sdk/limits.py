"""How fast one outside system is called: it shrinks when throttled and stops when locked out."""

import threading
from typing import Final

GROW_AFTER: Final = 20  # successes in a row that earn one more call at a time
THROTTLE_SECONDS: Final = 1.0


class Pace:
    """Calls at a time and pauses of one target, shared by its threads. Seconds are monotonic."""

    def __init__(self, concurrency: int) -> None:
        assert concurrency > 0, "somebody has to call"
        self._lock = threading.Lock()
        self._most = concurrency
        self._allowed = concurrency
        self._active = 0
        self._good = 0
        self._paused_until = 0.0

    @property
    def allowed(self) -> int:
        """How many calls are allowed at a time now."""
        return self._allowed

    def enter(self, now: float) -> bool:
        """Take a place; False when all are taken or the target is paused."""
        with self._lock:
            if self._active >= self._allowed or now < self._paused_until:
                return False
            self._active += 1
            return True

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            assert self._active > 0, "only who entered leaves"
            self._active -= 1

    def throttled(self, now: float, retry_after_seconds: int | None) -> None:
        """Halve the calls at a time and pause: the target said it is too much."""
        with self._lock:
            self._good = 0
            self._allowed = max(1, self._allowed // 2)
            self._paused_until = max(
                self._paused_until, now + (retry_after_seconds or THROTTLE_SECONDS)
            )

    def pause(self, until: float) -> None:
        """Call nobody until then: the circuit is open."""
        with self._lock:
            self._paused_until = max(self._paused_until, until)

    def succeeded(self) -> None:
        """Earn, slowly, the calls at a time that throttling took."""
        with self._lock:
            self._good += 1
            if self._good >= GROW_AFTER and self._allowed < self._most:
                self._allowed += 1
                self._good = 0
