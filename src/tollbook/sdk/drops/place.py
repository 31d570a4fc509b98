"""The contract of a place where objects are dropped: a directory, a bucket, a container."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final, Protocol

MANIFEST_SUFFIX: Final = ".manifest.json"
MARKER_SUFFIX: Final = ".done"

# What uploading programs call a file that is not complete yet.
_UNFINISHED: Final = (
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".inprogress",
)


@dataclass(frozen=True, slots=True)
class DropObject:
    """One object. `key` is its name in the place; `version` changes whenever its content may have."""

    key: str
    version: str
    size: int
    modified_at: datetime


class DropPlace(Protocol):
    """A place where others drop objects. Used by one thread.

    Any method may raise `Transient` (try again later), `Blocked` (a person must act there) or
    `Rejected` (its configuration is wrong).
    """

    @property
    def identity(self) -> str:
        """The place as an address without secrets; part of what names a row for ever."""
        ...

    @property
    def can_continue(self) -> bool:
        """Whether listing after a key is cheaper than listing all."""
        ...

    def list_after(self, key: str) -> Iterator[DropObject]:
        """Yield the complete objects with a greater key, in the order of their keys."""
        ...

    @property
    def announces(self) -> bool:
        """Whether the place tells of new objects by itself."""
        ...

    def news(self, wait_seconds: float) -> Sequence[DropObject]:
        """Return objects that the place announced, waiting up to some seconds for the first.

        They are announced again until `forget_news` is called.
        """
        ...

    def forget_news(self) -> None:
        """Hear that what was announced is on record."""
        ...

    def open(self, found: DropObject) -> IO[bytes]:
        """Return exactly this version as a local file that can be sought; the caller closes it.

        Rejected with `capture.object_gone` when the place no longer has it.
        """
        ...

    def mark_done(self, found: DropObject) -> None:
        """Move or mark an object that was taken, if so configured; twice does no harm."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


def is_unfinished(key: str) -> bool:
    """Tell whether a name, or a folder on its way, is hidden or that of an unfinished upload."""
    parts = key.split("/")
    return any(part.startswith((".", "_")) for part in parts) or key.lower().endswith(
        (*_UNFINISHED, "~")
    )


def is_manifest(key: str) -> bool:
    """Tell whether an object only tells about others."""
    return key.endswith(MANIFEST_SUFFIX) or key.rpartition("/")[2] == MANIFEST_SUFFIX[1:]


def is_data(key: str) -> bool:
    """Tell whether an object holds usage."""
    return not (is_manifest(key) or key.endswith((MARKER_SUFFIX, "/")) or is_unfinished(key))
