"""A topic of its own for a test, and readers of it."""

import itertools
from collections.abc import Mapping, Sequence

from kafka_broker import Broker
from tollbook.connectors.kafka.source import KafkaSource, connect
from tollbook.values.clock import SystemClock

_NUMBERS = itertools.count(1)


class KafkaRig:
    """A topic of four partitions, and readers of it."""

    connector = "kafka"

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.topic = f"usage-{next(_NUMBERS)}"
        broker.make_topic(self.topic)
        self.options: Mapping[str, str] = {
            "bootstrap_servers": broker.address,
            "topics": self.topic,
            "group": f"tollbook-{self.topic}",
            # Killed readers leave the group soon.
            "session.timeout.ms": "6000",
        }

    def put(self, bodies: Sequence[bytes]) -> None:
        """Write messages in turn over the partitions."""
        self.broker.put(self.topic, bodies)

    def connect(self) -> KafkaSource:
        """Make a reader."""
        return connect(self.options, SystemClock())

    def put_poison(self) -> bytes:
        """Write what is neither a CloudEvent nor JSON."""
        self.broker.put(self.topic, [b"\x80 no event"])
        return b"\x80 no event"
