"""A directory of its own for each test, and readers of it."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from source_consumer import NAME
from tollbook.connectors.directory.source import connect
from tollbook.runtime.object_register import ObjectRegister
from tollbook.sdk.drops.source import DropSource
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock


class DirectoryRig:
    """Each write is a file of its own, complete from the moment it has its name."""

    connector = "directory"

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path
        self.options: Mapping[str, str] = {"path": str(path), "complete_when": "renamed"}
        self._database = database
        self._numbers = itertools.count(1)

    def put(self, bodies: Sequence[bytes]) -> None:
        """Write a file under another name and rename it."""
        unfinished = self.path / "arriving.tmp"
        unfinished.write_bytes(b"".join(body + b"\n" for body in bodies))
        unfinished.rename(self.path / f"usage-{next(self._numbers):04}.jsonl")

    def connect(self) -> DropSource:
        """Make a reader."""
        source = connect(self.options, SystemClock())
        source.use_register(ObjectRegister(NAME, self._database, SystemClock()))
        return source

    def put_poison(self) -> bytes:
        """Write a line that is no JSON."""
        self.put([b"\x80 no event"])
        return b"\x80 no event"


@pytest.fixture
def rig(tmp_path: Path, database: Database) -> DirectoryRig:
    """Give an empty directory."""
    (tmp_path / "drops").mkdir()
    return DirectoryRig(tmp_path / "drops", database)
