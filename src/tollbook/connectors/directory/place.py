"""A local directory where files are dropped."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final, Literal

from tollbook.errors import Blocked, Rejected
from tollbook.observe.log import logger
from tollbook.sdk.drops.place import (
    MANIFEST_SUFFIX,
    MARKER_SUFFIX,
    DropObject,
    is_unfinished,
)
from tollbook.sdk.drops.settling import CompleteWhen, Settling, complete_files

# When a file is complete: it did not change for a while, its name is that of a finished upload, or
# a file NAME.done lies beside it.
WhenDone = Literal["keep", "move"]

DONE_FOLDER: Final = "_done"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOG: Final = logger("directory")


class DirectoryPlace:
    """The files below a directory; hidden ones, links and unfinished uploads are left alone."""

    def __init__(
        self, root: Path, settling: Settling, *, complete_when: CompleteWhen, when_done: WhenDone
    ) -> None:
        self._root = root
        self._settling = settling
        self._complete_when = complete_when
        self._when_done = when_done

    @property
    def identity(self) -> str:
        """The directory as an address."""
        return self._root.as_uri()

    @property
    def can_continue(self) -> bool:
        """A directory has to be listed whole."""
        return False

    @property
    def announces(self) -> bool:
        """A directory tells nothing by itself."""
        return False

    def list_after(self, key: str) -> Iterator[DropObject]:
        """Yield the complete files with a greater key, in order."""
        if not self._root.is_dir():
            raise Blocked("capture.no_such_place", f"There is no directory {self._root}: make it.")
        try:
            entries = dict(self._entries(self._root, ""))
        except OSError as error:
            raise Blocked(
                "capture.place_denied", f"{self._root} cannot be listed ({error}): allow it."
            ) from error
        yield from complete_files(
            entries, after=key, complete_when=self._complete_when, settling=self._settling
        )

    def news(self, wait_seconds: float) -> Sequence[DropObject]:
        """Return nothing."""
        del wait_seconds
        return ()

    def forget_news(self) -> None:
        """There was none."""

    def open(self, found: DropObject) -> IO[bytes]:
        """Open a file if it is still this version."""
        path = self._root / found.key
        try:
            # Owned by whoever reads the object, who closes it.
            file = path.open("rb")
        except FileNotFoundError:
            raise _gone(found) from None
        except OSError as error:
            raise Rejected(
                "capture.object_unreadable",
                f"It cannot be opened ({error}): allow it, then touch the file.",
            ) from error
        if _object(found.key, os.fstat(file.fileno())).version != found.version:
            file.close()
            raise _gone(found)
        return file

    def mark_done(self, found: DropObject) -> None:
        """Move a file, and what speaks of it, below the folder of what is done."""
        if self._when_done == "keep":
            return
        for suffix in ("", MANIFEST_SUFFIX, MARKER_SUFFIX):
            path = self._root / (found.key + suffix)
            target = self._root / DONE_FOLDER / (found.key + suffix)
            if target.exists():
                target = target.with_name(f"{target.name}.{found.version}")
            try:
                if path.is_file():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.rename(target)
            except OSError as error:
                # It is on record as done: it is not taken again where it lies.
                _LOG.warning("object_not_moved", object=found.key, reason=str(error))

    def close(self) -> None:
        """Nothing is held open."""

    def _entries(self, folder: Path, prefix: str) -> Iterator[tuple[str, DropObject]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                key = prefix + entry.name
                if is_unfinished(key):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    yield from self._entries(folder / entry.name, key + "/")
                elif not key.isprintable():
                    _LOG.warning("object_name_unreadable", object=ascii(key))
                elif entry.is_file(follow_symlinks=False):
                    try:
                        yield key, _object(key, entry.stat(follow_symlinks=False))
                    except FileNotFoundError:
                        continue


def _object(key: str, stat: os.stat_result) -> DropObject:
    modified_at = _EPOCH + timedelta(microseconds=stat.st_mtime_ns // 1000)
    return DropObject(key, f"{stat.st_mtime_ns}-{stat.st_size}", stat.st_size, modified_at)


def _gone(found: DropObject) -> Rejected:
    return Rejected("capture.object_gone", f"{found.key} is gone or was replaced meanwhile.")
