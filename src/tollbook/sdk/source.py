"""The contract of a source of usage: it gives records in chunks, and hears what was stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Progress = Literal[
    "positions",  # we keep, in the transaction of the events, where to go on in each lane
    "acknowledged",  # the system itself forgets a record once we say that it is stored
]


@dataclass(frozen=True, slots=True)
class SourceCapabilities:
    """What a source can do.

    `is_ordered`: the records of one lane come in the order they were written. `can_rewind`: what was
    given can be read again from a position.
    """

    progress: Progress
    is_ordered: bool
    can_rewind: bool


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record as the outside system gave it.

    `attributes` are the CloudEvents attributes that the transport carried beside the body (their
    names in lower case and without prefix, `datacontenttype` for its content type); empty when it
    carried none. `metadata` is what a mapping may select besides the body: topic, key, headers,
    object name, row number.
    """

    body: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one lane that are stored together, and where the lane goes on after them.

    A lane is what has an order of its own: the partition of a topic, one object of a bucket, a
    subscription. `first` and `next` are positions (`next` is not yet read); both are 0 where
    progress is acknowledged. `is_end` tells that nothing will ever follow in this lane.
    """

    lane: str
    records: Sequence[SourceRecord]
    first: int = 0
    next: int = 0
    is_end: bool = False
    handle: object = None  # the source's own: what it needs to acknowledge


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a source still holds for us: records (None = it cannot tell) and the age of the oldest."""

    records: int | None = None
    oldest_seconds: float | None = None


# Returns the stored position of each lane that has one.
Positions = Callable[[Sequence[str]], Mapping[str, int]]


class Source(Protocol):
    """An outside system that holds usage. Used by one thread.

    Any method may raise `Transient` (try again later), `Blocked` (a person must act there: denied,
    no such topic) or `Rejected` (its configuration is wrong).
    """

    @property
    def capabilities(self) -> SourceCapabilities:
        """What this source can do."""
        ...

    def open(self, positions: Positions) -> None:
        """Connect; ask `positions` where to go on, now or whenever a lane is given to us."""
        ...

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        """Return what is there, waiting up to some seconds for the first; each lane at most once.

        Records that were given and neither settled nor rewound are not given again.
        """
        ...

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """Hear that these chunks are stored for good; may come late, twice or (after a crash) never."""
        ...

    def rewind(self, chunk: Chunk, position: int) -> None:
        """Give the records of a chunk's lane again from a position, if the lane is still ours.

        Where progress is acknowledged, the chunk was not stored and is to be given again.
        """
        ...

    def backlog(self) -> Backlog:
        """Tell how much waits there."""
        ...

    def close(self) -> None:
        """Release connections; what was not settled comes again."""
        ...
