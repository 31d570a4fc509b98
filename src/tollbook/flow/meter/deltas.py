"""What a group of arrivals raises the summaries by."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollbook.flow.meter.layout import Layout


@dataclass(slots=True)
class Deltas:
    """The rows of a group of arrivals, and what is known of them.

    `rows` and `points` are lines of PostgreSQL's COPY for the tables of the same name, without the
    receipt that ends each: built once, they go to the database as they are. `days` are the (UTC
    day, event type) of the arrivals; `dirty` those among them that could not be counted at the door
    and must be counted from the events. `basis` says for each type by which meters it was counted,
    `generation` how many versions of master data were known.
    """

    generation: int
    basis: Mapping[str, str]
    rows: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    layouts: dict[int, Layout] = field(default_factory=dict)
    days: set[tuple[str, str]] = field(default_factory=set)
    dirty: set[tuple[str, str]] = field(default_factory=set)
