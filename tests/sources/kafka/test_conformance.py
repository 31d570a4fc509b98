"""The Kafka source passes the suites of all sources."""

from source_street import ExactlyOnce
from tollbook.sdk.source_conformance import SourceConformance


class TestKafkaAlone(SourceConformance):
    """What the source promises."""


class TestKafkaToTheDatabase(ExactlyOnce):
    """What the street promises with it."""
