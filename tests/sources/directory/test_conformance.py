"""A directory passes the suites of all sources."""

from source_street import ExactlyOnce
from tollbook.sdk.source_conformance import SourceConformance


class TestDirectoryAlone(SourceConformance):
    """What the source promises."""


class TestDirectoryToTheDatabase(ExactlyOnce):
    """What the street promises with it."""
