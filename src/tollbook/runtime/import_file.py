"""Imports a file of CloudEvents, one JSON object a line, gzipped or not."""

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, cast

from tollbook.errors import Rejected
from tollbook.flow.capture.lines import read_lines
from tollbook.runtime.intake import Desk

LINES_PER_COMMIT: Final = 5_000
BYTES_PER_COMMIT: Final = 64_000_000
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Imported:
    """How many lines had each answer, and how many were rejected for each code."""

    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        """All lines that were not blank."""
        return self.counts.total()


def import_file(
    desk: Desk, file: Path, *, on_progress: Callable[[int], None] = lambda _: None
) -> Imported:
    """Take every line of a file; `on_progress` hears how many bytes of it are done.

    Importing a file again changes nothing. Raises Rejected when a gzip file is damaged: what came
    before the damage is stored.
    """
    imported = Imported()
    with file.open("rb") as stored:
        for batch in batches(lines_of(stored, file)):
            captured = desk.take(batch, door="file")
            for answer in captured.answers:
                imported.counts[answer.status] += 1
                if answer.status == "rejected":
                    imported.refusals[answer.code] += 1
            on_progress(stored.tell())
    return imported


def batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in the groups that are committed together."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == LINES_PER_COMMIT or size > BYTES_PER_COMMIT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def lines_of(stored: IO[bytes], file: Path) -> Iterator[bytes]:
    """Yield the lines of an open file, gzipped or not; Rejected when a gzip file is damaged."""
    magic = stored.read(len(_GZIP_MAGIC))
    stored.seek(0)
    if magic != _GZIP_MAGIC:
        yield from read_lines(stored)
        return
    try:
        yield from read_lines(cast("IO[bytes]", gzip.GzipFile(fileobj=stored)))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Rejected(
            "capture.bad_gzip",
            f"{file} is damaged ({error}); the batches before that are stored. Fetch it again and "
            "import the whole: what is stored already will not be counted twice.",
        ) from error
