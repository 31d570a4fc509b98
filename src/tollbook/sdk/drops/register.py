"""The contract of the register of seen objects: what became of each, for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from tollbook.errors import Rejected
from tollbook.sdk.drops.place import DropObject

ObjectState = Literal[
    "open",  # its rows are being taken
    "done",  # all its rows were answered
    "refused",  # nothing of it was taken
    "damaged",  # its rows were taken up to where it cannot be read
    "held",  # it waits for its manifest
]


@dataclass(frozen=True, slots=True)
class Seen:
    """One version of an object that was seen; `said_by` is the manifest it was judged by."""

    key: str
    version: str
    sha256: str
    state: ObjectState
    said_by: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Where an object is, and what is known of it once it was opened; empty where it was not.

    `notice` says what a person may want to know though it was taken.
    """

    place: str
    sha256: str = ""
    said_by: str = ""
    notice: str = ""
    complete_up_to: datetime | None = None


class Register(Protocol):
    """What a source of objects remembers. Each method is durable when it returns, or Transient."""

    def seen(self, keys: Sequence[str]) -> Mapping[str, Sequence[Seen]]:
        """Return every version seen of these objects, the oldest first."""
        ...

    def begin(self, found: DropObject, judged: Judged) -> None:
        """Note that rows of an object are taken from now on."""
        ...

    def count(
        self, transaction: object, lane: str, *, rows: int, counts: Mapping[str, int]
    ) -> None:
        """Add the answers to some rows in the transaction that stores them."""
        ...

    def finish(self, found: DropObject) -> None:
        """Note that all rows of an object were answered; what was on the worklist for it goes."""
        ...

    def stop(
        self, found: DropObject, judged: Judged, state: ObjectState, failure: Rejected
    ) -> None:
        """Note that an object is not taken (on), and why; it goes on the worklist."""
        ...


@runtime_checkable
class KeepsRegister(Protocol):
    """A source that needs a register before it is opened."""

    def use_register(self, register: Register) -> None:
        """Take the register of this source."""
        ...
