"""The MQTT source against a real mosquitto."""

import gc
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from source_street import GIVE_UP_SECONDS, ExactlyOnce, Street
from sources.broker import Broker, free_port, program
from sources.certificates import certificates
from sources.mosquitto import MqttRig, answering, device, properties, publish, start_mosquitto
from sources.reading import (
    bodies_of,
    drain_through_failures,
    positions,
    read_all_that_comes,
    read_until_it_fails,
)
from tollbook.connectors.mqtt.source import connect
from tollbook.errors import Blocked, Rejected, Transient
from tollbook.sdk.source_conformance import (
    WAIT_SECONDS,
    Book,
    SourceConformance,
    bodies,
    body,
    drain,
    read_once,
)
from tollbook.values.clock import SystemClock

CONNECTED = b"\x20\x03\x00\x00\x00"
SUBSCRIBED = b"\x90\x04\x00\x01\x00\x01"
Start = Callable[..., Broker]
EVENT: dict[str, Any] = msgspec.json.decode(body(0))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = start_mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield broker
    broker.stop()


@pytest.fixture
def start_own(tmp_path: Path) -> Iterator[Start]:
    """Give what starts a broker of the test's own, and ends it with the test."""
    started: list[Broker] = []

    def start(*said: str) -> Broker:
        started.append(start_mosquitto(tmp_path, *said))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def rig(broker: Broker, request: pytest.FixtureRequest) -> MqttRig:
    return MqttRig(broker.port, request.node.name)


class TestMqttSource(SourceConformance):
    """A session of its own: ordered, one worker."""


class TestMqttSharedSource(SourceConformance):
    """A shared subscription: as many workers as it takes."""

    @pytest.fixture
    def rig(self, broker: Broker, request: pytest.FixtureRequest) -> MqttRig:
        return MqttRig(broker.port, f"shared-{request.node.name}", group="billing")


class TestMqttExactlyOnce(ExactlyOnce):
    """Through the pump into the database."""

    def test_what_a_device_sent_while_nobody_listened_is_stored_when_we_come(
        self, rig: MqttRig, street: Street
    ) -> None:
        rig.put(bodies(100))
        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        rig.put(bodies(100, start=100))
        rig.put(bodies(50, start=90))  # the device was not sure and sent some again
        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == list(range(200))
        assert street.answers()["duplicate"] == 50

    def test_an_event_in_binary_mode_is_the_same_event(self, rig: MqttRig, street: Street) -> None:
        rig.put(bodies(1))
        pairs = [(name, EVENT[name]) for name in EVENT if name != "data"]
        with device(rig.port) as client:
            said = properties("application/json", [*pairs, ("X-Firmware", "1.2")])
            publish(client, rig.topic, msgspec.json.encode(EVENT["data"]), properties=said)

        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == [0]
        assert street.answers()["duplicate"] == 1


def test_a_record_names_its_topic_its_levels_and_its_properties(rig: MqttRig) -> None:
    source = connect({**rig.options, "topic_levels": "site/{device}/usage"}, SystemClock())
    source.open(positions)
    with device(rig.port) as client:
        said = properties("text/csv", [("firmware", "1.2")], CorrelationData=b"\x01\xff")
        publish(client, rig.topic, b"7;12.5", properties=said)

    [chunk] = read_once(source)
    source.close()

    [record] = chunk.records
    assert record.body == b"7;12.5"
    assert dict(record.attributes) == {}
    assert record.metadata == {
        "topic": rig.topic,
        "device": "meter-7",
        "content_type": "text/csv",
        "property.firmware": "1.2",
        "correlation_data": "01ff",
        "qos": "1",
        "retain": "false",
    }


def test_an_attribute_that_is_there_twice_is_refused_and_its_body_kept(rig: MqttRig) -> None:
    source = rig.connect()
    source.open(positions)
    with device(rig.port) as client:
        said = properties("", [("specversion", "1.0"), ("id", "1"), ("id", "2")])
        publish(client, rig.topic, b"{}", properties=said)

    [chunk] = read_once(source)
    source.close()

    [record] = chunk.records
    assert record.body == b"{}"
    assert record.refusal is not None
    assert record.refusal.code == "capture.unreadable_record"


