"""The NATS JetStream source: what was published to a stream, acknowledged after it is stored."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

from tollbook.connectors.nats.consumer import ANSWER_SECONDS, Consumer, Held
from tollbook.connectors.nats.loop import LoopThread
from tollbook.connectors.nats.records import record_of
from tollbook.connectors.nats.settings import NatsSettings, read_settings
from tollbook.sdk.source import Backlog, Chunk, Positions, SourceCapabilities
from tollbook.values.clock import Clock

CALL_SECONDS: Final = 4 * ANSWER_SECONDS


class NatsSource:
    """A durable consumer; one lane, which any number of workers may share."""

    def __init__(self, settings: NatsSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lane = f"{settings.stream}/{settings.durable}"
        self._loop: LoopThread | None = None
        self._consumer: Consumer | None = None

    @property
    def capabilities(self) -> SourceCapabilities:
        """What a consumer can do: what is delivered again comes after what is newer."""
        return SourceCapabilities("acknowledged", is_ordered=False, can_rewind=False)

    def open(self, positions: Positions) -> None:
        """Connect; find the consumer, or make it. Positions are the server's."""
        del positions
        self.close()
        self._loop = LoopThread("nats")
        self._consumer = self._loop.run(_make(self._settings), seconds=CALL_SECONDS)
        self._loop.run(self._consumer.open(), seconds=CALL_SECONDS)

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        """Return what came, in one chunk."""
        loop, consumer = self._opened()
        held = loop.run(
            consumer.take(records_max, wait_seconds=wait_seconds),
            seconds=wait_seconds + CALL_SECONDS,
        )
        if not held:
            return []
        records = [record_of(one.message, sequence=one.sequence) for one in held]
        return [Chunk(self._lane, records, handle=(consumer, held))]

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Extend the chunks; all stay ours, for what another worker stores too is a duplicate."""
        loop, consumer = self._opened()
        loop.run(consumer.renew(self._in_hand(chunks)), seconds=CALL_SECONDS)
        return chunks

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """Acknowledge the messages of these chunks."""
        if held := self._in_hand(chunks):
            loop, consumer = self._opened()
            loop.run(consumer.settle(held), seconds=CALL_SECONDS)

    def rewind(self, chunk: Chunk, position: int) -> None:
        """Have the messages of a chunk delivered again."""
        del position
        if held := self._in_hand([chunk]):
            loop, consumer = self._opened()
            loop.run(consumer.give_back(held), seconds=CALL_SECONDS)

    def backlog(self) -> Backlog:
        """Tell how many messages are not acknowledged, delivered or not, and the oldest's age."""
        loop, consumer = self._opened()
        info = loop.run(consumer.info(), seconds=CALL_SECONDS)
        waiting = (info.num_pending or 0) + (info.num_ack_pending or 0)
        if not waiting:
            return Backlog(0)
        oldest = loop.run(consumer.oldest(info), seconds=CALL_SECONDS)
        if oldest is None:
            return Backlog(waiting)
        return Backlog(waiting, (self._clock.now() - oldest).total_seconds())

    def close(self) -> None:
        """Give back what is in our hands, and disconnect."""
        loop, consumer = self._loop, self._consumer
        self._loop = self._consumer = None
        if loop is None:
            return
        try:
            if consumer is not None:
                loop.run(consumer.close(), seconds=CALL_SECONDS)
        finally:
            loop.stop()

    def _opened(self) -> tuple[LoopThread, Consumer]:
        assert self._loop is not None, "the source is open"
        assert self._consumer is not None, "the source is open"
        return self._loop, self._consumer

    def _in_hand(self, chunks: Sequence[Chunk]) -> Sequence[Held]:
        # What an earlier connection held comes again by itself.
        handles = (cast("tuple[Consumer, Sequence[Held]]", chunk.handle) for chunk in chunks)
        return [one for consumer, held in handles if consumer is self._consumer for one in held]


def connect(options: Mapping[str, str], clock: Clock) -> NatsSource:
    """Make a source from its options; Rejected names what is missing or wrong."""
    return NatsSource(read_settings(options), clock)


async def _make(settings: NatsSettings) -> Consumer:
    return Consumer(settings)
