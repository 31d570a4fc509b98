"""The Google Pub/Sub source: what a subscription holds, acknowledged after it is stored."""

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from typing import Final, cast

from tollbook.connectors.pubsub.client import PubSubClient
from tollbook.connectors.pubsub.lease import Held, Leases
from tollbook.connectors.pubsub.records import record_of
from tollbook.connectors.pubsub.settings import PubSubSettings, read_settings
from tollbook.errors import Blocked, Transient
from tollbook.sdk.source import Backlog, Chunk, Positions, SourceCapabilities
from tollbook.values.clock import Clock

PAUSE_SECONDS: Final = 0.1


class _Session:
    """An open subscription: one pull is always under way while we store what came before.

    A pull is never cut short while we read, because Pub/Sub may just have given its messages to us,
    and nobody would have them until their deadline. It has a channel of its own, which is closed
    first: else it would be answered with what we give back.
    """

    def __init__(self, settings: PubSubSettings, clock: Clock) -> None:
        self._clock = clock
        self._client = PubSubClient(settings)
        self._pulls = PubSubClient(settings)
        self.leases = Leases(self._client, settings)
        self._puller = ThreadPoolExecutor(1, thread_name_prefix="pubsub-pull")
        self._pulling: Future[list[Held]] | None = None
        self._waiting: deque[Held] = deque()

    def take(self, count: int, *, wait_seconds: float) -> list[Held]:
        until = self._clock.monotonic() + wait_seconds
        while not self._waiting:
            pulling = self._pulling or self._puller.submit(self._pull, count)
            self._pulling = pulling
            try:
                self._waiting.extend(
                    pulling.result(timeout=max(0.0, until - self._clock.monotonic()))
                )
            except TookTooLong:
                return []
            finally:
                if pulling.done():
                    self._pulling = None
            if not self._waiting:
                if self._clock.monotonic() >= until:
                    return []
                self._clock.wait(PAUSE_SECONDS)  # an answer without messages may come at once
        taken = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        if not self._waiting and self._pulling is None:
            self._pulling = self._puller.submit(self._pull, count)
        return taken

    def settle(self, held: Sequence[Held]) -> None:
        self._client.acknowledge(self.leases.drop(held))

    def give_back(self, held: Sequence[Held]) -> None:
        self._client.extend(self.leases.drop(held), seconds=0)

    def close(self) -> None:
        self._pulls.close()
        self._puller.shutdown(cancel_futures=True)
        # If it cannot be told, it comes again when its time is over.
        with contextlib.suppress(Transient, Blocked):
            self._client.extend(self.leases.stop(), seconds=0)
        self._client.close()

    def _pull(self, count: int) -> list[Held]:
        return self.leases.take(self._pulls.pull(count))


class PubSubSource:
    """A subscription; one lane, which any number of workers may share."""

    def __init__(self, settings: PubSubSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._session: _Session | None = None

    @property
    def capabilities(self) -> SourceCapabilities:
        """What a subscription can do: it keeps an order at most among messages of one key."""
        return SourceCapabilities("acknowledged", is_ordered=False, can_rewind=False)

    def open(self, positions: Positions) -> None:
        """Make the channel; the first pull tells whether the subscription is there."""
        del positions
        self.close()
        self._session = _Session(self._settings, self._clock)

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        """Return what came, in one chunk."""
        assert self._session is not None, "the source is open"
        held = self._session.take(records_max, wait_seconds=wait_seconds)
        if not held:
            return []
        records = [record_of(one.message, delivery_attempt=one.delivery_attempt) for one in held]
        return [Chunk(self._settings.subscription, records, handle=(self._session, held))]

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Extend the chunks; all stay ours, for what another worker stores too is a duplicate."""
        for chunk in chunks:
            session, held = _in_hand(chunk)
            session.leases.renew(held)
        return chunks

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """Acknowledge the messages of these chunks."""
        for chunk in chunks:
            session, held = _in_hand(chunk)
            if session is self._session:
                session.settle(held)

    def rewind(self, chunk: Chunk, position: int) -> None:
        """Have the messages of a chunk delivered again."""
        del position
        session, held = _in_hand(chunk)
        if session is self._session:
            session.give_back(held)

    def backlog(self) -> Backlog:
        """Tell nothing: Pub/Sub counts what waits only in Cloud Monitoring."""
        return Backlog()

    def close(self) -> None:
        """Give back what is in our hands, and close the channel."""
        if self._session is not None:
            session, self._session = self._session, None
            session.close()


def connect(options: Mapping[str, str], clock: Clock) -> PubSubSource:
    """Make a source from its options; Rejected names what is missing or wrong."""
    return PubSubSource(read_settings(options), clock)


def _in_hand(chunk: Chunk) -> tuple[_Session, Sequence[Held]]:
    return cast("tuple[_Session, Sequence[Held]]", chunk.handle)