def test_what_we_may_leave_unacknowledged_bounds_what_we_have_in_hand(rig: MqttRig) -> None:
    rig.put(bodies(200))
    source, book = connect({**rig.options, "unacknowledged_max": "10"}, SystemClock()), Book()
    source.open(book.positions_of)

    first = read_all_that_comes(source)
    source.settle(first)
    second = read_all_that_comes(source)
    source.settle(second)
    for chunk in [*first, *second]:
        book.store(source, chunk)
    drain(source, book, 200)
    source.close()

    assert bodies_of(first) == bodies(10)
    # Mosquitto sends more, and we leave it with the network.
    assert len(bodies_of(second)) <= 11
    assert book.bodies == Counter(bodies(200))


def test_what_is_in_hand_while_the_broker_restarts_is_given_once(start_own: Start) -> None:
    broker = start_own()
    rig, book = MqttRig(broker.port, "restart"), Book()
    rig.put(bodies(60))
    source = rig.connect()
    source.open(book.positions_of)
    chunks = read_once(source, records_max=20)

    broker.stop()
    chunks = [*chunks, *read_until_it_fails(source)]
    broker.start()
    for chunk in chunks:
        book.store(source, chunk)
    source.settle(chunks)
    rig.put(bodies(40, start=60))
    drain_through_failures(source, book, 100)
    source.close()
    later = rig.connect()
    later.open(book.positions_of)

    assert read_all_that_comes(later) == []
    assert book.bodies == Counter(bodies(100))
    later.close()
    broker.stop()


def test_a_retained_message_is_ignored_however_often_we_connect(rig: MqttRig) -> None:
    with device(rig.port) as client:
        publish(client, rig.topic.replace("meter-7", "old"), b"old", retain=True)
    source = connect({**rig.options, "client_id": f"{rig.topic}-new"}, SystemClock())
    source.open(positions)
    with device(rig.port) as client:
        publish(client, rig.topic, b"new", retain=True)

    chunks = read_all_that_comes(source)
    source.close()
    source.open(positions)

    # What is published while we are subscribed is usage, retained for others or not.
    assert bodies_of(chunks) == [b"new"]
    source.settle(chunks)
    source.close()


def test_a_retained_message_is_taken_once_when_we_say_so(rig: MqttRig) -> None:
    with device(rig.port) as client:
        publish(client, rig.topic.replace("meter-7", "old"), b"old", retain=True)
    options = {**rig.options, "client_id": f"{rig.topic}-take", "retained": "take"}
    source = connect(options, SystemClock())
    source.open(positions)

    first = read_all_that_comes(source)
    source.settle(first)
    source.close()
    source.open(positions)
    second = read_all_that_comes(source)
    source.close()

    assert bodies_of(first) == [b"old"]
    assert [record.metadata["retain"] for chunk in first for record in chunk.records] == ["true"]
    assert second == []


def test_workers_of_a_group_share_what_is_published(rig: MqttRig) -> None:
    workers = [
        connect({**rig.options, "client_id": f"{rig.topic}-{n}", "group": "g"}, SystemClock())
        for n in range(3)
    ]
    for worker in workers:
        worker.open(positions)
    rig.put(bodies(300))

    shares = [read_all_that_comes(worker) for worker in workers]
    for worker, chunks in zip(workers, shares, strict=True):
        worker.settle(chunks)
        worker.close()

    assert all(shares)
    assert Counter(
        record.body for chunks in shares for chunk in chunks for record in chunk.records
    ) == Counter(bodies(300))


def test_workers_with_the_same_client_id_send_each_other_away(rig: MqttRig) -> None:
    first, second = rig.connect(), rig.connect()
    first.open(positions)
    second.open(positions)

    # Mosquitto only closes the connection.
    with pytest.raises(Transient, match="does not answer"):
        first.read(records_max=10, wait_seconds=WAIT_SECONDS)

    first.close()
    second.close()


def test_a_broker_that_says_why_it_sends_us_away_is_understood() -> None:
    taken_over = b"\xe0\x02\x8e\x00"
    with answering(CONNECTED, taken_over) as port:
        source = connect({"host": "127.0.0.1", "port": str(port), "topics": "t"}, SystemClock())

        with pytest.raises(Blocked, match="give each worker its own") as refused:
            source.open(positions)

        source.close()
    assert refused.value.code == "capture.source_taken_over"


