"""The NATS JetStream source against a real nats-server."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from source_street import GIVE_UP_SECONDS, ExactlyOnce, Street
from sources.broker import Broker, free_port
from sources.certificates import certificates
from sources.nats_server import NatsRig, start_nats
from sources.reading import (
    bodies_of,
    drain_through_failures,
    first_chunk,
    positions,
    read_all_that_comes,
    read_until_it_fails,
)
from tollbook.connectors.nats.source import connect
from tollbook.errors import Blocked, Rejected, Transient
from tollbook.sdk.source import Backlog, Source
from tollbook.sdk.source_conformance import Book, SourceConformance, bodies, body
from tollbook.values.clock import FixedClock, SystemClock

Start = Callable[..., Broker]
EVENT: dict[str, Any] = msgspec.json.decode(body(0))
ACK_WAIT_SECONDS = 1
USERS = """
authorization: { users: [
  { user: root, password: root }
  { user: nobody, password: nobody, permissions: { publish: "x", subscribe: "_INBOX.>" } }
  { user: reader, password: reader, permissions: { subscribe: "_INBOX.>", publish: [
    "$JS.API.CONSUMER.>", "$JS.ACK.>"
  ] } }
] }
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = start_nats(tmp_path_factory.mktemp("nats"))
    yield broker
    broker.stop()


@pytest.fixture
def start_own(tmp_path: Path) -> Iterator[Start]:
    """Give what starts a broker of the test's own, and ends it with the test."""
    started: list[Broker] = []

    def start(*said: str) -> Broker:
        started.append(start_nats(tmp_path, *said))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def rig(broker: Broker, request: pytest.FixtureRequest) -> NatsRig:
    return NatsRig(broker.port, request.node.name)


class TestNatsSource(SourceConformance):
    """A durable pull consumer."""


class TestNatsExactlyOnce(ExactlyOnce):
    """Through the pump into the database."""

    def test_an_event_in_binary_mode_is_the_same_event(self, rig: NatsRig, street: Street) -> None:
        headers = {f"ce-{name}": EVENT[name] for name in EVENT if name != "data"}
        escaped = {name.upper(): value.replace("i", "%69") for name, value in headers.items()}
        data = msgspec.json.encode(EVENT["data"])
        rig.put(bodies(1))
        rig.publish([(data, headers), (data, escaped)])

        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == [0]
        assert street.answers()["duplicate"] == 2


def open_source(rig: NatsRig, **options: str) -> Source:
    source = connect({**rig.options, **options}, SystemClock())
    source.open(positions)
    return source


def test_a_record_names_its_subject_its_number_and_its_headers(rig: NatsRig) -> None:
    rig.publish([(b"7;12.5", {"Nats-Msg-Id": "m-1", "Firmware": "1.2"})])
    source = open_source(rig)

    chunk = first_chunk(source)
    source.close()

    [record] = chunk.records
    assert record.body == b"7;12.5"
    assert dict(record.attributes) == {}
    assert record.metadata == {
        "subject": f"{rig.stream}.meter-7",
        "stream": rig.stream,
        "sequence": "1",
        "message_id": "m-1",
        "header.nats-msg-id": "m-1",
        "header.firmware": "1.2",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [("Euro%20%E2%82%AC%20%f0%9f%98%80", "Euro € 😀"), ('"a \\"b\\" c"', 'a "b" c'), ("a", "a")],
)
def test_a_header_is_decoded_as_the_binding_says(rig: NatsRig, value: str, text: str) -> None:
    rig.publish([(b"{}", {"ce-specversion": "1.0", "ce-id": value})])
    source = open_source(rig)

    chunk = first_chunk(source)
    source.close()

    assert chunk.records[0].attributes["id"] == text


def test_a_header_that_hides_no_text_is_refused_and_its_body_kept(rig: NatsRig) -> None:
    rig.publish([(b"{}", {"ce-specversion": "1.0", "ce-id": "%C0%A0"})])
    source = open_source(rig)

    chunk = first_chunk(source)
    source.close()

    [record] = chunk.records
    assert record.body == b"{}"
    assert record.refusal is not None
    assert record.refusal.code == "capture.unreadable_record"


