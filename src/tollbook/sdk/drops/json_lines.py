"""Reads JSON lines in blocks: the rows are the lines, cut without looking at each byte in Python."""

from collections.abc import Iterable, Iterator
from typing import Final

from tollbook.sdk.drops.batch import Batch

LINE_BYTES_MAX: Final = 64_000_000
# What is kept of a line that is longer than that, to show what it was.
KEPT_BYTES_MAX: Final = 2_000_000

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def read_json_lines(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """Yield the lines that are not blank, without their ends, whatever line ends these are.

    A line beyond LINE_BYTES_MAX is cut to KEPT_BYTES_MAX: more than any event may have, so it is
    refused as too large.
    """
    for block in lines_of(blocks):
        rows = [line for line in block if line and not line.isspace()]
        if rows:
            yield Batch(rows)


def lines_of(blocks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of a file, those of a block at a time, blank ones too, without their ends.

    The byte order mark before the first line is left out.
    """
    parts: list[bytes] = []
    size = 0
    before_first = _BYTE_ORDER_MARK
    for block in blocks:
        head, newline, tail = block.rpartition(b"\n")
        if newline:
            yield _split([*parts, head], size, before_first)
            parts, size, before_first = [tail], len(tail), b""
        elif size <= LINE_BYTES_MAX:
            parts.append(block)
            size += len(block)
            if size > LINE_BYTES_MAX:
                parts = [b"".join(parts)[:KEPT_BYTES_MAX]]
    if size:
        yield _split(parts, size, before_first)


def _split(parts: list[bytes], size: int, before_first: bytes) -> list[bytes]:
    """Cut joined parts into lines; `size` is that of the line that goes over several blocks."""
    text = b"".join(parts).removeprefix(before_first)
    lines = text.split(b"\n")
    if size > LINE_BYTES_MAX:
        lines[0] = lines[0][:KEPT_BYTES_MAX]
    return [line.rstrip(b"\r") for line in lines] if b"\r" in text else lines
