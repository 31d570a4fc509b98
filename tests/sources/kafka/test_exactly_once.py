"""Exactly once from Kafka: readers killed again and again, lanes that move, positions that are gone."""

import signal
import threading
from collections import Counter

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kafka_rig import KafkaRig
from source_consumer import NAME, make_pump
from source_street import GIVE_UP_SECONDS, Street, eventually
from tollbook.errors import Blocked
from tollbook.flow.capture.sources import store
from tollbook.flow.capture.sources.store import Position
from tollbook.runtime.intake import Desk
from tollbook.runtime.pump import make_batch
from tollbook.sdk.source_conformance import Book, bodies, drain, read_once
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

MANY = 24_000
KILLS = 3


def real_only(rig: KafkaRig) -> None:
    if rig.broker.kind != "Apache Kafka":
        pytest.skip("the mock cluster cannot do this")


def test_two_readers_killed_three_times_store_every_message_once(
    rig: KafkaRig, street: Street
) -> None:
    rig.put(bodies(MANY // 2))
    readers = [street.start(rig, until_idle=False) for _ in range(2)]

    for kill in range(KILLS):
        before = len(street.numbers())
        eventually(lambda: len(street.numbers()) >= min(before + MANY // 12, MANY // 2))  # noqa: B023
        victim = readers[kill % 2]
        victim.send_signal(signal.SIGKILL)
        assert victim.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
        readers[kill % 2] = street.start(rig, until_idle=False)
        rig.put(bodies(MANY // 6, start=MANY // 2 + kill * (MANY // 6)))
    eventually(lambda: len(street.numbers()) >= MANY)

    assert street.numbers() == list(range(MANY))
    assert sum(one.records for one in street.positions()) == MANY
    assert set(street.answers()) <= {"accepted"}, "positions let nothing in twice"


def test_a_lane_that_moves_to_a_new_reader_goes_on_where_it_was_stored(
    rig: KafkaRig, street: Street
) -> None:
    rig.put(bodies(400))
    first = street.start(rig, until_idle=False)
    eventually(lambda: len(street.numbers()) == 400)

    second = street.start(rig, until_idle=False)
    eventually(lambda: street.readers() == 2)
    rig.put(bodies(400, start=400))
    eventually(lambda: len(street.numbers()) == 800)
    first.kill()
    first.wait(GIVE_UP_SECONDS)
    rig.put(bodies(400, start=800))
    eventually(lambda: len(street.numbers()) == 1200)

    assert second.poll() is None
    assert street.numbers() == list(range(1200))
    assert set(street.answers()) == {"accepted"}


def test_of_two_readers_that_hold_one_lane_only_the_first_gets_in(
    rig: KafkaRig, street: Street
) -> None:
    """A zombie has read what its successor has stored since."""
    rig.put(bodies(40))
    zombie = rig.connect()
    zombie.open(Book().positions_of)
    held = [chunk for chunk in [*read_once(zombie)] if chunk.records]
    zombie.close()
    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    let_in = [store_as(street.database, chunk.lane, chunk.first, chunk.next) for chunk in held]

    assert let_in == [False] * len(held)
    assert len(street.numbers()) == 40


def test_without_the_fence_the_zombie_would_bring_everything_a_second_time(
    rig: KafkaRig, street: Street
) -> None:
    """The negative control: at least once alone delivers again, and only identity catches it."""
    rig.put(bodies(40))
    zombie = rig.connect()
    zombie.open(Book().positions_of)
    held = read_once(zombie)
    zombie.close()
    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0
    desk = Desk(street.database, SystemClock(), future_hours_max=24)
    batch = make_batch(NAME, held)

    captured = desk.take(batch.raws, door=NAME)
    nameless = [one.replace(b'"id":"e-', b'"id":"z-') for one in batch.raws]
    desk.take(nameless, door=NAME)

    assert captured.counts == Counter(duplicate=len(batch.raws))
    assert len(street.numbers()) == 40 + len(batch.raws), "a sender without stable ids is doubled"


def test_positions_are_those_of_the_events_whatever_the_group_has_committed(
    rig: KafkaRig, street: Street
) -> None:
    real_only(rig)
    rig.put(bodies(80))
    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0
    commit_everywhere(rig, 0)
    rig.put(bodies(40, start=80))

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    assert street.answers() == {"accepted": 120}
    assert [(one.lane, one.next) for one in street.positions()] == [
        (f"{rig.topic}/{partition}", 30) for partition in range(4)
    ]


def test_the_group_is_told_what_is_stored_for_those_who_watch_its_lag(
    rig: KafkaRig, street: Street
) -> None:
    rig.put(bodies(80))

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    assert committed(rig) == [20] * 4


def test_a_topic_read_from_its_end_counts_what_is_written_from_the_first_look_on(
    rig: KafkaRig, street: Street
) -> None:
    rig.put(bodies(40))
    rig.options = {**rig.options, "start": "latest"}
    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0
    assert street.numbers() == []
    rig.put(bodies(40, start=40))

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    assert street.numbers() == list(range(40, 80))


def test_a_position_that_kafka_no_longer_holds_is_told_and_stops_no_other_partition(
    rig: KafkaRig, street: Street
) -> None:
    rig.put(bodies(40))
    with street.database.transaction() as connection:
        store.set_position(connection, NAME, f"{rig.topic}/1", 5_000, at=SystemClock().now())
    pump, close = make_pump(street.database.dsn, rig.connector, rig.options, records_max=100)

    with pytest.raises(Blocked, match=r"stand at 5000 .* holds only 0 to 10") as refused:
        pump.run(threading.Event(), until_idle=True)
    close()

    assert refused.value.code == "capture.position_gone"
    assert set(street.numbers()) == set(range(40)) - set(range(1, 40, 4))


def test_messages_of_an_aborted_transaction_are_not_usage(rig: KafkaRig, street: Street) -> None:
    real_only(rig)
    producer = Producer(
        {"bootstrap.servers": rig.broker.address, "transactional.id": f"tx-{rig.topic}"}
    )
    producer.init_transactions(30)
    for number, is_kept in ((0, True), (1, False), (2, True)):
        producer.begin_transaction()
        producer.produce(rig.topic, bodies(1, start=number)[0], partition=0)
        producer.flush(30)
        if is_kept:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    assert street.numbers() == [0, 2]


def test_the_marks_of_transactions_are_no_backlog(rig: KafkaRig) -> None:
    real_only(rig)
    producer = Producer(
        {"bootstrap.servers": rig.broker.address, "transactional.id": f"tx-{rig.topic}"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(rig.topic, bodies(1)[0], partition=0)
    producer.commit_transaction(30)
    source, book = rig.connect(), Book()
    source.open(book.positions_of)
    before = source.backlog()

    drain(source, book, 1)
    source.read(records_max=10, wait_seconds=2)
    after = source.backlog()
    source.close()

    assert before.records == 2, "the message and its mark"
    assert after.records == 0


def test_partitions_that_are_added_are_read_from_their_beginning(
    rig: KafkaRig, street: Street
) -> None:
    real_only(rig)
    rig.options = {**rig.options, "topic.metadata.refresh.interval.ms": "1000"}
    rig.put(bodies(40))
    street.start(rig, until_idle=False)
    eventually(lambda: len(street.numbers()) == 40)

    rig.broker.add_partitions(rig.topic, 6)
    rig.broker.put(rig.topic, bodies(10, start=40), partition=5)
    eventually(lambda: len(street.numbers()) == 50)

    assert street.numbers() == list(range(50))


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "left alone"])
def test_a_group_keeps_a_reader_that_waits_for_its_database_and_throws_out_a_silent_one(
    rig: KafkaRig, *, is_held: bool
) -> None:
    real_only(rig)
    rig.options = {**rig.options, "max.poll.interval.ms": "6000"}
    rig.put(bodies(80))
    source, book = rig.connect(), Book()
    source.open(book.positions_of)
    chunks = read_once(source, records_max=20)
    waiting = threading.Event()

    for _ in range(9):
        waiting.wait(1)
        if is_held:
            assert list(source.hold(chunks)) == list(chunks)
    # One that was thrown out learns it as soon as it asks again.
    source.hold(chunks)
    waiting.wait(0.5)
    kept = source.hold(chunks)
    for chunk in kept:
        book.store(source, chunk)
    drain(source, book, 80)
    source.close()

    assert list(kept) == (list(chunks) if is_held else [])
    assert sorted(book.bodies) == sorted(bodies(80))
    assert book.bodies.total() == 80


def store_as(database: Database, lane: str, first: int, following: int) -> bool:
    """Try to move a lane as a reader does; tell whether it was let in."""
    position = Position(
        NAME,
        lane,
        following,
        is_done=False,
        records=0,
        facts={},
        updated_at=SystemClock().now(),
    )
    with database.transaction() as connection:
        return store.advance(connection, position, first=first)


def commit_everywhere(rig: KafkaRig, offset: int) -> None:
    """Let the group believe that nothing was read."""
    consumer = group_member(rig)
    consumer.commit(
        offsets=[TopicPartition(rig.topic, partition, offset) for partition in range(4)],
        asynchronous=False,
    )
    consumer.close()


def committed(rig: KafkaRig) -> list[int]:
    """Return what the group believes to be read."""
    consumer = group_member(rig)
    found = consumer.committed([TopicPartition(rig.topic, number) for number in range(4)], 10)
    consumer.close()
    return [one.offset for one in found]


def group_member(rig: KafkaRig) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": rig.broker.address,
            "group.id": rig.options["group"],
            "enable.auto.commit": False,
        }
    )
