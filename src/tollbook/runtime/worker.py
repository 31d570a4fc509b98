"""One worker: what must happen continuously, without anybody asking."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg

from tollbook.errors import Failure
from tollbook.flow.capture.store import master_data_state
from tollbook.flow.meter.step import summarize
from tollbook.masterdata.catalog import Catalog
from tollbook.observe.log import logger
from tollbook.runtime.deliver import deliver
from tollbook.runtime.replay import Replayer
from tollbook.runtime.seal import seal_by_policy
from tollbook.runtime.street import sweep_all
from tollbook.sdk.target import Target
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock

ROUND_SECONDS: Final = 1.0
SEAL_ROUND_SECONDS: Final = 600.0
ACTOR: Final = "worker"

_LOG: Final = logger("worker")

CatalogOf = Callable[[Connection], Catalog]


def work(
    database: Database,
    targets: Mapping[str, Target],
    *,
    catalog_of: CatalogOf,
    clock: Clock,
    stop: threading.Event,
    replayer: Replayer,
    seal_after_days: int = 0,
) -> None:
    """Sweep, summarize, replay what new master data allows, deliver and seal, until told to stop.

    Each job has a thread of its own, so that none waits for another or falls with it.
    """

    def summarize_days() -> None:
        with database.transaction() as connection:
            summarize(connection, catalog=catalog_of(connection), at=clock.now())

    def sweep_identities() -> None:
        sweep_all(database, clock)

    def deliver_postings() -> None:
        deliver(database, targets, catalog_of=catalog_of, clock=clock, until_idle=False, stop=stop)

    def seal_days() -> None:
        # A day becomes old enough once a day: a round of seconds would ask for nothing.
        seal_by_policy(database, clock, seal_after_days=seal_after_days, by=ACTOR)
        stop.wait(SEAL_ROUND_SECONDS)

    jobs: dict[str, Callable[[], None]] = {
        "sweep": sweep_identities,
        "summarize": summarize_days,
        "replay": _Replay(database, replayer),
    }
    if seal_after_days:
        jobs["seal"] = seal_days
    if targets:
        jobs["deliver"] = deliver_postings
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="job") as threads:
        for name, job in jobs.items():
            threads.submit(_again_and_again, name, job, stop)
        stop.wait()


class _Replay:
    """Brings refused events to the door again when master data has changed since the last time."""

    def __init__(self, database: Database, replayer: Replayer) -> None:
        self._database = database
        self._replayer = replayer
        self._seen: object = None

    def __call__(self) -> None:
        with self._database.transaction() as connection:
            state = master_data_state(connection)
        if state != self._seen:
            self._replayer.replay_events(by=ACTOR, reason="master data changed")
            self._seen = state


def _again_and_again(name: str, job: Callable[[], None], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            job()
        except (Failure, psycopg.OperationalError) as failure:
            _LOG.warning("job_failed", job=name, reason=str(failure))
        except Exception:  # noqa: BLE001 - the runtime isolates one job
            _LOG.exception("job_met_a_bug", job=name)
        stop.wait(ROUND_SECONDS)