def test_what_takes_long_to_store_is_not_given_to_another_worker(rig: NatsRig) -> None:
    rig.put(bodies(30))
    source, other = open_source(rig), open_source(rig)
    chunks = read_all_that_comes(source)

    time.sleep(3 * ACK_WAIT_SECONDS)
    elsewhere = read_all_that_comes(other)
    source.settle(chunks)

    assert Counter(bodies_of(chunks)) == Counter(bodies(30))
    assert elsewhere == []
    assert rig.consumer().num_redelivered == 0
    assert source.backlog().records == 0
    source.close()
    other.close()


def test_what_a_worker_holds_without_a_sign_of_life_goes_to_another(rig: NatsRig) -> None:
    rig.put(bodies(30))
    stuck = open_source(rig, lease_seconds="1")
    held = read_all_that_comes(stuck)
    other, book = open_source(rig), Book()

    drain_through_failures(other, book, 30)
    stuck.settle(held)  # it wakes up and has stored them too: duplicates by source and id

    assert book.bodies == Counter(bodies(30))
    assert other.backlog().records == 0
    stuck.close()
    other.close()


def test_workers_of_one_consumer_share_what_is_published(rig: NatsRig) -> None:
    rig.put(bodies(300))
    workers = [open_source(rig) for _ in range(3)]

    shares: list[Any] = [[] for _ in workers]
    for _ in range(10):
        for worker, share in zip(workers, shares, strict=True):
            chunks = worker.read(records_max=20, wait_seconds=0.3)
            worker.settle(chunks)
            share.extend(bodies_of(chunks))
    for worker in workers:
        worker.close()

    assert all(shares)
    assert Counter(one for share in shares for one in share) == Counter(bodies(300))


def test_the_server_sends_no_more_than_we_may_leave_unacknowledged(rig: NatsRig) -> None:
    rig.put(bodies(50))
    source = open_source(rig, unacknowledged_max="10", ack_wait_seconds="30")

    first = read_all_that_comes(source)
    source.settle(first)
    second = read_all_that_comes(source)
    source.close()

    assert bodies_of(first) == bodies(10)
    assert bodies_of(second) == bodies(10, start=10)


def test_the_backlog_tells_the_age_of_the_oldest_message(rig: NatsRig) -> None:
    rig.put(bodies(3))
    clock = FixedClock(datetime(2090, 1, 1, tzinfo=UTC))
    source = connect(rig.options, clock)
    source.open(positions)

    before = source.backlog()
    source.settle(read_all_that_comes(source))
    after = source.backlog()
    source.close()

    assert before.records == 3
    assert before.oldest_seconds is not None
    assert before.oldest_seconds > timedelta(days=365 * 50).total_seconds()
    assert after == Backlog(0)


def test_reading_needs_no_more_than_the_consumer(tmp_path: Path, start_own: Start) -> None:
    users = tmp_path / "users.conf"
    users.write_text(USERS)
    broker = start_own("-c", str(users))
    rig = NatsRig(broker.port, "small", user="root", password="root")
    rig.put(bodies(3))
    source = open_source(rig, user="reader", password="reader")

    backlog = source.backlog()
    chunks = read_all_that_comes(source)
    source.settle(chunks)

    assert backlog == Backlog(3)  # it may not look how old they are
    assert bodies_of(chunks) == bodies(3)
    assert source.backlog() == Backlog(0)
    source.close()


def test_a_consumer_that_we_may_not_read_is_for_a_person(tmp_path: Path, start_own: Start) -> None:
    users = tmp_path / "users.conf"
    users.write_text(USERS)
    broker = start_own("-c", str(users))
    rig = NatsRig(broker.port, "small", user="root", password="root")
    source = connect({**rig.options, "user": "nobody", "password": "nobody"}, SystemClock())

    with pytest.raises(Blocked, match="does not allow") as refused:
        source.open(positions)

    source.close()
    assert refused.value.code == "capture.source_denied"


def test_only_the_subject_we_name_is_read(rig: NatsRig) -> None:
    rig.put(bodies(5))
    source = open_source(rig, subject=f"{rig.stream}.other")

    chunks = read_all_that_comes(source)
    source.close()

    assert chunks == []


