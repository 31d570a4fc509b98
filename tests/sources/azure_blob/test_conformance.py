"""A container passes the suites of all sources."""

from source_street import ExactlyOnce
from tollbook.sdk.source_conformance import SourceConformance


class TestAzureBlobAlone(SourceConformance):
    """What the source promises."""


class TestAzureBlobToTheDatabase(ExactlyOnce):
    """What the street promises with it."""
