"""The Pub/Sub source against a server of the published protocol, and Google's emulator if there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from source_street import ExactlyOnce
from sources.broker import Broker, free_port, program
from sources.pubsub_rig import PubSubRig
from sources.pubsub_server import PubSubServer
from tollbook.sdk.source_conformance import SourceConformance

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
