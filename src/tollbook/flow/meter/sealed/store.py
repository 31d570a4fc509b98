"""Counts usages of a meter from files: the sealed ones, and the database's events written out."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

from psycopg import sql

from tollbook.flow.capture.segments import store as segments
from tollbook.flow.capture.segments.manifest import NumberBounds, Segment
from tollbook.flow.meter.definition import Parts
from tollbook.flow.meter.sealed.parts import parts_of
from tollbook.flow.meter.sealed.query import (
    DUCKDB,
    SPARK,
    Bounds,
    Counting,
    Dialect,
    Scan,
    can_count,
    counted,
    day_micros,
    fields_read,
    values,
)
from tollbook.flow.meter.window import Question, Span
from tollbook.storage.database import Connection
from tollbook.storage.segments.extras import part

Engine = Literal["postgres", "duckdb", "spark"]

ENGINES: Final[tuple[Engine, ...]] = ("postgres", "duckdb", "spark")
EVENTS_PER_FILE_MAX: Final = 500_000

_DIALECTS: Final[dict[Engine, tuple[Dialect, str]]] = {
    "duckdb": (DUCKDB, "duck"),
    "spark": (SPARK, "spark"),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_EVER: Final = 2**62
_NO_NUMBERS: Final = NumberBounds(1, 0)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of events: where it is, how many there are, and the bounds of its numbers."""

    path: Path
    event_count: int
    numbers: dict[str, NumberBounds]


def has_sealed(connection: Connection, spans: Sequence[Span]) -> bool:
    """Tell whether some of the days are in files, for a meter that can be counted there."""
    first, until = min(span.first for span in spans), max(span.until for span in spans)
    if not all(can_count(span.meter) for span in spans):
        return False
    row = connection.execute(
        """select 1 from sealed_segment where day >= %s and day < %s
           and state in ('sealed', 'expiring') limit 1""",
        [first, until],
    ).fetchone()
    return row is not None


def count_in_files(
    connection: Connection, questions: Sequence[Question], *, through: int | None, engine: Engine
) -> list[Parts]:
    """Return the parts of windows of one meter, in the order given; all have the same spans.

    Events that are not sealed are written to temporary files first, as are those of segments that
    lack a field, so that the engine sees nothing but files.
    """
    through = _EVER if through is None else through
    countings = [Counting(span.meter, span.first, span.until) for span in questions[0].spans]
    dialect, name = _DIALECTS[engine]
    with (
        TemporaryDirectory(prefix="tollbook-count-") as place,
        _files(connection, countings, through, Path(place)) as files,
    ):
        if not files:
            return [Parts() for _ in questions]
        tables, bounds = _grouped(files, countings)
        shapes = _write_windows(Path(place) / "windows.parquet", questions)
        _write_crosswalk(connection, Path(place) / "crosswalk.parquet", questions, through)
        excluded = _write_exclusions(
            connection, Path(place) / "exclusions.parquet", countings, through
        )
        scan = Scan(countings, list(tables), through, shapes, bounds, excluded)
        tables["windows"] = [Path(place) / "windows.parquet"]
        tables["crosswalk"] = [Path(place) / "crosswalk.parquet"]
        if excluded:
            tables["exclusions"] = [Path(place) / "exclusions.parquet"]
        ask = part(name).ask
        found = ask(counted(scan, dialect), tables)
        listed = ask(values(scan, dialect), tables) if scan.needs_values else []
    return _parts(scan.aggregation, len(questions), found, listed)


def _parts(
    aggregation: str, count: int, found: Sequence[Any], listed: Sequence[Any]
) -> list[Parts]:
    by_window: dict[int, list[tuple[Decimal, int]]] = defaultdict(list)
    for no, value, times in listed:
        by_window[no].append((Decimal(value), times))
    parts = {
        no: parts_of(
            aggregation,
            events=events,
            hashes=(int(first), int(second)),
            answer=answer,
            values=by_window[no],
        )
        for no, events, first, second, answer in found
    }
    return [parts.get(no, Parts()) for no in range(count)]


