"""What a group of arrivals raises the summaries by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NamedTuple

from tollbook.flow.meter.layout import Layout

Number = int | Decimal

# What stands in the columns that a kind of point does not need.
NO_HASH: Final = bytes(16)
NO_TIME: Final = "epoch"


class Row(NamedTuple):
    """What one customer's row of one layout and bucket is raised by; columns as in the table."""

    customer_id: str
    layout: int
    hour: str
    dimensions: str
    events: int
    digest_1: int
    digest_2: int
    total_1: Number | None
    total_2: Number | None
    total_3: Number | None
    smallest: Number | None
    largest: Number | None
    newest: Number | None
    latest_at: str | None
    latest_h: bytes | None


class PointRow(NamedTuple):
    """A member, value, sample or gauge point of one meter; columns as in the table."""

    customer_id: str
    meter_id: str
    layout: int
    hour: str
    dimensions: str
    key: str = ""
    at: str = NO_TIME
    h: bytes = NO_HASH
    value: Number = 0
    amount: Number = 1
    first: int = 0
    second: int = 0


@dataclass(slots=True)
class Deltas:
    """The rows of a group of arrivals, and what is known of them.

    `days` are the (UTC day, event type) of the arrivals; `dirty` those among them that could not be
    counted at the door and must be counted from the events. `basis` says for each type by which
    meters it was counted, `generation` how many versions of master data were known.
    """

    generation: int
    basis: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    layouts: dict[int, Layout] = field(default_factory=dict)
    days: set[tuple[str, str]] = field(default_factory=set)
    dirty: set[tuple[str, str]] = field(default_factory=set)
