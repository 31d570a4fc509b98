"""A directory that is pumped into a database, on a clock that stands still between looks."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from door import furnish
from tollbook.app import App
from tollbook.config import Settings, SystemSettings
from tollbook.flow.capture.objects import store as register
from tollbook.flow.capture.store import Quarantined, list_quarantine
from tollbook.runtime.pump import Pump, Pumped, RecordMapper, Taker
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.worklist.store import list_items

NAME = "drops"


class Drops:
    """A directory, the source that reads it, and what came of it."""

    def __init__(self, path: Path, database: Database, clock: FixedClock) -> None:
        self.path = path
        self.database = database
        self.clock = clock
        self.options = {"path": str(path), "complete_when": "renamed"}
        self.mapper: RecordMapper | None = None
        self._written = 0

    def write(self, key: str, content: bytes) -> Path:
        """Write a file, a second after the one before it by its time."""
        path = self.path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._written += 1
        at = datetime(2023, 11, 20, tzinfo=UTC).timestamp() + self._written
        os.utime(path, (at, at))
        return path

    def say(self, key: str, said: Mapping[str, Any]) -> Path:
        """Write a manifest."""
        return self.write(f"{key}.manifest.json", json.dumps(said).encode())

    def run(self, *, desk: Taker | None = None, records_max: int = 5_000, **options: str) -> Pumped:
        """Pump until nothing waits."""
        return self.pump(desk=desk, records_max=records_max, **options).run(
            threading.Event(), until_idle=True
        )

    def pump(self, *, desk: Taker | None = None, records_max: int = 5_000, **options: str) -> Pump:
        """Make a pump as a configuration would."""
        given = {**self.options, **options}
        if self.mapper is not None:
            given["mapping"] = "a-test"
        settings = Settings(Path(), sources={NAME: SystemSettings(NAME, "directory", given)})
        app = App(settings, self.clock, self.database)
        return Pump(
            NAME,
            lambda: app.connect_source(NAME),
            desk or app.desk(),
            self.database,
            self.clock,
            process="test",
            mapper_of=lambda: self.mapper,
            records_max=records_max,
        )

    def objects(self) -> list[register.SourceObject]:
        """Return what the register knows, by lane."""
        with self.database.transaction() as connection:
            return register.list_objects(connection, NAME)

    def object(self, key: str) -> register.SourceObject:
        """Return the only version of an object that the register knows."""
        (found,) = [one for one in self.objects() if one.key == key]
        return found

    def open_items(self) -> list[tuple[str, str]]:
        """Return code and cause of what is on the worklist."""
        with self.database.transaction() as connection:
            return sorted((item.code, item.cause) for item in list_items(connection))

    def quarantined(self) -> Sequence[Quarantined]:
        """Return what is in quarantine."""
        with self.database.transaction() as connection:
            return list_quarantine(connection)

    def ids(self) -> list[str]:
        """Return the ids of the stored events, in order."""
        with self.database.transaction() as connection:
            rows = connection.execute("select event_id from usage_event order by 1").fetchall()
        return [row[0] for row in rows]


@pytest.fixture
def drops(tmp_path: Path, database: Database, clock: FixedClock) -> Drops:
    """Give an empty directory and a database with the catalog."""
    furnish(database)
    (tmp_path / "in").mkdir()
    return Drops(tmp_path / "in", database, clock)
