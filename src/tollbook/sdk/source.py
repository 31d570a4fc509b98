"""The contract of a source of usage: it gives records in chunks, and hears what was stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol, runtime_checkable

import msgspec

from tollbook.errors import Failure, Rejected

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

# What `Positions` answers for a lane that was stored to its end.
LANE_DONE: Final = -1

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


class SourceRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as the outside system gave it.

    `attributes` are the CloudEvents attributes that the transport carried beside the body (their
    names in lower case and without prefix, `datacontenttype` for its content type, values as text
    without the escapes of the transport); empty when it carried none. `metadata` is what a mapping may select besides the body: topic, key, headers,
    object name, row number; a source whose options name no `mapping` need not fill it.

    `refusal` is set when the source itself cannot read the record (no such schema, a broken row):
    then `body` is what came, and it goes to quarantine for that reason.
    """

    body: bytes
    attributes: Mapping[str, str] = NOTHING
    metadata: Mapping[str, str] = NOTHING
    refusal: Rejected | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one lane that are stored together, and where the lane goes on after them.

    A lane is what has an order of its own: the partition of a topic, one object of a bucket, a
    subscription. `first` and `next` are positions (`next` is not yet read); both are 0 where
    progress is acknowledged. `first` is where the lane was to go on, also when numbers before the
    first record are empty: it is the `next` of the chunk before, or the stored position, or where
    a lane without one begins. `is_end` tells that nothing will ever follow in this lane. `facts`
    are kept with the position: size, digest or control total of an object.

    A lane with positions may be given to two readers for a moment; only the one whose `first` is
    the stored position gets in.
    """

    lane: str
    records: Sequence[SourceRecord]
    first: int = 0
    next: int = 0
    is_end: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    handle: object = None  # the source's own: what it needs to acknowledge


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a source still holds for us: records (None = it cannot tell) and the age of the oldest."""

    records: int | None = None
    oldest_seconds: float | None = None


# Returns the stored position of each lane that has one, or LANE_DONE. Transient when the database
# does not answer; a source that asks in a callback of its client asks again in its next `read`.
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

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Hear, every second or so while the database is away, that these chunks wait for it.

        Stay connected, extend leases, read nothing new; return the chunks that are still ours.
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


@runtime_checkable
class HearsAnswers(Protocol):
    """A source that keeps count of the answers to what it gave."""

    def answered(
        self, transaction: object, chunks: Sequence[Chunk], counts: Mapping[str, int]
    ) -> None:
        """Hear, in the transaction that stores these chunks, how many events had each answer."""
        ...


@runtime_checkable
class TellsStuckLanes(Protocol):
    """A source of which one lane may be stuck while the others are read."""

    def stuck(self) -> Mapping[str, Failure]:
        """Return by lane why it does not go on until a person has acted."""
        ...
