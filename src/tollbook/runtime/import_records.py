"""Imports a file of foreign records (CSV, JSON, Parquet) through a source mapping."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tollbook.runtime.import_file import Imported
from tollbook.runtime.intake import Desk
from tollbook.runtime.sample import SampleFormat, read_sample
from tollbook.sdk.source import SourceRecord

RECORDS_PER_COMMIT: Final = 5_000


def import_records(
    desk: Desk,
    file: Path,
    *,
    mapping: str,
    form: SampleFormat | None = None,
    on_records: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Take every record of a file; `on_records` hears how many of them are stored.

    Importing a file again changes nothing. What cannot be mapped is kept in quarantine as it came.
    """
    imported = Imported()
    done = 0
    for batch in _batches(read_sample(file, form=form)):
        captured = desk.take_records(batch, mapping=mapping, door="file")
        for answer in captured.answers:
            imported.counts[answer.status] += 1
            if answer.status == "rejected":
                imported.refusals[answer.code] += 1
        imported.counts["ignored"] += captured.ignored
        done += len(batch)
        on_records(done)
    return imported


def _batches(records: Iterator[SourceRecord]) -> Iterator[list[SourceRecord]]:
    batch: list[SourceRecord] = []
    for record in records:
        batch.append(record)
        if len(batch) == RECORDS_PER_COMMIT:
            yield batch
            batch = []
    if batch:
        yield batch
