"""What one process of the API counts about itself, and says to the others through the database."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Self

import psycopg
from psycopg_pool import PoolTimeout

from tollbook.observe.log import logger
from tollbook.runtime.signals import LATENCY_SECONDS, Signal, fold_earlier, say
from tollbook.storage.database import Database
from tollbook.values.clock import Clock

SAY_SECONDS: Final = 1.0

_LOG: Final = logger("api")


class Counts:
    """Counts since the process began; kept on the event loop, read from any thread."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._latency = [0] * (len(LATENCY_SECONDS) + 1)
        self._latency_sum = 0.0

    def refused(self, code: str) -> None:
        """Count a request that was refused as a whole."""
        self._refused[code] += 1

    def answered(self, seconds: float) -> None:
        """Count a request whose events were answered after this time."""
        self._latency[bisect_left(LATENCY_SECONDS, seconds)] += 1
        self._latency_sum += seconds

    def shown(self) -> dict[str, Any]:
        """Return the counts as they are now."""
        return {
            "refused": dict(self._refused),
            "latency": list(self._latency),
            "latency_sum": self._latency_sum,
        }


class Speaker:
    """A thread that tells the database every second what this process counted and holds.

    `learn` is called as often: it reads what others decided, so that no request needs to.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        process: str,
        *,
        read: Callable[[], dict[str, Any]],
        learn: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._process = process
        self._read = read
        self._learn = learn
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)

    def start(self) -> None:
        """Start telling."""
        self._thread.start()

    def stop(self) -> None:
        """Tell once more, and stop."""
        self._stop.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def speak(self) -> None:
        """Tell now; psycopg.OperationalError when the database does not answer."""
        signal = Signal(self._process, self._clock.now(), self._read())
        with self._database.transaction() as connection:
            say(connection, signal)

    def _run(self) -> None:
        is_over, is_folded = False, False
        while not is_over:
            is_over = self._stop.wait(SAY_SECONDS)
            try:
                self._learn()
                self.speak()
                if not is_folded:
                    with self._database.transaction() as connection:
                        fold_earlier(connection, at=self._clock.now())
                    is_folded = True
            except (psycopg.Error, PoolTimeout) as error:
                _LOG.info("signals_not_told", reason=str(error))