def test_a_topic_that_is_no_text_is_refused_and_its_body_kept() -> None:
    packet = b"\x32\x07\x00\x01\xff\x00\x01\x00x"
    with answering(CONNECTED, SUBSCRIBED + packet) as port:
        source = connect({"host": "127.0.0.1", "port": str(port), "topics": "t"}, SystemClock())
        source.open(positions)

        [chunk] = read_once(source)

        source.close()
    [record] = chunk.records
    assert record.body == b"x"
    assert record.refusal is not None
    assert record.refusal.code == "capture.unreadable_record"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_client_that_chokes_on_a_packet_is_a_failure_and_not_silence() -> None:
    packet = b"\x32\x0d\x00\x01t\x00\x01\x07\x26\x00\x01a\x00\x01\xff"
    with answering(CONNECTED, SUBSCRIBED + packet) as port:
        source = connect({"host": "127.0.0.1", "port": str(port), "topics": "t"}, SystemClock())
        # The packet comes with the broker's answer: the failure may be told when it is opened.
        with suppress(Transient):
            source.open(positions)
            assert read_until_it_fails(source) == []

        with pytest.raises(Transient):
            source.read(records_max=1, wait_seconds=0)
        source.close()


def test_a_broker_without_a_guarantee_is_refused() -> None:
    with answering(CONNECTED, b"\x90\x04\x00\x01\x00\x00") as port:
        source = connect({"host": "127.0.0.1", "port": str(port), "topics": "t"}, SystemClock())

        with pytest.raises(Blocked, match="only QoS 0") as refused:
            source.open(positions)

        source.close()
    assert refused.value.code == "capture.source_unfit"


def test_a_message_without_a_guarantee_is_taken_as_it_comes(rig: MqttRig) -> None:
    source = rig.connect()
    source.open(positions)
    with device(rig.port) as client:
        publish(client, rig.topic, b"at most once", qos=0)
        publish(client, rig.topic, b"exactly once", qos=2)

    chunks = read_all_that_comes(source)
    source.settle(chunks)
    source.close()

    records = [record for chunk in chunks for record in chunk.records]
    assert [record.body for record in records] == [b"at most once", b"exactly once"]
    assert [record.metadata["qos"] for record in records] == ["0", "1"]


def test_a_wrong_password_is_for_a_person(tmp_path: Path, start_own: Start) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(
        [program("mosquitto_passwd"), "-b", "-c", str(passwords), "tollbook", "right"], check=True
    )
    broker = start_own("allow_anonymous false", f"password_file {passwords}")
    options = {"host": "127.0.0.1", "port": str(broker.port), "topics": "t/#", "user": "tollbook"}
    right, wrong = (
        connect({**options, "password": password}, SystemClock()) for password in ("right", "wrong")
    )

    right.open(positions)
    right.close()
    with pytest.raises(Blocked, match="does not let us in") as refused:
        wrong.open(positions)
    wrong.close()

    assert refused.value.code == "capture.source_denied"


# The client library leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_connection_by_tls_trusts_only_the_authority_we_name(
    tmp_path: Path, start_own: Start
) -> None:
    files = certificates(tmp_path)
    broker = start_own(
        "listener PORT 127.0.0.1",
        f"cafile {files.authority}",
        f"certfile {files.certificate}",
        f"keyfile {files.key}",
    )
    options = {"host": "127.0.0.1", "port": str(broker.port), "topics": "t/#", "tls": "true"}
    trusting = connect({**options, "ca_file": str(files.authority)}, SystemClock())
    strange = connect(options, SystemClock())

    trusting.open(positions)
    trusting.close()
    with pytest.raises(Blocked, match="No secure connection") as refused:
        strange.open(positions)
    strange.close()

    assert refused.value.code == "capture.source_denied"
    del refused
    gc.collect()


def test_a_broker_that_is_not_there_is_tried_again_later() -> None:
    source = connect({"host": "127.0.0.1", "port": str(free_port()), "topics": "t"}, SystemClock())

    with pytest.raises(Transient, match="does not answer"):
        source.open(positions)

    source.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hots": "h"}, "There is no option hots; there are"),
        ({"topics": "t"}, "The option host is missing"),
        ({"host": "h"}, "The option topics is missing"),
        ({"host": "h", "topics": "t", "unacknowledged_max": "70000"}, "from 1 to 65535"),
        ({"host": "h", "topics": "t", "retained": "maybe"}, "one of ignore, take"),
        ({"host": "h", "topics": "t", "group": "a/b"}, "must not contain"),
        ({"host": "h", "topics": "t", "topic_levels": "a/{b}x"}, "names whole levels"),
        ({"host": "h", "topics": "t", "tls": "perhaps"}, "must be true or false"),
        ({"host": "h", "topics": "t", "tls": "yes", "ca_file": "/no/such"}, "There is no file"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        connect(options, SystemClock())
