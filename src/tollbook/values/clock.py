"""The only door to the system clock and to waiting."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the instant (aware, UTC) and waits."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after that many seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow, for deadlines and durations."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Return after that many seconds."""
        threading.Event().wait(seconds)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()


class FixedClock:
    """A clock that stands still until told to move; waiting moves it."""

    def __init__(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError("an instant carries its time zone")
        self._at = at.astimezone(UTC)
        self._waited = 0.0

    def now(self) -> datetime:
        """Return the instant the clock stands at."""
        return self._at

    def wait(self, seconds: float) -> None:
        """Move the clock on."""
        self._at += timedelta(seconds=seconds)
        self._waited += seconds

    def monotonic(self) -> float:
        """Return the seconds waited so far."""
        return self._waited
