"""A directory that is pumped into a database, on a clock that stands still between looks."""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from door import add_record, furnish
from tollbook.app import App
from tollbook.config import Settings, SystemSettings
from tollbook.flow.capture.objects import store as register
from tollbook.flow.capture.store import Quarantined, list_quarantine
from tollbook.records.source_mapping import Condition, EventRule, FieldRule, SourceMapping
from tollbook.runtime.pump import Pump, Pumped, Taker
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.worklist.store import list_items

NAME = "drops"
# Rows of customer and tokens, whose identity is the object and the row.
BY_ROW = SourceMapping(
    mapping_id="by-row",
    input="csv_row",
    event=EventRule(
        type=FieldRule(value="llm.request"),
        source=FieldRule(value="files"),
        id=FieldRule(template="{meta.object}#{meta.row}"),
        subject=FieldRule(path="$.customer"),
        time=FieldRule(value="2023-11-16T18:17:03Z"),
        data={
            "model": FieldRule(value="m"),
            "region": FieldRule(value="us"),
            "input_tokens": FieldRule(path="$.tokens", kind="integer"),
            "output_tokens": FieldRule(value=2),
        },
    ),
)


class Drops:
    """A directory, the source that reads it, and what came of it."""

    def __init__(self, path: Path, database: Database, clock: FixedClock) -> None:
        self.path = path
        self.database = database
        self.clock = clock
        self.options = {"path": str(path), "complete_when": "renamed"}
        self._written = 0

    def map_rows(self, when: tuple[Condition, ...] = ()) -> None:
        """Let the rows be those of BY_ROW, for which something may have to hold."""
        mapping = replace(BY_ROW, when=when)
        add_record(self.database, "source_mapping", BY_ROW.mapping_id, mapping)
        self.options["mapping"] = BY_ROW.mapping_id

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
        settings = Settings(Path(), sources={NAME: SystemSettings(NAME, "directory", given)})
        app = App(settings, self.clock, self.database)
        return Pump(
            NAME,
            lambda: app.connect_source(NAME),
            desk or app.desk(),
            self.database,
            self.clock,
            process="test",
            mapping=given.get("mapping"),
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