@contextmanager
def _files(
    connection: Connection, countings: Sequence[Counting], through: int, place: Path
) -> Iterator[list[_File]]:
    """Give every file with events of the type on these days, complete in its fields."""
    first = min(counting.first for counting in countings)
    until = max(counting.until for counting in countings)
    event_type = countings[-1].meter.event_type
    texts, numbers = fields_read(countings)
    complete: list[Segment] = []
    incomplete: list[Segment] = []
    for segment in segments.read_segments(connection, first, until):
        if event_type in segment.types and segment.first_receipt <= through:
            has_all = texts <= {*segment.texts} and numbers <= segment.numbers.keys()
            (complete if has_all else incomplete).append(segment)
    archive = segments.archive_of(connection) if complete else None
    found = [_kept(archive, segment) for segment in complete]
    with segments.loaded(connection, incomplete, where="type = ?", values=[event_type]):
        rows = segments.copy_rows(
            connection,
            sql.SQL("e.day >= {} and e.day < {} and e.type = {} and e.receipt <= {}").format(
                *map(sql.Literal, (first, until, event_type, through))
            ),
            texts=texts,
            numbers=numbers,
        )
        written = part("writing").write_files(
            rows,
            texts=texts,
            numbers=numbers,
            name_file=lambda number: place / f"events-{number}.parquet",
            rows_max=EVENTS_PER_FILE_MAX,
        )
    for one in written:
        bounds = {name: NumberBounds(b.digits, b.scale) for name, b in one.bounds.items()}
        found.append(_File(one.path, one.event_count, bounds))
    yield found


def _kept(archive: Any, segment: Segment) -> _File:
    path = archive.fetch(segment.path, sha256=segment.sha256)
    return _File(path, segment.event_count, dict(segment.numbers))


def _grouped(
    files: Sequence[_File], countings: Sequence[Counting]
) -> tuple[dict[str, list[Path]], Bounds]:
    """Part files by how wide their numbers are written: no engine mixes these by itself exactly."""
    _, numbers = fields_read(countings)
    groups: dict[tuple[tuple[int, int], ...], list[Path]] = defaultdict(list)
    for file in files:
        known = [file.numbers.get(name, _NO_NUMBERS) for name in sorted(numbers)]
        groups[tuple((bounds.digits, bounds.scale) for bounds in known)].append(file.path)
    widths = [pair for key in groups for pair in key] or [(1, 0)]
    bounds = Bounds(
        digits=max(digits for digits, _ in widths),
        scale=max(scale for _, scale in widths),
        events=sum(file.event_count for file in files),
    )
    return {f"files_{n}": paths for n, paths in enumerate(groups.values())}, bounds


def _write_windows(path: Path, questions: Sequence[Question]) -> list[list[str]]:
    """Write what is to be counted; return, a shape, which dimensions its windows ask for."""
    wheres = [dict(asked.where) for asked in questions]
    shapes = sorted({tuple(sorted(where)) for where in wheres})
    wide = max(len(shape) for shape in shapes)
    columns: dict[str, list[Any]] = {
        "no": list(range(len(questions))),
        "customer_id": [asked.customer_id for asked in questions],
        "from_us": [_micros(asked.period.start) for asked in questions],
        "until_us": [_micros(asked.period.end) for asked in questions],
        "shape": [shapes.index(tuple(sorted(where))) for where in wheres],
    }
    types = dict.fromkeys(columns, "integer") | {"customer_id": "text"}
    for number in range(wide):
        columns[f"d{number}"] = [
            where[sorted(where)[number]] if number < len(where) else None for where in wheres
        ]
        types[f"d{number}"] = "text"
    part("writing").write_table(path, columns, types)
    return [list(shape) for shape in shapes]


def _write_crosswalk(
    connection: Connection, path: Path, questions: Sequence[Question], through: int
) -> None:
    # As it was known with that receipt: a subject may have meant another customer then.
    rows = connection.execute(
        """select subject, customer_id, lower(valid), upper(valid) from crosswalk_at(%s)
           where customer_id = any(%s) order by subject, valid""",
        [through, sorted({asked.customer_id for asked in questions})],
    ).fetchall()
    part("writing").write_table(
        path,
        {
            "subject": [row[0] for row in rows],
            "customer_id": [row[1] for row in rows],
            "from_us": [-_EVER if row[2] is None else _micros(row[2]) for row in rows],
            "until_us": [_EVER if row[3] is None else _micros(row[3]) for row in rows],
        },
        {"subject": "text", "customer_id": "text", "from_us": "integer", "until_us": "integer"},
    )


def _write_exclusions(
    connection: Connection, path: Path, countings: Sequence[Counting], through: int
) -> bool:
    rows = connection.execute(
        """select h, day from event_exclusion
           where day >= %s and day < %s and known_receipt <= %s order by h, day""",
        [_first(countings), max(counting.until for counting in countings), through],
    ).fetchall()
    part("writing").write_table(
        path,
        {
            "h": [row[0].bytes for row in rows],
            "from_us": [day_micros(row[1]) for row in rows],
            "until_us": [day_micros(row[1] + timedelta(days=1)) for row in rows],
        },
        {"h": "bytes", "from_us": "integer", "until_us": "integer"},
    )
    return bool(rows)


def _first(countings: Sequence[Counting]) -> date:
    return min(counting.first for counting in countings)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
