"""The contract of a posting target, and the capabilities the posting engine adapts to."""

from dataclasses import dataclass
from typing import Literal, Protocol

from tollbook.records.posting import DocumentKind, FinanceDocument, PendingRemote, Receipt

KeyGuard = Literal[
    "unique_key",  # the ERP itself refuses a second document with our key
    "lookup",  # the ERP can be asked for our key but does not enforce it
    "neither",  # a document in doubt goes to a person
]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a target can do. Durations in seconds.

    `request_life_seconds` is the longest time a request can still take effect after we gave up on
    it; without a unique key no document in doubt is looked up for the last time before that.
    """

    kinds: tuple[DocumentKind, ...]
    key_guard: KeyGuard
    key_length_max: int
    posts_at_once: bool
    tax: Literal["supplied", "computed"]
    concurrency: int
    request_life_seconds: float


class Target(Protocol):
    """An outside system that takes finance documents.

    Every method may raise `Transient` (certain that nothing happened). `send` also raises
    `Rejected` (a well-formed refusal), `Blocked` (closed period, missing master data there) and
    `Unknown` (sent, fate not heard, or refused as a duplicate of our key).
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this target can do."""
        ...

    def send(self, document: FinanceDocument) -> Receipt | PendingRemote:
        """Create and post the document under its key; return what the ERP says it holds."""
        ...

    def look_up(self, document: FinanceDocument) -> Receipt | PendingRemote | None:
        """Find the document by its key; None when the ERP certainly does not have it."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
