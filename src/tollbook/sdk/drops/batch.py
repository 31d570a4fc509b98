"""What every reader of rows gives: some rows at a time, each as the bytes of one JSON object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from tollbook.errors import Rejected

ROWS_PER_BATCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Trailer:
    """What the last record of a file says of those before it; None where it says nothing."""

    rows: int | None = None
    sums: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that follow each other.

    `refusals` holds, by position in `bodies`, why a row could not be read: its body is then the
    bytes of the row as they came. The last batch may carry the file's trailer.
    """

    bodies: Sequence[bytes]
    refusals: Mapping[int, Rejected] = field(default_factory=dict)
    trailer: Trailer | None = None


class Gathering:
    """Rows on their way to a batch."""

    def __init__(self, first: int = 0) -> None:
        self.bodies: list[bytes] = []
        self._refusals: dict[int, Rejected] = {}
        self._before = first

    @property
    def is_full(self) -> bool:
        """Whether there are enough rows for a batch."""
        return len(self.bodies) >= ROWS_PER_BATCH

    def refuse(self, raw: bytes, why: str) -> None:
        """Add a row that cannot be read."""
        number = self._before + len(self.bodies) + 1
        self._refusals[len(self.bodies)] = Rejected(
            "capture.bad_row", f"Row {number} cannot be read: {why}.", row=str(number)
        )
        self.bodies.append(raw)

    def batch(self, trailer: Trailer | None = None) -> Batch:
        """Return what was gathered and begin anew."""
        made = Batch(self.bodies, self._refusals, trailer)
        self._before += len(self.bodies)
        self.bodies, self._refusals = [], {}
        return made
