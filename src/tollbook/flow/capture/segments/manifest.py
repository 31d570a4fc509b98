"""The manifest of a sealed segment: what a file holds, by which it is proven for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

SegmentState = Literal["sealed", "restored", "expiring", "deleted"]


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """How many digits the numbers of a field have at most, before and after the point."""

    digits: int
    scale: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of sealed events of one UTC day. `path` is below the archive's place.

    `texts` and `numbers` are the fields of the data that have columns of their own; of a number the
    bounds are proven. Its events are read from the file in the states `sealed` and `expiring`.
    """

    day: date
    segment: int
    path: str
    event_count: int
    bytes: int
    sha256: str
    digest_1: int
    digest_2: int
    first_receipt: int
    last_receipt: int
    first_at: datetime
    last_at: datetime
    types: Mapping[str, int]
    texts: Sequence[str]
    numbers: Mapping[str, NumberBounds]
    format: int
    sealed_at: datetime
    sealed_by: str
    state: SegmentState = "sealed"
    expiring_by: str | None = None

    @property
    def name(self) -> str:
        """The segment as people say it: its day and number."""
        return f"{self.day}/{self.segment}"


def path_of(day: date, segment: int, sha256: str) -> str:
    """Return where a segment is kept; its content is in its name, so no two files share one."""
    return f"{day}/{segment:04}-{sha256[:16]}.parquet"
