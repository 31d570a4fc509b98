"""A real process that pumps one source and can die by kill -9 at a chosen point of its work."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tollbook.app import App
from tollbook.config import Settings, SystemSettings
from tollbook.flow.capture.step import Captured
from tollbook.runtime.intake import Desk, Within
from tollbook.runtime.pump import Pump
from tollbook.sdk.source import Source, SourceRecord
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import SystemClock

NAME = "under-test"


def die() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


class _DyingSource:
    """The source itself, but the process dies instead of settling for the n-th time."""

    def __init__(self, source: Source, at: int) -> None:
        self._source = source
        self._left = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def settle(self, chunks: Sequence[Any]) -> None:
        self._left -= 1
        if self._left == 0:
            die()
        self._source.settle(chunks)


class _DyingDesk:
    """The desk itself, but the process dies inside its n-th transaction."""

    def __init__(self, desk: Desk, at: int) -> None:
        self._desk = desk
        self._left = at

    def take(
        self, raws: Sequence[bytes], *, door: str, within: Within | None = None, **rest: Any
    ) -> Captured:
        return self._desk.take(raws, door=door, within=self._dying(within), **rest)

    def take_records(
        self, records: Sequence[SourceRecord], *, within: Within | None = None, **rest: Any
    ) -> Captured:
        return self._desk.take_records(records, within=self._dying(within), **rest)

    def _dying(self, within: Within | None) -> Within:
        self._left -= 1

        def dying(connection: Connection) -> None:
            if within is not None:
                within(connection)
            if self._left == 0:
                die()

        return dying


def make_pump(
    dsn: str,
    connector: str,
    options: Mapping[str, str],
    *,
    records_max: int,
    die_in: str = "",
    at: int = 1,
) -> tuple[Pump, Callable[[], None]]:
    """Return a pump on a source as a configuration would make it, and what closes it."""
    settings = Settings(Path(), sources={NAME: SystemSettings(NAME, connector, options)})
    database = Database(dsn, size=3)
    app = App(settings, SystemClock(), database)
    desk = app.desk()

    def connect() -> Source:
        source = app.connect_source(NAME)
        dying: Any = _DyingSource(source, at) if die_in == "settle" else source
        found: Source = dying
        return found

    pump = Pump(
        NAME,
        connect,
        _DyingDesk(desk, at) if die_in == "transaction" else desk,
        database,
        app.clock,
        process=str(os.getpid()),
        records_max=records_max,
    )
    return pump, database.close


def main() -> None:
    """Pump as the JSON of the first argument says, until idle or until killed."""
    said = json.loads(sys.argv[1])
    until_idle = said.pop("until_idle")
    pump, close = make_pump(said.pop("dsn"), said.pop("connector"), said.pop("options"), **said)
    pump.run(threading.Event(), until_idle=until_idle)
    close()


if __name__ == "__main__":
    main()
