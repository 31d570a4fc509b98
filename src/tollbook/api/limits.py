"""What all requests in one process may hold at a time, so that memory does not grow with load."""

from dataclasses import dataclass
from typing import Final

from tollbook.errors import Transient

REQUESTS_MAX: Final = 1_000
RETRY_SECONDS: Final = 1
BUSY: Final = "api.busy"


class Budget:
    """Counts the requests that are being served and the bytes that they hold.

    It is used on the event loop only, so counting needs no lock.
    """

    def __init__(self, *, bytes_max: int, requests_max: int = REQUESTS_MAX) -> None:
        self.bytes_max = bytes_max
        self.requests_max = requests_max
        self.bytes = 0
        self.requests = 0

    def enter(self) -> None:
        """Count a request until it leaves; Transient when too many are being served."""
        if self.requests >= self.requests_max:
            raise Transient(
                BUSY,
                "Too many requests are being served at this moment: send this again in a second.",
                retry_after_seconds=RETRY_SECONDS,
            )
        self.requests += 1

    def leave(self) -> None:
        """Count a request no more."""
        self.requests -= 1

    def hold(self) -> "Hold":
        """Return what one request holds, nothing yet; release it at the end."""
        return Hold(self)


@dataclass(slots=True)
class Hold:
    """The bytes that one request holds."""

    budget: Budget
    size: int = 0

    def add(self, size: int) -> None:
        """Hold more bytes; Transient when that is more than all requests together may hold."""
        if self.budget.bytes + size > self.budget.bytes_max:
            raise Transient(
                "capture.busy",
                "Too much is being received at this moment: send this again in a second.",
                retry_after_seconds=RETRY_SECONDS,
            )
        self.budget.bytes += size
        self.size += size

    def give_back(self, size: int) -> None:
        """Hold fewer bytes."""
        self.budget.bytes -= size
        self.size -= size

    def release(self) -> None:
        """Hold nothing any more."""
        self.budget.bytes -= self.size
        self.size = 0
