"""The NATS JetStream source against a real nats-server."""

from collections.abc import Iterator

import pytest

from source_street import ExactlyOnce
from sources.broker import Broker
from sources.nats_server import NatsRig, start_nats
from tollbook.sdk.source_conformance import SourceConformance


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = start_nats(tmp_path_factory.mktemp("nats"))
    yield broker
    broker.stop()


@pytest.fixture
def rig(broker: Broker, request: pytest.FixtureRequest) -> NatsRig:
    return NatsRig(broker.port, request.node.name)


class TestNatsSource(SourceConformance):
    """A durable pull consumer."""


class TestNatsExactlyOnce(ExactlyOnce):
    """Through the pump into the database."""
