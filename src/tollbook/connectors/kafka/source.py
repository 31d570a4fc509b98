"""Reads usage from topics of Apache Kafka; where to go on is said by our own database."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, cast

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from tollbook.connectors.kafka.avro import make_decoder
from tollbook.connectors.kafka.options import KafkaOptions, read_options
from tollbook.connectors.kafka.records import make_record
from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.sdk.source import (
    LANE_DONE,
    Backlog,
    Chunk,
    Positions,
    SourceCapabilities,
    SourceRecord,
)
from tollbook.values.clock import Clock

ASK_SECONDS: Final = 10.0
# A read ends at this size, and overshoots it by one slice at most.
READ_BYTES_MAX: Final = 64_000_000
SLICE_RECORDS: Final = 500
LINGER_SECONDS: Final = 0.01
# The client reconnects by itself; only a trouble that lasts this long is told as a failure.
TROUBLE_SECONDS: Final = 30.0

_DENIED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - so named by the library
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_NO_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001
_POSITION_GONE: Final = KafkaError._AUTO_OFFSET_RESET  # noqa: SLF001

Place = tuple[str, int]  # topic and partition


def connect(options: Mapping[str, str], clock: Clock) -> "KafkaSource":
    """Make a source on a Kafka cluster, not connected yet; Rejected when an option is wrong."""
    return KafkaSource(read_options(options), clock)


class KafkaSource:
    """One consumer in a group. Lanes are partitions, named topic/number."""

    capabilities = SourceCapabilities("positions", is_ordered=True, can_rewind=True)

    def __init__(self, options: KafkaOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._decode = make_decoder(options, clock) if options.format == "avro" else None
        self._consumer: Consumer | None = None
        self._positions: Positions = lambda _lanes: {}
        # Partitions the group gave us whose positions we have not asked for yet.
        self._unplaced: list[TopicPartition] | None = None
        self._next: dict[Place, int] = {}
        self._committed: dict[Place, int] = {}
        self._end: dict[Place, int] = {}
        self._written_at: dict[Place, int] = {}
        # Kafka no longer holds their positions; the client gives nothing of them.
        self._stuck: dict[Place, Blocked] = {}
        self._messages: list[Message] = []
        self._is_held = False
        self._was_placed = False
        self._trouble: tuple[float, KafkaError] | None = None

    def open(self, positions: Positions) -> None:
        """Connect and join the group; lanes are placed as the group gives them."""
        self._positions = positions
        settings = {**self._options.client, "error_cb": self._note_trouble}
        try:
            self._consumer = Consumer(settings, logger=logging.getLogger("tollbook.kafka"))
            for topic in self._options.topics:
                self._require(topic)
            self._consumer.subscribe(
                list(self._options.topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
        except KafkaException as error:
            raise _failure(self._cause(error)) from error

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        """Return what is there, a chunk for each partition."""
        consumer = self._connected()
        try:
            self._release(consumer)
            fresh = self._place(consumer)
            if not fresh:
                self._consume(consumer, records_max, wait_seconds)
                fresh = self._place(consumer)
        except KafkaException as error:
            raise _failure(error.args[0]) from error
        return fresh or self._chunks(records_max)

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Go on polling with all partitions paused, so that the group keeps us."""
        consumer = self._connected()
        try:
            if not self._is_held:
                consumer.pause(consumer.assignment())
                self._is_held = True
            self._messages += self._good(consumer.consume(1, 0))
        except KafkaException as error:
            raise _failure(error.args[0]) from error
        return [chunk for chunk in chunks if self._next.get(_place_of(chunk.lane)) == chunk.next]

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """Commit to the group, for those who watch its lag; nothing of ours rests on it."""
        if self._consumer is None:
            return
        offsets = []
        for chunk in chunks:
            place = _place_of(chunk.lane)
            if place in self._next and self._committed.get(place, -1) < chunk.next:
                self._committed[place] = chunk.next
                offsets.append(TopicPartition(*place, chunk.next))
        if offsets:
            try:
                self._consumer.commit(offsets=offsets, asynchronous=True)
            except KafkaException as error:
                logging.getLogger("tollbook.kafka").info("lag not committed: %s", error)

    def rewind(self, chunk: Chunk, position: int) -> None:
        """Seek back in a partition that is still ours."""
        place = _place_of(chunk.lane)
        if self._consumer is None or place not in self._next or position == LANE_DONE:
            return
        self._messages = [one for one in self._messages if _at(one) != place]
        self._next[place] = position
        try:
            self._consumer.seek(TopicPartition(*place, position))
        except KafkaException as error:
            raise _failure(error.args[0]) from error

    def backlog(self) -> Backlog:
        """Count what waits in our partitions; before the group gave us any, in all of them."""
        if self._consumer is None:
            return Backlog()
        try:
            waiting = {
                place: waits
                for place, position in self._known_positions().items()
                if place not in self._stuck
                and (waits := self._high(place) - max(position, self._end.get(place, 0))) > 0
            }
        except (KafkaException, Failure):
            return Backlog()
        if not self._was_placed and not waiting:
            # Nothing waits of what we know; what will be ours begins when the group lets us in.
            return Backlog()
        now_ms = int(self._clock.now().timestamp() * 1000)
        ages = [now_ms - self._written_at[place] for place in waiting if place in self._written_at]
        oldest = max(ages, default=None) if waiting else 0
        return Backlog(sum(waiting.values()), None if oldest is None else max(0.0, oldest / 1000))

    def stuck(self) -> Mapping[str, Failure]:
        """Return the partitions whose positions Kafka no longer holds."""
        return {_lane(*place): why for place, why in self._stuck.items()}

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            consumer.close()
            self._forget()

    def _connected(self) -> Consumer:
        if self._consumer is None:
            raise Transient("capture.source_unreachable", "The Kafka source is closed.")
        return self._consumer

    def _require(self, topic: str) -> None:
        if topic.startswith("^"):
            return
        found = self._connected().list_topics(topic, timeout=ASK_SECONDS).topics[topic]
        if found.error is not None:
            raise _failure(found.error)

    def _cause(self, error: KafkaException) -> KafkaError:
        """Return why nobody answered: the client tells it apart from the answer."""
        if self._consumer is not None:
            self._consumer.poll(0)
        if self._trouble is not None and self._trouble[1].code() in _DENIED:
            return self._trouble[1]
        told = error.args[0]
        assert isinstance(told, KafkaError)
        return told

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Where they go on is asked in `read`, which may fail and be called again; until then
        # nothing is fetched.
        consumer.assign([])
        self._forget()
        self._unplaced = partitions

    def _on_revoke(self, consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        # What was read of them and not stored is the next reader's.
        self._forget()
        consumer.unassign()

    def _forget(self) -> None:
        self._unplaced = None
        for known in (self._next, self._committed, self._end, self._written_at):
            known.clear()
        self._stuck.clear()
        self._messages.clear()
        self._is_held = False

    def _release(self, consumer: Consumer) -> None:
        if self._is_held:
            consumer.resume(consumer.assignment())
            self._is_held = False

    def _place(self, consumer: Consumer) -> list[Chunk]:
        """Let newly given partitions go on where the database says.

        Returns empty chunks that keep where a partition begins that is read from its end: what is
        written from now on counts, also if nothing comes before the next restart.
        """
        if self._unplaced is None:
            return []
        partitions = self._unplaced
        stored = self._positions([_lane(one.topic, one.partition) for one in partitions])
        fresh = []
        placed = []
        for one in partitions:
            lane = _lane(one.topic, one.partition)
            position = stored.get(lane)
            if position is None:
                position = self._low((one.topic, one.partition))
                if self._options.start == "latest":
                    fresh.append(Chunk(lane, (), position, position))
            self._next[one.topic, one.partition] = position
            placed.append(TopicPartition(one.topic, one.partition, position))
        consumer.assign(placed)
        # The client remembers that a partition was paused, also when it was taken away meanwhile.
        consumer.resume(placed)
        self._unplaced = None
        self._was_placed = True
        return fresh

    def _consume(self, consumer: Consumer, records_max: int, wait_seconds: float) -> None:
        """Collect messages until enough are there, or none comes any more."""
        size = sum(map(len, self._messages))
        wait = wait_seconds
        while len(self._messages) < records_max and size < READ_BYTES_MAX:
            # One first: the client would wait for all that it is asked for.
            wanted = 1 if wait == wait_seconds else SLICE_RECORDS
            found = consumer.consume(min(wanted, records_max - len(self._messages)), wait)
            if not found:
                break
            good = self._good(found)
            self._messages += good
            size += sum(map(len, good))
            wait = LINGER_SECONDS
        self._check_trouble()

    def _good(self, messages: Sequence[Message]) -> list[Message]:
        """Return those that are messages; the others tell of ends and failures."""
        good = [one for one in messages if one.error() is None]
        if len(good) != len(messages):
            for one in messages:
                error = one.error()
                if error is not None:
                    self._judge(one, error)
        if good:
            self._trouble = None
        return good

    def _judge(self, message: Message, error: KafkaError) -> None:
        if error.code() == _EOF:
            offset = message.offset()
            if offset is not None:
                self._end[_at(message)] = offset
        elif error.code() == _POSITION_GONE:
            topic, partition = _at(message)
            lane = _lane(topic, partition)
            low, high = self._watermarks(topic, partition)
            self._stuck[topic, partition] = Blocked(
                "capture.position_gone",
                f"We stand at {self._next.get((topic, partition))} of {lane}, but Kafka holds only "
                f"{low} to {high}: the topic lost records or was made anew. Compare with the "
                f"sender, then pause the source and choose where to go on (tollbook source seek).",
                lane=lane,
            )
        elif error.fatal() or error.code() in _DENIED | _NO_TOPIC:
            raise _failure(error)
        else:
            self._note_trouble(error)

    def _note_trouble(self, error: KafkaError) -> None:
        if self._trouble is None or error.code() in _DENIED:
            self._trouble = (self._clock.monotonic(), error)

    def _check_trouble(self) -> None:
        if self._trouble is None or self._messages:
            return
        since, error = self._trouble
        if error.code() in _DENIED:
            raise _failure(error)
        if self._clock.monotonic() - since > TROUBLE_SECONDS:
            # A quiet topic sends no sign that the trouble is over: ask.
            self._connected().list_topics(timeout=ASK_SECONDS)
            self._trouble = None

    def _chunks(self, records_max: int) -> list[Chunk]:
        """Make chunks of what was collected; a failure to decode leaves it collected."""
        taken, left = self._messages[:records_max], self._messages[records_max:]
        is_cloudevents = self._options.format != "json"
        is_mapped, decode = self._options.is_mapped, self._decode
        is_plain = not is_mapped and decode is None
        records: dict[Place, list[SourceRecord]] = {place: [] for place in self._next}
        last: dict[Place, Message] = {}
        for message in taken:
            place = cast("Place", (message.topic(), message.partition()))
            given = records.get(place)
            if given is None:
                continue
            body = message.value()
            # Most messages are structured events without headers: a bulk door lives on this line.
            if is_plain and body and not message.headers():
                given.append(SourceRecord(body))
            else:
                given.append(
                    make_record(
                        message, is_cloudevents=is_cloudevents, is_mapped=is_mapped, decode=decode
                    )
                )
            last[place] = message
        self._messages = left
        chunks = []
        for place, message in last.items():
            first = self._next[place]
            offset = message.offset()
            assert offset is not None
            assert offset >= first, "Kafka gave a message from before our position"
            self._next[place] = offset + 1
            self._written_at[place] = message.timestamp()[1]  # milliseconds since 1970
            chunks.append(Chunk(_lane(*place), records[place], first, offset + 1))
        return chunks

    def _known_positions(self) -> dict[Place, int]:
        if self._was_placed:
            return dict(self._next)
        consumer = self._connected()
        places = [
            (name, partition)
            for topic in self._options.topics
            for name, found in consumer.list_topics(topic, timeout=ASK_SECONDS).topics.items()
            for partition in found.partitions
        ]
        stored = self._positions([_lane(*place) for place in places])
        return {place: stored.get(_lane(*place), self._low(place)) for place in places}

    def _low(self, place: Place) -> int:
        low, high = self._watermarks(*place)
        return low if self._options.start == "earliest" else high

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        where = TopicPartition(topic, partition)
        low, high = self._connected().get_watermark_offsets(where, timeout=ASK_SECONDS)
        return int(low), int(high)

    def _high(self, place: Place) -> int:
        # What the last fetch told, without asking again.
        _, high = self._connected().get_watermark_offsets(TopicPartition(*place), cached=True)
        return self._watermarks(*place)[1] if high == OFFSET_INVALID else int(high)


def _lane(topic: str, partition: int) -> str:
    return f"{topic}/{partition}"


def _place_of(lane: str) -> Place:
    topic, _, partition = lane.rpartition("/")
    return topic, int(partition)


def _at(message: Message) -> Place:
    return str(message.topic()), int(message.partition() or 0)


def _failure(error: KafkaError) -> Failure:
    """Say what an error of the client means for us."""
    if error.code() in _DENIED:
        return Blocked(
            "capture.source_denied",
            f"Kafka denies us ({error.str()}): correct the credentials or the rights.",
        )
    if error.code() in _NO_TOPIC:
        return Blocked(
            "capture.no_such_topic",
            f"Kafka has no such topic ({error.str()}): make it, or correct the topics.",
        )
    if error.code() == KafkaError._INVALID_ARG:  # noqa: SLF001
        return Rejected("config.unknown_option", f"The Kafka client says: {error.str()}.")
    return Transient("capture.source_unreachable", f"Kafka does not answer: {error.str()}.")
