"""Try again what waits: refused events, and postings whose cause is gone."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tollbook.errors import Rejected
from tollbook.flow.capture.admit import Admission
from tollbook.flow.capture.quarantine.step import replay_page, replay_pages
from tollbook.flow.capture.quarantine.store import Which
from tollbook.flow.capture.step import Answer
from tollbook.flow.capture.step import replay as replay_event
from tollbook.flow.post.step import release_fixed
from tollbook.flow.post.step import replay as replay_postings
from tollbook.masterdata.catalog import Catalog
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.worklist.store import get_item, objects_of, open_counts


@dataclass(frozen=True, slots=True)
class Replayed:
    """What got through, and how much still waits."""

    events_replayed: int
    postings_released: int
    still_open: int


def try_replay(
    which: Which, *, admission_of: Callable[[Connection], Admission], at: datetime
) -> Callable[[Connection], tuple[Counter[str], set[date]]]:
    """Return the act of replaying all that is meant, for a preview that undoes it."""

    def act(connection: Connection) -> tuple[Counter[str], set[date]]:
        answers, days = replay_pages(
            connection,
            which,
            admission=admission_of(connection),
            by="preview",
            reason="preview",
            at=at,
        )
        return Counter(answer.status for answer in answers), days

    return act


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
        return self._told(events, len(released.released))

    def replay_item(self, item_id: str, *, by: str, reason: str) -> Replayed:
        """Try again what one work item holds, corrected or not.

        Raises Rejected when there is no such item, or when its stage is run again instead.
        """
        with self._database.transaction() as connection:
            item = get_item(connection, item_id)
            if item is None:
                raise Rejected("worklist.unknown", f"There is no work item {item_id}.")
            held = objects_of(connection, item_id)
        if item.stage == "capture":
            return self._told(self._replay_quarantined(held, by=by, reason=reason), 0)
        if item.stage == "post":
            with self._database.transaction() as connection:
                at = self._clock.now()
                done = replay_postings(connection, posting_ids=held, by=by, reason=reason, at=at)
            return self._told(0, len(done.released))
        raise Rejected(
            "worklist.run_again",
            f"What {item.code} holds is tried again by running its month: tollbook run --period "
            "YYYY-MM.",
        )

    def replay_events(self, *, by: str, reason: str) -> int:
        """Bring every refused event to the door again; returns how many got through."""
        answers = self.replay_refused(Which(), by=by, reason=reason)
        return sum(answer.status in {"accepted", "duplicate"} for answer in answers)

    def replay_refused(self, which: Which, *, by: str, reason: str) -> list[Answer]:
        """Bring the refused events that are meant to the door again, a transaction a page."""
        admission = self._desk.admission(at_once=True)
        answers: list[Answer] = []
        after = ""
        while True:
            with self._database.transaction() as connection:
                page = replay_page(
                    connection,
                    which,
                    admission=admission,
                    by=by,
                    reason=reason,
                    at=self._clock.now(),
                    after=after,
                )
            if page is None:
                return answers
            answers += page.answers
            after = page.last

    def _replay_quarantined(self, held: Sequence[str], *, by: str, reason: str) -> int:
        admission = self._desk.admission(at_once=True)
        passed = 0
        for quarantined in held:
            with self._database.transaction() as connection:
                answer = replay_event(
                    connection,
                    quarantined=quarantined,
                    admission=admission,
                    by=by,
                    reason=reason,
                    at=self._clock.now(),
                )
            passed += answer.status in {"accepted", "duplicate"}
        return passed

    def _told(self, events: int, postings: int) -> Replayed:
        with self._database.transaction() as connection:
            return Replayed(events, postings, sum(open_counts(connection).values()))
