"""One worker: what must happen continuously, without anybody asking."""

import threading
from collections.abc import Callable, Mapping
from typing import Final

import psycopg

from tollbook.errors import Failure
from tollbook.flow.capture.store import master_data_state
from tollbook.flow.meter.step import summarize
from tollbook.masterdata.catalog import Catalog
from tollbook.observe.log import logger
from tollbook.runtime.deliver import deliver
from tollbook.runtime.intake import Desk
from tollbook.runtime.replay import Replayer
from tollbook.sdk.target import Target
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock

ROUND_SECONDS: Final = 1.0
ACTOR: Final = "worker"

CatalogOf = Callable[[Connection], Catalog]


def work(
    database: Database,
    targets: Mapping[str, Target],
    *,
    catalog_of: CatalogOf,
    clock: Clock,
    stop: threading.Event,
    desk: Desk,
) -> None:
    """Go round until told to stop: summarize, replay what new master data allows, deliver."""
    replayer = Replayer(database, desk, tuple(targets), catalog_of=catalog_of, clock=clock)
    rounds = _Rounds(database, targets, catalog_of, clock, stop, replayer)
    while not stop.is_set():
        rounds.once()
        stop.wait(ROUND_SECONDS)


class _Rounds:
    """What one round does; a job that fails is logged and tried again in the next round."""

    def __init__(
        self,
        database: Database,
        targets: Mapping[str, Target],
        catalog_of: CatalogOf,
        clock: Clock,
        stop: threading.Event,
        replayer: Replayer,
    ) -> None:
        self._database = database
        self._targets = targets
        self._catalog_of = catalog_of
        self._clock = clock
        self._stop = stop
        self._replayer = replayer
        self._known_master_data: object = None
        self._log = logger("worker")

    def once(self) -> None:
        """Do each job once."""
        for job in (self._summarize, self._replay, self._deliver):
            if self._stop.is_set():
                return
            try:
                job()
            except (Failure, psycopg.OperationalError) as failure:
                self._log.warning("job_failed", job=job.__name__.strip("_"), reason=str(failure))

    def _summarize(self) -> None:
        with self._database.transaction() as connection:
            summarize(connection, catalog=self._catalog_of(connection), at=self._clock.now())

    def _replay(self) -> None:
        with self._database.transaction() as connection:
            state = master_data_state(connection)
        if state != self._known_master_data:
            self._replayer.replay_events(by=ACTOR, reason="master data changed")
            self._known_master_data = state

    def _deliver(self) -> None:
        if not self._targets:
            return
        done = deliver(
            self._database,
            self._targets,
            catalog_of=self._catalog_of,
            clock=self._clock,
            until_idle=True,
            stop=self._stop,
        )
        if done.turns:
            self._log.info("delivered", turns=dict(done.turns), waiting=dict(done.waiting))
