"""Try again what waits: refused events, and postings whose cause is gone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tollbook.flow.capture.step import replay_all as replay_events
from tollbook.flow.post.step import release_fixed
from tollbook.masterdata.catalog import Catalog
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.worklist.store import open_counts


@dataclass(frozen=True, slots=True)
class Replayed:
    """What got through, and how much still waits."""

    events_replayed: int
    postings_released: int
    still_open: int


class Replayer:
    """Replays what waits in one database for the ERPs that are configured."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        targets: Sequence[str],
        *,
        catalog_of: Callable[[Connection], Catalog],
        clock: Clock,
    ) -> None:
        self._database = database
        self._desk = desk
        self._targets = targets
        self._catalog_of = catalog_of
        self._clock = clock

    def replay_all(self, *, by: str, reason: str) -> Replayed:
        """Bring refused events to the door again and let corrected postings go."""
        events = self.replay_events(by=by, reason=reason)
        with self._database.transaction() as connection:
            catalog, at = self._catalog_of(connection), self._clock.now()
            released = release_fixed(connection, catalog=catalog, targets=self._targets, at=at)
            still_open = sum(open_counts(connection).values())
        return Replayed(events, len(released.released), still_open)

    def replay_events(self, *, by: str, reason: str) -> int:
        """Bring every refused event to the door again; returns how many got through."""
        admission = self._desk.admission(at_once=True)
        with self._database.transaction() as connection:
            answers = replay_events(
                connection, admission=admission, by=by, reason=reason, at=self._clock.now()
            )
        return sum(answer.status in {"accepted", "duplicate"} for answer in answers)
