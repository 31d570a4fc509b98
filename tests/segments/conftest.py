"""A company whose November can be sealed: its database knows where the archive is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tollbook.storage.database import Database


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give the directory of the archive."""
    return tmp_path / "archive"


@pytest.fixture
def database(dsn: str, archive: Path) -> Iterator[Database]:
    """Give an open pool whose sessions know the archive."""
    database = Database(dsn, size=4, session={"tollbook.archive": str(archive)})
    yield database
    database.close()
