"""The Pub/Sub source against a server of the published protocol, and Google's emulator if there."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from source_street import GIVE_UP_SECONDS, ExactlyOnce, Street
from sources.broker import Broker, free_port, program
from sources.pubsub_rig import PubSubRig
from sources.pubsub_server import PubSubServer
from sources.reading import (
    bodies_of,
    drain_through_failures,
    first_chunk,
    positions,
    read_all_that_comes,
    read_until_it_fails,
)
from tollbook.connectors.pubsub.source import connect
from tollbook.errors import Blocked, Rejected
from tollbook.sdk.source import Source
from tollbook.sdk.source_conformance import Book, SourceConformance, bodies, body
from tollbook.values.clock import SystemClock

EVENT: dict[str, Any] = msgspec.json.decode(body(0))
DEADLINE_SECONDS = 2
EMULATOR = Path("/usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib")


@pytest.fixture(scope="module")
def server() -> Iterator[PubSubServer]:
    server = PubSubServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    jars = sorted(EMULATOR.glob("cloud-pubsub-emulator-*-all.jar"))
    if not jars:
        pytest.skip("Google's emulator is not installed")
    port = free_port()
    command = [program("java"), "-jar", str(jars[-1]), "--host=127.0.0.1", f"--port={port}"]
    broker = Broker(command, port, tmp_path_factory.mktemp("emulator") / "log")
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def rig(server: PubSubServer, request: pytest.FixtureRequest) -> PubSubRig:
    return PubSubRig(server.port, request.node.name)


class TestPubSubSource(SourceConformance):
    """A subscription that delivers at least once."""


class TestPubSubExactlyOnceSource(SourceConformance):
    """A subscription that delivers exactly once, and answers each acknowledgement."""

    @pytest.fixture
    def rig(self, server: PubSubServer, request: pytest.FixtureRequest) -> PubSubRig:
        name = f"once-{request.node.name}"
        return PubSubRig(server.port, name, enable_exactly_once_delivery=True)


class TestPubSubEmulatorSource(SourceConformance):
    """Google's own emulator."""

    @pytest.fixture
    def rig(self, emulator: Broker, request: pytest.FixtureRequest) -> PubSubRig:
        return PubSubRig(emulator.port, f"emulated-{request.node.name}")


class TestPubSubExactlyOnce(ExactlyOnce):
    """Through the pump into the database."""

    def test_an_event_in_binary_mode_is_the_same_event(
        self, rig: PubSubRig, street: Street
    ) -> None:
        attributes = {f"ce-{name}": EVENT[name] for name in EVENT if name != "data"}
        attributes["content-type"] = "application/json"
        data = msgspec.json.encode(EVENT["data"])
        rig.put(bodies(1))
        rig.publish([{"data": data, "attributes": attributes | {"firmware": "1.2"}}])

        assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

        assert street.numbers() == [0]
        assert street.answers()["duplicate"] == 1


@pytest.fixture
def once(server: PubSubServer, request: pytest.FixtureRequest) -> PubSubRig:
    name = f"once-{request.node.name}"
    return PubSubRig(server.port, name, enable_exactly_once_delivery=True)


def open_source(rig: PubSubRig, **options: str) -> Source:
    source = connect({**rig.options, **options}, SystemClock())
    source.open(positions)
    return source


def test_a_record_names_its_message_its_key_and_its_attributes(rig: PubSubRig) -> None:
    rig.publish([{"data": b"7;12.5", "ordering_key": "k", "attributes": {"firmware": "1.2"}}])
    source = open_source(rig)

    chunk = first_chunk(source)
    source.close()

    [record] = chunk.records
    metadata = dict(record.metadata)
    assert record.body == b"7;12.5"
    assert dict(record.attributes) == {}
    assert metadata.pop("message_id").isdigit()
    assert metadata.pop("publish_time").endswith("Z")
    assert metadata == {"ordering_key": "k", "attribute.firmware": "1.2"}


def test_messages_of_a_key_come_in_their_order_also_after_a_rewind(
    server: PubSubServer, request: pytest.FixtureRequest
) -> None:
    rig = PubSubRig(server.port, request.node.name, enable_message_ordering=True)
    keys = ["a", "b", "c"]
    rig.publish([{"data": b"%d" % n, "ordering_key": keys[n % 3]} for n in range(90)])
    source, book = open_source(rig), Book()
    source.rewind(first_chunk(source), 0)

    drain_through_failures(source, book, 90)
    source.close()

    for key in range(3):
        numbers = [int(one) for _, one in book.stored if int(one) % 3 == key]
        assert numbers == list(range(key, 90, 3))