def test_reading_goes_on_when_the_server_was_killed(start_own: Start) -> None:
    broker = start_own()
    rig, book = NatsRig(broker.port, "killed"), Book()
    rig.put(bodies(60))
    source = open_source(rig)
    chunks = [*source.read(records_max=20, wait_seconds=5)]

    broker.kill()
    chunks += read_until_it_fails(source)
    broker.start()
    rig.put(bodies(40, start=60))
    for chunk in chunks:
        book.store(source, chunk)
    drain_through_failures(source, book, 100)
    source.close()
    broker.stop()

    assert set(book.bodies) == set(bodies(100))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_deliver": 5}, "gives up after 5 deliveries"),
        ({"ack_policy": "none"}, "not a pull consumer with explicit acks"),
        ({"deliver_subject": "push.here"}, "not a pull consumer with explicit acks"),
    ],
)
def test_a_consumer_that_could_lose_usage_is_refused(
    rig: NatsRig, settings: dict[str, Any], words: str
) -> None:
    rig.add_consumer(**settings)

    with pytest.raises(Blocked, match=words) as refused:
        open_source(rig)

    assert refused.value.code == "capture.source_unfit"


def test_a_stream_that_is_not_there_is_for_a_person(rig: NatsRig) -> None:
    with pytest.raises(Blocked, match="no consumer tollbook of the stream nowhere") as refused:
        open_source(rig, stream="nowhere")

    assert refused.value.code == "capture.source_missing"


def test_a_consumer_is_not_made_when_we_may_not(rig: NatsRig) -> None:
    with pytest.raises(Blocked, match="There is no consumer") as refused:
        open_source(rig, create_consumer="no")

    assert refused.value.code == "capture.source_missing"


def test_a_consumer_that_was_deleted_under_us_is_for_a_person(rig: NatsRig) -> None:
    source = open_source(rig)
    read_all_that_comes(source)
    rig.delete_consumer()

    with pytest.raises(Blocked, match="There is no consumer") as refused:
        read_until_it_fails(source)

    source.close()
    assert refused.value.code == "capture.source_missing"


def test_a_wrong_token_is_for_a_person(start_own: Start) -> None:
    broker = start_own("--auth", "right")
    options = {"servers": f"nats://127.0.0.1:{broker.port}", "stream": "s", "token": "wrong"}
    source = connect(options, SystemClock())

    with pytest.raises(Blocked, match="does not let us in") as refused:
        source.open(positions)

    source.close()
    assert refused.value.code == "capture.source_denied"


def test_a_connection_by_tls_trusts_only_the_authority_we_name(
    tmp_path: Path, start_own: Start
) -> None:
    files = certificates(tmp_path)
    broker = start_own("--tls", "--tlscert", str(files.certificate), "--tlskey", str(files.key))
    options = {"servers": f"tls://127.0.0.1:{broker.port}", "stream": "s", "tls": "true"}
    trusting = connect({**options, "ca_file": str(files.authority)}, SystemClock())
    strange = connect(options, SystemClock())

    with pytest.raises(Blocked, match="no consumer"):
        trusting.open(positions)
    with pytest.raises(Blocked, match="No secure connection") as refused:
        strange.open(positions)

    trusting.close()
    strange.close()
    assert refused.value.code == "capture.source_denied"


def test_a_server_that_is_not_there_is_tried_again_later() -> None:
    options = {"servers": f"nats://127.0.0.1:{free_port()}", "stream": "s"}
    source = connect(options, SystemClock())

    with pytest.raises(Transient, match="does not answer"):
        source.open(positions)

    source.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hots": "h"}, "There is no option hots; there are"),
        ({"stream": "s"}, "The option servers is missing"),
        ({"servers": "nats://h"}, "The option stream is missing"),
        ({"servers": "nats://h", "stream": "s", "ack_wait_seconds": "0"}, "from 1 to 3600"),
        ({"servers": "nats://h", "stream": "s", "ca_file": "/no/such"}, "There is no file"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        connect(options, SystemClock())
