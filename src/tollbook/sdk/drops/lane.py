"""Gives the rows of one opened object chunk by chunk, from any row on."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Final

from tollbook.errors import Rejected
from tollbook.sdk.drops.batch import Batch
from tollbook.sdk.drops.place import DropObject
from tollbook.sdk.drops.register import Judged
from tollbook.sdk.drops.rows import FileRule, read_rows
from tollbook.sdk.drops.rule import lane_of
from tollbook.sdk.drops.unpack import damaged
from tollbook.sdk.source import Chunk, SourceRecord

CHUNK_BYTES_MAX: Final = 64_000_000


class ObjectLane:
    """An object whose rows are being given; `position` is the number of the next row, from 0."""

    def __init__(
        self,
        found: DropObject,
        file: IO[bytes],
        rule: FileRule,
        *,
        judged: Judged,
        metadata: Mapping[str, str] | None,
    ) -> None:
        self.found = found
        self.judged = judged
        self.name = lane_of(found)
        self.position = 0
        self._file = file
        self._rule = rule
        self._metadata = metadata
        self._facts = {"sha256": judged.sha256, "size": str(found.size)}
        self._stat = _stat(file)
        self._batches: Iterator[Batch] = iter(())
        self._batch = Batch(())
        self._at = 0
        self._failure: Rejected | None = None
        self.seek(0)

    def seek(self, position: int) -> None:
        """Go on from the row with this number."""
        self._file.seek(0)
        self._batches = read_rows(self._file, self.found.key, self._rule)
        self._batch, self._at, self._failure = Batch(()), 0, None
        self.position = 0
        while self.position < position and self._has_row():
            step = min(position - self.position, len(self._batch.bodies) - self._at)
            self._at += step
            self.position += step

    def take(self, records_max: int) -> Chunk:
        """Return the next rows, fewer where the object ends or breaks off.

        Raises what stops the object when there is no row before that.
        """
        first = self.position
        records: list[SourceRecord] = []
        size = 0
        while len(records) < records_max and size < CHUNK_BYTES_MAX and self._has_row():
            end = min(len(self._batch.bodies), self._at + records_max - len(records))
            size += sum(map(len, self._batch.bodies[self._at : end]))
            records += self._records(self._at, end)
            self.position += end - self._at
            self._at = end
        is_end = not self._has_row()
        if self._failure is not None:
            if not records:
                raise self._failure
            is_end = False
        facts = {**self._facts, "rows": str(self.position)} if is_end else self._facts
        return Chunk(self.name, records, first, self.position, is_end, facts, self)

    def close(self) -> None:
        """Close the object."""
        self._file.close()

    def _has_row(self) -> bool:
        while self._at >= len(self._batch.bodies) and self._failure is None:
            try:
                batch = next(self._batches, None)
                if batch is None:
                    if _stat(self._file) != self._stat:
                        raise damaged("it changed while it was read")
                    return False
                self._batch, self._at = batch, 0
            except Rejected as failure:
                self._failure = failure
        return self._failure is None

    def _records(self, start: int, end: int) -> Sequence[SourceRecord]:
        bodies, refusals = self._batch.bodies[start:end], self._batch.refusals
        if self._metadata is None and not refusals:
            return [SourceRecord(body) for body in bodies]
        before = self.position + 1
        common = self._metadata or {}
        return [
            SourceRecord(
                body,
                metadata={**common, "row": str(before + at)},
                refusal=refusals.get(start + at),
            )
            for at, body in enumerate(bodies)
        ]


def _stat(file: IO[bytes]) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns
