"""What every source of usage must do, as a suite: subclass it, give it a rig, and all of it runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from tollbook.sdk.source import LANE_DONE, Chunk, Source

READS_MAX: Final = 120
WAIT_SECONDS: Final = 0.5
RECORDS_MAX: Final = 1_000


class SourceRig(Protocol):
    """An outside system that a test controls, empty at first; several readers may connect to it."""

    connector: str  # the name it is registered under
    options: Mapping[str, str]  # what a configuration would say

    def put(self, bodies: Sequence[bytes]) -> None:
        """Write records there for good, in this order; a lane keeps the order of its own."""
        ...

    def connect(self) -> Source:
        """Make a source that is not open yet."""
        ...

    def put_poison(self) -> bytes | None:
        """Write a record that is no event, and return the bytes that quarantine will keep of it.

        None when everything that this system can hold is readable.
        """
        ...


class Book:
    """Stores chunks as the database would, with the fence, in memory."""

    def __init__(self) -> None:
        self.positions: dict[str, int] = {}
        self.stored: list[tuple[str, bytes]] = []

    def positions_of(self, lanes: Sequence[str]) -> Mapping[str, int]:
        """Return where lanes go on, as a source asks it."""
        return {lane: self.positions[lane] for lane in lanes if lane in self.positions}

    def store(self, source: Source, chunk: Chunk) -> None:
        """Store a chunk; that its lane went on without a gap is an assertion."""
        if source.capabilities.progress == "positions":
            stands_at = self.positions.get(chunk.lane, chunk.first)
            assert stands_at == chunk.first, (
                f"{chunk.lane} stands at {stands_at}, not {chunk.first}"
            )
            assert chunk.next >= chunk.first + bool(chunk.records)
            self.positions[chunk.lane] = LANE_DONE if chunk.is_end else chunk.next
        self.stored += [(chunk.lane, record.body) for record in chunk.records]

    @property
    def bodies(self) -> Counter[bytes]:
        """How often each body was stored."""
        return Counter(body for _, body in self.stored)


def body(number: int) -> bytes:
    """Make a record: an event as structured JSON, told apart by its number."""
    return (
        b'{"specversion":"1.0","id":"e-%d","source":"/inference/us","type":"llm.request",'
        b'"subject":"cus_001","time":"2023-11-16T18:17:03.979960Z","data":{"model":"m",'
        b'"region":"us","input_tokens":%d,"output_tokens":2}}' % (number, number)
    )


def bodies(count: int, *, start: int = 0) -> list[bytes]:
    """Make records that are numbered one after the other."""
    return [body(number) for number in range(start, start + count)]


def read_once(source: Source, *, records_max: int = RECORDS_MAX) -> Sequence[Chunk]:
    """Read until something comes; each lane comes once and no more than asked."""
    for _ in range(READS_MAX):
        chunks = source.read(records_max=records_max, wait_seconds=WAIT_SECONDS)
        if chunks:
            lanes = [chunk.lane for chunk in chunks]
            assert len(set(lanes)) == len(lanes)
            assert sum(len(chunk.records) for chunk in chunks) <= records_max
            return chunks
    raise AssertionError("nothing came")


def drain(source: Source, book: Book, count: int, *, records_max: int = RECORDS_MAX) -> None:
    """Read, store and settle until the book holds so many different records."""
    for _ in range(READS_MAX):
        if len(book.bodies) >= count:
            return
        chunks = source.read(records_max=records_max, wait_seconds=WAIT_SECONDS)
        for chunk in chunks:
            book.store(source, chunk)
        source.settle(chunks)
    raise AssertionError(f"{len(book.bodies)} of {count} records came")


class SourceConformance:
    """The suite. A subclass provides the fixture `rig`, fresh for each test.

    It asks the source alone; that events are stored exactly once through kill -9 and outages is
    asked of the whole street, with the same rig, where a database is.
    """

    def test_every_record_is_given_once_and_no_lane_has_a_gap(self, rig: SourceRig) -> None:
        """From the first to the last, in chunks that join."""
        rig.put(bodies(300))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)

        drain(source, book, 300, records_max=70)
        source.close()

        assert book.bodies == Counter(bodies(300))

    def test_records_of_a_lane_come_in_their_order(self, rig: SourceRig) -> None:
        """If it says that it is ordered."""
        rig.put(bodies(200))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)

        drain(source, book, 200, records_max=30)
        source.close()

        if source.capabilities.is_ordered:
            number = {one: n for n, one in enumerate(bodies(200))}
            for lane in {lane for lane, _ in book.stored}:
                numbers = [number[one] for at, one in book.stored if at == lane]
                assert numbers == sorted(numbers)

    def test_what_was_settled_is_not_given_again(self, rig: SourceRig) -> None:
        """Neither to a later reader."""
        rig.put(bodies(100))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        drain(source, book, 100)
        source.close()

        rig.put(bodies(50, start=100))
        later = rig.connect()
        later.open(book.positions_of)
        drain(later, book, 150)
        later.close()

        assert book.bodies == Counter(bodies(150))

    def test_what_was_stored_and_not_settled_is_not_lost(self, rig: SourceRig) -> None:
        """A crash between the two: with positions it is not even given again."""
        rig.put(bodies(60))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        first = read_once(source, records_max=20)
        for chunk in first:
            book.store(source, chunk)
        source.close()

        later = rig.connect()
        later.open(book.positions_of)
        drain(later, book, 60)
        later.close()

        assert set(book.bodies) == set(bodies(60))
        if source.capabilities.progress == "positions":
            assert book.bodies == Counter(bodies(60))

    def test_what_was_read_and_not_stored_comes_again(self, rig: SourceRig) -> None:
        """A crash before the commit."""
        rig.put(bodies(60))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        read_once(source, records_max=20)
        source.close()

        later = rig.connect()
        later.open(book.positions_of)
        drain(later, book, 60)
        later.close()

        assert book.bodies == Counter(bodies(60))

    def test_what_could_not_be_stored_is_given_again_after_a_rewind(self, rig: SourceRig) -> None:
        """Its transaction was rolled back."""
        rig.put(bodies(60))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        for chunk in read_once(source, records_max=20):
            source.rewind(chunk, chunk.first)

        drain(source, book, 60)
        source.close()

        assert book.bodies == Counter(bodies(60))

    def test_settling_late_or_twice_is_harmless(self, rig: SourceRig) -> None:
        """Also when the lane went on meanwhile."""
        rig.put(bodies(90))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        first = read_once(source, records_max=20)
        for chunk in first:
            book.store(source, chunk)
        second = source.read(records_max=20, wait_seconds=WAIT_SECONDS)
        for chunk in second:
            book.store(source, chunk)
        source.settle(second)
        source.settle(first)
        source.settle(first)

        drain(source, book, 90)
        source.close()
        source.settle(first)

        assert book.bodies == Counter(bodies(90))

    def test_chunks_that_are_held_stay_ours(self, rig: SourceRig) -> None:
        """The database was away; nothing new was read meanwhile and nothing came twice."""
        rig.put(bodies(90))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        chunks = read_once(source, records_max=20)

        for _ in range(5):
            assert list(source.hold(chunks)) == list(chunks)
        assert list(source.hold(())) == []
        for chunk in chunks:
            book.store(source, chunk)
        source.settle(chunks)
        drain(source, book, 90)
        source.close()

        assert book.bodies == Counter(bodies(90))

    def test_a_record_that_is_no_event_stops_no_other(self, rig: SourceRig) -> None:
        """It is given with what came, and the lane goes on."""
        rig.put(bodies(10))
        poison = rig.put_poison()
        rig.put(bodies(10, start=10))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)

        drain(source, book, 20 + (poison is not None))
        source.close()

        expected = Counter(bodies(20))
        if poison is not None:
            expected[poison] += 1
        assert book.bodies == expected

    def test_a_second_reader_goes_on_where_the_first_ended(self, rig: SourceRig) -> None:
        """Both were connected for a while."""
        rig.put(bodies(200))
        first, second, book = rig.connect(), rig.connect(), Book()
        first.open(book.positions_of)
        chunks = read_once(first, records_max=50)
        for chunk in chunks:
            book.store(first, chunk)
        first.settle(chunks)
        second.open(book.positions_of)
        first.close()

        drain(second, book, 200)
        second.close()

        assert book.bodies == Counter(bodies(200))

    def test_nothing_waits_when_all_is_stored(self, rig: SourceRig) -> None:
        """The backlog is 0, or it cannot tell."""
        rig.put(bodies(40))
        source, book = rig.connect(), Book()
        source.open(book.positions_of)
        drain(source, book, 40)

        waiting = source.backlog()
        source.close()

        assert waiting.records in {0, None}

    def test_closing_twice_is_harmless(self, rig: SourceRig) -> None:
        """Also before anything was read."""
        source = rig.connect()
        source.open(Book().positions_of)

        source.close()
        source.close()
