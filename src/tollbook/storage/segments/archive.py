"""Where sealed files are kept: a directory that we make durable, or a bucket."""

import hashlib
import os
from pathlib import Path
from typing import Any, Final, Protocol

from tollbook.errors import Blocked
from tollbook.storage.segments.extras import part

STAGED_SUFFIX: Final = ".part"
_BUCKET: Final = "s3://"
_READ_BYTES: Final = 1 << 20


class Archive(Protocol):
    """A place of files that never change. Names are relative paths with forward slashes.

    `staging` is a local directory on whose files nobody relies.
    """

    staging: Path

    def keep(self, staged: Path, name: str, *, sha256: str) -> None:
        """Keep a staged file under a name; when this returns, it survives a loss of power."""

    def fetch(self, name: str, *, sha256: str) -> Path:
        """Return a local path of the file; Blocked when it is not there or is another one."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is removed already."""

    def names(self) -> list[str]:
        """Return the names of all files, in order."""


class DirectoryArchive:
    """Files below a directory of this machine, or of one that all machines mount."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.staging = root / "staging"

    def keep(self, staged: Path, name: str, *, sha256: str) -> None:
        """Sync the file, rename it, and sync the directories that name it."""
        del sha256
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        sync_file(staged)
        staged.replace(target)
        for directory in (target.parent, *target.parent.parents):
            _sync_directory(directory)
            if directory == self._root.parent:
                break

    def fetch(self, name: str, *, sha256: str) -> Path:
        """Return the file's own path. Its content is compared by whoever verifies segments."""
        del sha256
        path = self._root / name
        if not path.is_file():
            raise missing(name, str(self._root))
        return path

    def remove(self, name: str) -> None:
        """Remove a file and sync its directory."""
        path = self._root / name
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_directory(path.parent)

    def names(self) -> list[str]:
        """Return the names of all Parquet files, in order."""
        return sorted(
            path.relative_to(self._root).as_posix() for path in self._root.glob("*/*.parquet")
        )


def open_archive(place: str, cache: str) -> Archive:
    """Open the archive at a place: a directory, or `s3://BUCKET/PREFIX` read through `cache`."""
    if not place:
        raise Blocked(
            "config.archive_unknown",
            "Sealed days are to be read, but this session does not know where they are kept: use "
            "the settings of the installation.",
        )
    if place.startswith(_BUCKET):
        bucket, _, prefix = place.removeprefix(_BUCKET).partition("/")
        archive: Archive = _bucket(bucket, prefix.strip("/"), Path(cache))
        return archive
    return DirectoryArchive(Path(place))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            found.update(block)
    return found.hexdigest()


def sync_file(path: Path) -> None:
    """Have the content of a file on the disk; no library that writes Parquet does it for us."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def missing(name: str, place: str) -> Blocked:
    """Say that a registered file is not there."""
    return Blocked(
        "capture.segment_missing",
        f"The sealed segment {name} is not in the archive at {place}: bring it back from a backup.",
    )


def unreadable(error: Exception) -> Blocked:
    """Say that a file cannot be read to its end."""
    return Blocked(
        "capture.segment_unreadable",
        f"A sealed segment is damaged ({str(error).splitlines()[0]}): `tollbook events "
        "verify-segments` says which; bring it back from a backup.",
    )


def _bucket(bucket: str, prefix: str, cache: Path) -> Any:
    return part("s3").BucketArchive(bucket, prefix, cache=cache)


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
