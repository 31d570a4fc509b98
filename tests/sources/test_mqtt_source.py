"""The MQTT source against a real mosquitto."""

from collections.abc import Iterator

import pytest

from source_street import ExactlyOnce
from sources.broker import Broker
from sources.mosquitto import MqttRig, start_mosquitto
from tollbook.sdk.source_conformance import SourceConformance


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = start_mosquitto(tmp_path_factory.mktemp("mosquitto"))
    yield broker
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
