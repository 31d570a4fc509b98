"""The MQTT source: what devices published, acknowledged after it is stored."""

from collections.abc import Mapping, Sequence
from typing import cast

from tollbook.connectors.mqtt.records import record_of
from tollbook.connectors.mqtt.session import Arrived, Session
from tollbook.connectors.mqtt.settings import MqttSettings, read_settings
from tollbook.sdk.source import Backlog, Chunk, Positions, SourceCapabilities
from tollbook.values.clock import Clock


class MqttSource:
    """A subscription of a persistent session; one lane."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._lane = ",".join(settings.filters)
        self._session: Session | None = None

    @property
    def capabilities(self) -> SourceCapabilities:
        """What a subscription can do: a shared one is spread over its workers, out of order."""
        return SourceCapabilities(
            "acknowledged", is_ordered=not self._settings.is_shared, can_rewind=False
        )

    def open(self, positions: Positions) -> None:
        """Connect to the session, or make it; positions are the broker's."""
        del positions
        self.close()
        session = Session(self._settings)
        self._session = session
        session.start()

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        """Return what arrived, in one chunk."""
        assert self._session is not None, "the source is open"
        arrived = self._session.take(records_max, wait_seconds=wait_seconds)
        if not arrived:
            return []
        levels = self._settings.levels or {}
        records = [record_of(one.message, levels) for one in arrived]
        return [Chunk(self._lane, records, handle=(self._session, arrived))]

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Return all: a message is ours until we acknowledge it or our session expires."""
        return chunks

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """Acknowledge the messages of these chunks."""
        for chunk in chunks:
            session, arrived = self._in_hand(chunk)
            session.settle(arrived)

    def rewind(self, chunk: Chunk, position: int) -> None:
        """Give the messages of a chunk again; the broker would only do so on a new connection."""
        del position
        session, arrived = self._in_hand(chunk)
        session.put_back(arrived)

    def backlog(self) -> Backlog:
        """Tell nothing: a client cannot ask a broker for the length of its queue."""
        return Backlog()

    def close(self) -> None:
        """Disconnect; the broker keeps what was not acknowledged."""
        if self._session is not None:
            self._session.stop()
            self._session = None

    def _in_hand(self, chunk: Chunk) -> tuple[Session, Sequence[Arrived]]:
        # A session that is over ignores it: what it held comes again by itself.
        return cast("tuple[Session, Sequence[Arrived]]", chunk.handle)


def connect(options: Mapping[str, str], clock: Clock) -> MqttSource:
    """Make a source from its options; Rejected names what is missing or wrong."""
    del clock
    return MqttSource(read_settings(options))
