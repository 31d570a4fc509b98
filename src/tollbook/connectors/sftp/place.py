"""A directory of an SFTP server where files are dropped."""

import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from posixpath import dirname, join
from typing import IO, Any, Final, Literal

import asyncssh

from tollbook.connectors.sftp.session import Session
from tollbook.errors import Blocked, Failure, Rejected
from tollbook.observe.log import logger
from tollbook.sdk.drops.place import (
    MANIFEST_SUFFIX,
    MARKER_SUFFIX,
    DropObject,
    is_unfinished,
)
from tollbook.sdk.drops.settling import CompleteWhen, Settling, complete_files
from tollbook.sdk.drops.spool import spool

WhenDone = Literal["keep", "move"]

DONE_FOLDER: Final = "_done"
BLOCK_BYTES: Final = 1 << 20

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOG: Final = logger("sftp")


class SftpPlace:
    """The files below a directory; hidden ones, links and unfinished uploads are left alone."""

    def __init__(
        self,
        session: Session,
        root: str,
        settling: Settling,
        *,
        identity: str,
        complete_when: CompleteWhen,
        when_done: WhenDone,
        spool_directory: str,
    ) -> None:
        self._session = session
        self._root = root
        self._settling = settling
        self._identity = identity
        self._complete_when = complete_when
        self._when_done = when_done
        self._spool_directory = spool_directory

    @property
    def identity(self) -> str:
        """The directory as an address."""
        return self._identity

    @property
    def can_continue(self) -> bool:
        """A directory has to be listed whole."""
        return False

    @property
    def announces(self) -> bool:
        """The server tells nothing by itself."""
        return False

    def list_after(self, key: str) -> Iterator[DropObject]:
        """Yield the complete files with a greater key, in order."""
        client = self._session.client()
        try:
            entries = dict(self._entries(client, self._root, ""))
        except Rejected as failure:
            raise Blocked(
                "capture.no_such_place", f"{self._identity} cannot be listed: {failure.message}"
            ) from failure
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
        """Fetch a file to the local disk if it is, before and after, this version."""
        path = join(self._root, found.key)
        client = self._session.client()
        remote = self._session.call(client.open(path, "rb", block_size=BLOCK_BYTES), what=found.key)
        try:
            file = spool(
                self._blocks(remote, found), size=found.size, directory=self._spool_directory
            )
        finally:
            self._session.call(remote.close(), what=found.key)
        attributes = self._session.call(client.stat(path), what=found.key)
        if _object(found.key, attributes).version != found.version:
            file.close()
            raise Rejected("capture.object_gone", f"{found.key} is gone or was replaced meanwhile.")
        return file

    def mark_done(self, found: DropObject) -> None:
        """Move a file, and what speaks of it, below the folder of what is done."""
        if self._when_done == "keep":
            return
        client = self._session.client()
        for suffix in ("", MANIFEST_SUFFIX, MARKER_SUFFIX):
            path = join(self._root, found.key + suffix)
            target = join(self._root, DONE_FOLDER, found.key + suffix)
            try:
                if not self._session.call(client.isfile(path), what=path):
                    continue
                if self._session.call(client.exists(target), what=target):
                    target += f".{found.version}"
                self._session.call(client.makedirs(dirname(target), exist_ok=True), what=target)
                self._session.call(client.rename(path, target), what=path)
            except Failure as failure:
                # It is on record as done: it is not taken again where it lies.
                _LOG.warning("object_not_moved", object=found.key, reason=str(failure))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _blocks(self, remote: Any, found: DropObject) -> Iterator[bytes]:
        while block := self._session.call(remote.read(BLOCK_BYTES), what=found.key):
            yield block

    def _entries(
        self, client: asyncssh.SFTPClient, folder: str, prefix: str
    ) -> Iterator[tuple[str, DropObject]]:
        for entry in self._session.call(client.readdir(folder), what=folder):
            name = str(entry.filename)
            key = prefix + name
            mode = entry.attrs.permissions or 0
            if is_unfinished(key):
                continue
            if stat.S_ISDIR(mode):
                yield from self._entries(client, join(folder, name), key + "/")
            elif not key.isprintable():
                _LOG.warning("object_name_unreadable", object=ascii(key))
            elif stat.S_ISREG(mode):
                yield key, _object(key, entry.attrs)


def _object(key: str, attributes: asyncssh.SFTPAttrs) -> DropObject:
    # Version 3 of the protocol, which servers speak, knows whole seconds.
    seconds, size = attributes.mtime or 0, attributes.size or 0
    return DropObject(key, f"{seconds}-{size}", size, _EPOCH + timedelta(seconds=seconds))
