"""One worker: what must happen continuously, without anybody asking."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import psycopg

from tollbook.errors import Failure
from tollbook.flow.capture.store import master_data_state
from tollbook.flow.meter.step import Summarized, summarize
from tollbook.observe.log import logger
from tollbook.runtime.deliver import deliver
from tollbook.runtime.known import CatalogOf, Known
from tollbook.runtime.pump import Pump
from tollbook.runtime.replay import Replayer
from tollbook.runtime.seal import seal_by_policy
from tollbook.runtime.street import sweep_all
from tollbook.runtime.watch import Watch
from tollbook.sdk.target import Target
from tollbook.storage.database import Database
from tollbook.values.clock import Clock

ROUND_SECONDS: Final = 1.0
SEAL_ROUND_SECONDS: Final = 600.0
# Usage is current without the worker; folding often keeps what readers add up small, and few rows
# at a time keeps each fold short.
FOLD_SECONDS: Final = 0.5
FOLD_ROWS_MAX: Final = 50_000
FOLDS_MAX: Final = 20
# Folded rows leave dead ones behind, which make the next fold slower until they are swept.
SWEEP_SECONDS: Final = 10.0
FOLDED_TABLES: Final = ("usage_delta", "usage_delta_point", "usage_delta_day")
ACTOR: Final = "worker"

_LOG: Final = logger("worker")


def work(  # noqa: PLR0913 - what runs continuously, each named by its caller
    database: Database,
    targets: Mapping[str, Target],
    *,
    catalog_of: CatalogOf,
    clock: Clock,
    stop: threading.Event,
    replayer: Replayer,
    pumps: Sequence[Pump] = (),
    seal_after_days: int = 0,
) -> None:
    """Read sources, sweep, summarize, watch thresholds, replay, deliver and seal, until told to stop.

    Each job has a thread of its own, so that none waits for another or falls with it.
    """

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
        "summarize": _Summarize(database, clock, Known(catalog_of)),
        "replay": _Replay(database, replayer),
        "watch": Watch(database, clock, Known(catalog_of)),
    }
    if seal_after_days:
        jobs["seal"] = seal_days
    if targets:
        jobs["deliver"] = deliver_postings
    for pump in pumps:
        jobs[f"source {pump.name}"] = partial(_read, pump, stop)
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="job") as threads:
        for name, job in jobs.items():
            pause = FOLD_SECONDS if name in {"summarize", "watch"} else ROUND_SECONDS
            threads.submit(_again_and_again, name, job, stop, pause)
        stop.wait()


class _Summarize:
    """Brings summaries up to date, a bounded part at a time until nothing waits."""

    def __init__(self, database: Database, clock: Clock, known: Known) -> None:
        self._database = database
        self._clock = clock
        self._known = known
        self._swept_at = clock.monotonic()
        self._swept_through = 0

    def __call__(self) -> None:
        done, folds = self._fold(), 1
        while done.is_behind and folds < FOLDS_MAX:
            done, folds = self._fold(), folds + 1
        now, through = self._clock.monotonic(), done.through_receipt
        if through > self._swept_through and now - self._swept_at >= SWEEP_SECONDS:
            self._database.vacuum(*FOLDED_TABLES)
            self._swept_at, self._swept_through = now, through

    def _fold(self) -> Summarized:
        with self._database.transaction() as connection:
            return summarize(
                connection,
                catalog=self._known.catalog(connection),
                at=self._clock.now(),
                rows_max=FOLD_ROWS_MAX,
            )


def _read(pump: Pump, stop: threading.Event) -> None:
    pump.run(stop)


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


def _again_and_again(
    name: str, job: Callable[[], None], stop: threading.Event, pause: float
) -> None:
    while not stop.is_set():
        try:
            job()
        except (Failure, psycopg.OperationalError) as failure:
            _LOG.warning("job_failed", job=name, reason=str(failure))
        except Exception:  # noqa: BLE001 - the runtime isolates one job
            _LOG.exception("job_met_a_bug", job=name)
        stop.wait(pause)
