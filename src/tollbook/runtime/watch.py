"""Watches the thresholds of customers whose usage or terms changed, moments after they did."""

from typing import Final

from tollbook.flow.rate.live.step import Looked, look, watch_customers
from tollbook.masterdata.by_customer import ByCustomer
from tollbook.observe.log import logger
from tollbook.records.alert import ThresholdReached
from tollbook.runtime.known import Known
from tollbook.storage.database import Database
from tollbook.values.clock import Clock

# So many times in a row before others of this worker have their turn.
LOOKS_MAX: Final = 100

_LOG: Final = logger("watch")


class Watch:
    """Looks at watched customers until none waits; a worker keeps it, and calls it again and again."""

    def __init__(self, database: Database, clock: Clock, known: Known) -> None:
        self._database = database
        self._clock = clock
        self._known = known
        self._watched: ByCustomer | None = None

    def __call__(self) -> None:
        """Look at everyone who waits, a bounded number at a time."""
        self.look_at_all()

    def look_at_all(self) -> list[ThresholdReached]:
        """Look at everyone who waits and return what that raised."""
        with self._database.transaction() as connection:
            customers = self._known.by_customer(connection)
            if customers is not self._watched:
                watch_customers(connection, customers)
        self._watched = customers
        raised: list[ThresholdReached] = []
        for _ in range(LOOKS_MAX):
            looked = self._look()
            raised += looked.raised
            if not looked.is_behind:
                break
        return raised

    def _look(self) -> Looked:
        with self._database.transaction() as connection:
            looked = look(connection, known=self._known.by_customer, at=self._clock.now())
        for event in looked.raised:
            _LOG.info(
                event.type,
                event_id=event.event_id,
                customer=event.customer_id,
                contract=event.contract_id,
                alert=event.alert_id,
            )
        return looked
