"""Splits a stream of JSON lines into events, whatever its line ends and however long its lines."""

from collections.abc import Iterator
from typing import IO, Final

LINE_BYTES_MAX: Final = 64_000_000
# What is kept of a line that is longer than that, to show what it was.
KEPT_BYTES_MAX: Final = 2_000_000


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield each line that is not blank, without its end.

    A line beyond LINE_BYTES_MAX is cut to KEPT_BYTES_MAX: more than any event may have, so it is
    refused as too large.
    """
    while line := stream.readline(LINE_BYTES_MAX):
        if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            line = line[:KEPT_BYTES_MAX]
            _skip_line(stream)
        content = line.rstrip(b"\r\n")
        if content.strip(b" \t\r\n\xef\xbb\xbf"):
            yield content


def _skip_line(stream: IO[bytes]) -> None:
    while rest := stream.readline(KEPT_BYTES_MAX):
        if rest.endswith(b"\n"):
            return
