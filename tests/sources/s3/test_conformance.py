"""A bucket passes the suites of all sources."""

from source_street import ExactlyOnce
from tollbook.sdk.source_conformance import SourceConformance


class TestS3Alone(SourceConformance):
    """What the source promises."""


class TestS3ToTheDatabase(ExactlyOnce):
    """What the street promises with it."""
