"""A broker for the session, and for each test a topic of its own and a database."""

from collections.abc import Callable, Iterator

import pytest

import kafka_broker
from door import furnish
from kafka_broker import Broker
from kafka_rig import KafkaRig
from source_street import Street
from tollbook.storage.database import Database

broker = kafka_broker.broker
_USED: list[str] = []


@pytest.fixture
def rig(broker: Broker) -> KafkaRig:
    """Give a fresh topic."""
    return KafkaRig(broker)


@pytest.fixture
def street(database: Database) -> Iterator[Street]:
    """Give a database with the catalog, and processes that pump into it."""
    furnish(database)
    street = Street(database)
    yield street
    street.end()


@pytest.fixture(scope="session", autouse=True)
def _note_which(broker: Broker, record_testsuite_property: Callable[[str, object], None]) -> None:
    record_testsuite_property("kafka", broker.kind)
    _USED.append(broker.kind)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which Kafka the tests ran against."""
    for kind in _USED:
        terminalreporter.write_line(f"Kafka tests ran against: {kind}")
