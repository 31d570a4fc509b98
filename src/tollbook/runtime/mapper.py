"""Applies the source mapping that is in force now to the records of one source."""

from tollbook.flow.capture.foreign import mapping_in_force
from tollbook.runtime.intake import Desk
from tollbook.sdk.source import SourceRecord
from tollbook.values.clock import Clock


class RecordMapper:
    """Turns records of a source into events; a new version of the mapping shows within a second."""

    def __init__(self, desk: Desk, clock: Clock, mapping_id: str) -> None:
        self._desk = desk
        self._clock = clock
        self.mapping_id = mapping_id

    def __call__(self, record: SourceRecord) -> list[bytes]:
        """Return the events a record becomes; none when it is ignored.

        Rejected with `capture.unmappable` or `capture.unknown_mapping`. To keep what is refused with
        where it came from, bring records to `Desk.take_records` instead.
        """
        on = self._clock.now().date()
        return mapping_in_force(self._desk.admission(), self.mapping_id, on)(record)