def test_what_takes_long_to_store_is_not_given_to_another_worker(rig: PubSubRig) -> None:
    rig.put(bodies(30))
    source, other = open_source(rig), open_source(rig)
    chunks = read_all_that_comes(source)

    time.sleep(3 * DEADLINE_SECONDS)
    elsewhere = read_all_that_comes(other)
    source.settle(chunks)
    source.close()
    other.close()

    assert Counter(bodies_of(chunks)) == Counter(bodies(30))
    assert elsewhere == []


def test_what_a_worker_holds_without_a_sign_of_life_goes_to_another(
    rig: PubSubRig, server: PubSubServer
) -> None:
    rig.put(bodies(30))
    stuck = open_source(rig, lease_seconds="2")
    held = read_all_that_comes(stuck)
    other, book = open_source(rig), Book()

    drain_through_failures(other, book, 30)
    stuck.settle(held)  # it wakes up and has stored them too: duplicates by source and id
    stuck.close()
    other.close()

    assert book.bodies == Counter(bodies(30))
    assert server.waiting(rig.subscription) == 0


def test_an_acknowledgement_that_failed_for_the_moment_is_said_again(
    once: PubSubRig, server: PubSubServer
) -> None:
    once.put(bodies(30))
    source = open_source(once)
    chunks = read_all_that_comes(source)
    server.acks_to_fail = 2

    source.settle(chunks)
    source.close()

    assert server.waiting(once.subscription) == 0


def test_an_acknowledgement_that_came_too_late_brings_the_message_again(
    once: PubSubRig, server: PubSubServer
) -> None:
    once.put(bodies(30))
    source, book = open_source(once), Book()
    chunks = read_all_that_comes(source)
    server.expire(once.subscription)

    source.settle(chunks)
    drain_through_failures(source, book, 30)
    source.close()

    assert book.bodies == Counter(bodies(30))
    assert server.waiting(once.subscription) == 0


def test_workers_of_one_subscription_share_what_is_published(rig: PubSubRig) -> None:
    workers = [open_source(rig) for _ in range(3)]
    shares: list[list[bytes]] = [[] for _ in workers]
    for start in range(0, 300, 10):
        rig.put(bodies(10, start=start))
        for worker, share in zip(workers, shares, strict=True):
            chunks = worker.read(records_max=20, wait_seconds=0.05)
            worker.settle(chunks)
            share.extend(bodies_of(chunks))
    for worker, share in zip(workers, shares, strict=True):
        chunks = read_all_that_comes(worker)
        worker.settle(chunks)
        share.extend(bodies_of(chunks))
        worker.close()

    assert sum(map(bool, shares)) > 1
    assert Counter(one for share in shares for one in share) == Counter(bodies(300))


def test_reading_goes_on_when_pub_sub_was_away(rig: PubSubRig, server: PubSubServer) -> None:
    rig.put(bodies(30))
    source, book = open_source(rig), Book()
    server.is_away = True

    read_until_it_fails(source)
    server.is_away = False
    drain_through_failures(source, book, 30)
    source.close()

    assert book.bodies == Counter(bodies(30))


def test_a_subscription_that_is_not_there_is_for_a_person(rig: PubSubRig) -> None:
    source = open_source(rig, subscription="nowhere", project="test")

    with pytest.raises(Blocked, match="no subscription projects/test/subscriptions/now") as refused:
        read_until_it_fails(source)

    source.close()
    assert refused.value.code == "capture.source_missing"


def test_without_credentials_a_person_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "PUBSUB_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    source = connect({"subscription": "projects/p/subscriptions/s"}, SystemClock())

    with pytest.raises(Blocked, match="No Google credentials") as refused:
        source.open(positions)

    source.close()
    assert refused.value.code == "capture.source_denied"


def test_a_service_account_key_is_taken_from_an_option(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = json.dumps(
        {
            "type": "service_account",
            "client_email": "usage@p.example",
            "token_uri": "http://127.0.0.1:9/token",
            "private_key": key.decode(),
        }
    )
    file = tmp_path / "account.json"
    file.write_text(account)
    options = {"subscription": "projects/p/subscriptions/s", "endpoint": "127.0.0.1:9"}

    for said in ({"credentials": account}, {"credentials_file": str(file)}):
        source = connect({**options, **said}, SystemClock())
        source.open(positions)
        source.close()
    with pytest.raises(Rejected, match="no service account key"):
        connect({**options, "credentials": "{}"}, SystemClock()).open(positions)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hots": "h"}, "There is no option hots; there are"),
        ({}, "The option subscription is missing"),
        ({"subscription": "s"}, "The option project is missing"),
        ({"subscription": "a/b"}, "is a name, or projects/"),
        ({"subscription": "s", "project": "p", "insecure": "true"}, "needs an endpoint"),
        ({"subscription": "s", "project": "p", "deadline_seconds": "601"}, "from 1 to 600"),
        ({"subscription": "s", "project": "p", "credentials_file": "/no/such"}, "There is no file"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        connect(options, SystemClock())
