"""A directory of an SFTP server passes the suites of all sources."""

from source_street import ExactlyOnce
from tollbook.sdk.source_conformance import SourceConformance


class TestSftpAlone(SourceConformance):
    """What the source promises."""


class TestSftpToTheDatabase(ExactlyOnce):
    """What the street promises with it."""
