"""Imports a file of usage: CloudEvents as JSON lines, or rows of any format through a mapping."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from tollbook.errors import Rejected
from tollbook.flow.capture.step import Captured
from tollbook.runtime.intake import Desk
from tollbook.runtime.pump import make_batch
from tollbook.sdk.drops.batch import Batch
from tollbook.sdk.drops.manifest import check_bytes, read_manifest
from tollbook.sdk.drops.place import MANIFEST_SUFFIX
from tollbook.sdk.drops.proof import check_contents
from tollbook.sdk.drops.rows import FileRule, read_rows
from tollbook.sdk.drops.unpack import sha256_of
from tollbook.sdk.source import Chunk, SourceRecord

DOOR: Final = "file"
ROWS_PER_COMMIT: Final = 20_000
BYTES_PER_COMMIT: Final = 64_000_000
# What a file is taken for when neither its name nor its content tells.
OTHERWISE: Final = "jsonl"


@dataclass(frozen=True, slots=True)
class Imported:
    """How many events had each answer, and how many were rejected for each code."""

    counts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        """All lines that were not blank; through a mapping, all events and what was ignored."""
        return self.counts.total()


def import_file(
    desk: Desk,
    file: Path,
    *,
    rule: FileRule | None = None,
    mapping: str | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Take every row of a file; `on_progress` hears how many bytes of it are done.

    Without the id of a `mapping` the rows must be events. Importing a file again changes nothing, if the
    mapping gives a row the same id again. Raises Rejected, and stores nothing, when the file is not
    what its trailer or a manifest beside it says; also when it is damaged: what came before the
    damage is stored.
    """
    imported = Imported()
    rule = rule or FileRule(otherwise=OTHERWISE)
    with file.open("rb") as stored:
        metadata = _metadata(stored, file) if mapping else {}
        first = 1
        try:
            _check(stored, file, rule)
            rows = read_rows(stored, file.name, rule)
            for batch in _joined(rows):
                if mapping is None and not batch.refusals:
                    captured = desk.take(batch.bodies, door=DOOR)
                else:
                    captured = _take_records(desk, _records(batch, metadata, first), mapping)
                _count(imported, captured)
                first += len(batch.bodies)
                on_progress(stored.tell())
        except Rejected as failure:
            raise Rejected(failure.code, f"{file}: {failure.message}") from failure
    return imported


def batches(stored: IO[bytes], file: Path) -> Iterator[Sequence[bytes]]:
    """Yield the lines of a file of events, packed or not, in the groups that are committed together.

    Raises Rejected when the file is damaged.
    """
    try:
        for batch in _joined(read_rows(stored, file.name, FileRule(otherwise=OTHERWISE))):
            yield batch.bodies
    except Rejected as failure:
        raise Rejected(failure.code, f"{file}: {failure.message}") from failure


def _joined(rows: Iterator[Batch]) -> Iterator[Batch]:
    """Join batches to what one commit takes; what came before damage is given before it is told."""
    bodies: list[bytes] = []
    refusals: dict[int, Rejected] = {}
    size = 0
    failure: Rejected | None = None
    while True:
        try:
            batch = next(rows, None)
        except Rejected as error:
            failure = error
            batch = None
        if batch is None:
            break
        refusals |= {len(bodies) + at: one for at, one in batch.refusals.items()}
        bodies += batch.bodies
        size += sum(map(len, batch.bodies))
        if len(bodies) >= ROWS_PER_COMMIT or size > BYTES_PER_COMMIT:
            yield Batch(bodies, refusals)
            bodies, refusals, size = [], {}, 0
    if bodies:
        yield Batch(bodies, refusals)
    if failure is not None:
        raise failure


def _records(batch: Batch, metadata: Mapping[str, str], first: int) -> list[SourceRecord]:
    return [
        SourceRecord(
            body, metadata={**metadata, "row": str(first + at)}, refusal=batch.refusals.get(at)
        )
        for at, body in enumerate(batch.bodies)
    ]


def _take_records(desk: Desk, records: list[SourceRecord], mapping: str | None) -> Captured:
    batch = make_batch(DOOR, [Chunk(DOOR, records)], is_mapped=mapping is not None)
    if mapping is None:
        return desk.take(batch.raws, door=DOOR, refused=batch.refused)
    return desk.take_records(batch.records, mapping=mapping, door=DOOR, refused=batch.refused)


def _count(imported: Imported, captured: Captured) -> None:
    imported.counts.update(captured.counts)
    imported.counts["ignored"] += captured.ignored
    if captured.counts["rejected"]:
        imported.refusals.update(
            answer.code for answer in captured.answers if answer.status == "rejected"
        )


def _check(stored: IO[bytes], file: Path, rule: FileRule) -> None:
    """Compare a file with its trailer and with the manifest beside it, where there is one."""
    beside = file.with_name(file.name + MANIFEST_SUFFIX)
    promise = None
    if beside.is_file():
        said = read_manifest(beside.name, beside.read_bytes(), said_by=beside.name)
        promise = said.get(file.name)
    if promise is not None:
        check_bytes(promise, sha256=sha256_of(stored), size=file.stat().st_size)
    check_contents(stored, file.name, rule, promise)
    stored.seek(0)


def _metadata(stored: IO[bytes], file: Path) -> dict[str, str]:
    """Return what a mapping may select of a file besides its rows."""
    size = str(file.stat().st_size)
    return {"object": file.name, "sha256": sha256_of(stored), "size": size}
