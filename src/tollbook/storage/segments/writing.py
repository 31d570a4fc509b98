"""Writes events that PostgreSQL copies out into a sorted Parquet file, and reads it back."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pa_compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from tollbook.storage.segments.archive import unreadable
from tollbook.storage.segments.columns import (
    COLUMNS,
    ORDER,
    Bounds,
    fields_of,
    json_column,
    number_column,
    text_column,
)
from tollbook.values.quantity import TEXT_MAX, parse_quantity, plain

PIECE_ROWS: Final = 100_000
BLOCK_ROWS: Final = 1_000
ROW_GROUP_ROWS: Final = 250_000
_COMPRESSION: Final = "zstd"
_COMPRESSION_LEVEL: Final = 1
# Hashes do not shrink, and trying costs more than writing them.
_RANDOM: Final = ("h", "f1", "f2")
_REPEATED: Final = ("source", "type", "subject", "receipt")
_SMALL_DIGITS: Final = 18
_WIDE_DIGITS: Final = 38

_TYPES: Final[dict[str, pa.DataType]] = {
    "h": pa.string(),
    "f1": pa.int64(),
    "f2": pa.int64(),
    "receipt": pa.int64(),
    "ordinal": pa.int32(),
    "occurred_at": pa.timestamp("us", tz="UTC"),
    "source": pa.string(),
    "event_id": pa.string(),
    "type": pa.string(),
    "subject": pa.string(),
    "data": pa.string(),
}
assert tuple(_TYPES) == COLUMNS

_ODD: Final = pa.schema([("w", pa.string()), ("p", pa.string())])
_WHOLE: Final = Bounds(_SMALL_DIGITS, 0)
_DIGITS: Final = ", ".join(f"'{digit}'" for digit in range(10))

# What a text must look like to be a number; as in the SQL of metering.
_NUMBER: Final = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?"
_PLAIN_NUMBER: Final = "-?[0-9]+([.][0-9]+)?"


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a copy as it wrote them, in blocks, and how many they are."""

    blocks: list[bytes]
    rows: int


@dataclass(frozen=True, slots=True)
class Written:
    """One file that was written, and what is in it. Instants are in UTC."""

    path: Path
    event_count: int
    digest_1: int
    digest_2: int
    first_receipt: int
    last_receipt: int
    first_at: Any
    last_at: Any
    types: dict[str, int]
    bounds: dict[str, Bounds]


def write_files(
    stream: Iterable[bytes | memoryview],
    *,
    texts: Sequence[str],
    numbers: Sequence[str],
    name_file: Callable[[int], Path],
    rows_max: int,
) -> list[Written]:
    """Write a copied stream of rows into files of at most `rows_max` events, each sorted.

    Each message of the stream is one row in the text format of COPY: the columns, then the JSON of
    each field of `texts` and `numbers`, in order of name. Reading, parsing and writing overlap.
    """
    fields = fields_of(texts, numbers)
    written: list[Future[Written]] = []
    with ThreadPoolExecutor(1) as parsing, ThreadPoolExecutor(1) as writing:
        waiting: list[Future[pa.Table]] = []
        rows = 0

        def close_file() -> None:
            if written:
                # At most one file waits in memory while the next one is read.
                written[-1].result()
            path = name_file(len(written))
            written.append(
                writing.submit(
                    _write_file,
                    list(waiting),
                    path,
                    texts=frozenset(texts),
                    numbers=frozenset(numbers),
                )
            )
            waiting.clear()

        for piece in _pieces(stream, min(PIECE_ROWS, rows_max)):
            if len(waiting) > 1:
                waiting[-2].result()
            waiting.append(parsing.submit(_parse, piece, fields))
            rows += piece.rows
            if rows >= rows_max:
                close_file()
                rows = 0
        if waiting:
            close_file()
    return [one.result() for one in written]


def rows_as_csv(
    path: Path, day: date, where: str, values: Sequence[Any], *, limit: int = 0
) -> Iterator[bytes]:
    """Yield the events of a file that pass a condition of SQL, as CSV: the columns, then the day.

    With `limit`, only that many of the newest.
    """
    try:
        yield from _csv_of(path, day, where, values, limit)
    except (duckdb.IOException, duckdb.InvalidInputException, OSError) as error:
        raise unreadable(error) from error


def _csv_of(
    path: Path, day: date, where: str, values: Sequence[Any], limit: int
) -> Iterator[bytes]:
    columns = ", ".join("lower(hex(h)) as h" if name == "h" else name for name in COLUMNS)
    newest = f"order by receipt desc, ordinal desc limit {limit:d}" if limit else ""
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        found: Any = engine.sql(
            f"select {columns}, ?::varchar as day from read_parquet(?) where {where} {newest}",
            params=[day.isoformat(), str(path), *values],
        )
        for batch in found.to_arrow_reader(PIECE_ROWS):
            sink = pa.BufferOutputStream()
            pa_csv.write_csv(batch, sink, pa_csv.WriteOptions(include_header=False))
            yield sink.getvalue().to_pybytes()


def content_rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield (h, f1, f2, source, event_id, type, subject, occurred_at, data) of each event."""
    file = pq.ParquetFile(path)
    names = ["h", "f1", "f2", "source", "event_id", "type", "subject", "occurred_at", "data"]
    for batch in file.iter_batches(batch_size=PIECE_ROWS // 10, columns=names):
        yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def types_of_subjects(path: Path, subjects: Sequence[str]) -> list[str]:
    """Return the event types of a file that have events of some subjects, in order."""
    with duckdb.connect() as engine:
        rows = engine.execute(
            """select distinct type from read_parquet(?)
               where list_contains(?::varchar[], subject) order by 1""",
            [str(path), list(subjects)],
        ).fetchall()
    return [row[0] for row in rows]


def write_table(path: Path, columns: dict[str, Sequence[Any]], types: dict[str, str]) -> None:
    """Write a small table for an engine to join with; types are `text`, `integer` or `bytes`."""
    kinds = {"text": pa.string(), "integer": pa.int64(), "bytes": pa.binary()}
    schema = pa.schema([(name, kinds[types[name]]) for name in columns])
    arrays = {name: list(values) for name, values in columns.items()}
    pq.write_table(pa.table(arrays, schema=schema), path)


def _pieces(stream: Iterable[bytes | memoryview], size: int) -> Iterator[Piece]:
    """Yield rows together, at most `size`; few are held as objects of their own at a time."""
    blocks: list[bytes] = []
    rows: list[bytes | memoryview] = []
    for row in stream:
        rows.append(row)
        if len(rows) == BLOCK_ROWS or len(blocks) * BLOCK_ROWS + len(rows) == size:
            count = len(blocks) * BLOCK_ROWS + len(rows)
            blocks.append(b"".join(rows))
            rows.clear()
            if count == size:
                yield Piece(blocks, count)
                blocks = []
    if blocks or rows:
        yield Piece([*blocks, b"".join(rows)], len(blocks) * BLOCK_ROWS + len(rows))


def _parse(piece: Piece, fields: Sequence[str]) -> pa.Table:
    types = dict(_TYPES) | {json_column(number): pa.string() for number in range(len(fields))}
    table = pa_csv.read_csv(
        pa.BufferReader(b"".join(piece.blocks)),
        read_options=pa_csv.ReadOptions(column_names=list(types)),
        # Attributes hold no control character and JSON escapes them: only backslashes are special.
        parse_options=pa_csv.ParseOptions(delimiter="\t", quote_char=False, escape_char="\\"),
        convert_options=pa_csv.ConvertOptions(
            column_types=types, null_values=[], strings_can_be_null=False
        ),
    )
    assert table.num_rows == piece.rows, "each row of the copy is one event"
    piece.blocks.clear()
    return table


def _write_file(
    parsed: list[Future[pa.Table]], path: Path, *, texts: frozenset[str], numbers: frozenset[str]
) -> Written:
    table = pa.concat_tables([one.result() for one in parsed])
    parsed.clear()
    fields = fields_of(texts, numbers)
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        engine.register("raw", table)
        bounds = _read_fields(engine, fields, texts=texts, numbers=numbers)
        found = engine.sql(f"select * from named order by {', '.join(ORDER)}").to_arrow_table()
    found = found.cast(found.schema.set(0, pa.field("h", pa.binary(16))))
    _write(found, path)
    return _described(found, path, bounds)


def _read_fields(
    engine: duckdb.DuckDBPyConnection,
    fields: Sequence[str],
    *,
    texts: frozenset[str],
    numbers: frozenset[str],
) -> dict[str, Bounds]:
    """Make the view `named`: each field as its text, and its number; return the numbers' bounds."""
    engine.execute("create table odd (written text primary key, plain text)")
    columns = [name for name in COLUMNS if name != "h"]
    bounds = {}
    for number, field in enumerate(fields):
        column = json_column(number)
        if field in texts:
            columns.append(f'{_text_of(column)} as "{_quoted(text_column(field))}"')
        if field in numbers:
            found = _note_odd_numbers(engine, column)
            bounds[field] = found or _WHOLE
            columns.append(f'{_number_of(column, found)} as "{_quoted(number_column(field))}"')
    engine.execute(
        f"create view named as select unhex(replace(h, '-', '')) as h, {', '.join(columns)} from raw"
    )
    return bounds


def _text_of(column: str) -> str:
    # COPY writes null as \N, and JSON is never a bare N.
    return f"""case when {column} in ('N', 'null') then null
        when left({column}, 1) <> '"' then {column}
        when not contains({column}, '\\') then substr({column}, 2, length({column}) - 2)
        else {column}::json ->> '$' end"""


def _number_of(column: str, odd: Bounds | None) -> str:
    whole = (
        f"case when {_is_whole(column)} then try_cast({column} as decimal({_SMALL_DIGITS}, 0)) end"
    )
    if odd is None:
        return whole
    kind = f"decimal({_WIDE_DIGITS}, {odd.scale})"
    if odd.width <= _SMALL_DIGITS:
        kind = f"decimal({_SMALL_DIGITS}, {odd.scale})"
    looked_up = f"(select try_cast(plain as {kind}) from odd where written = {column})"
    return f"coalesce(cast({whole} as {kind}), {looked_up})"


def _is_whole(column: str) -> str:
    """Tell if JSON is simply a whole number; jsonb writes numbers without exponent."""
    return (
        f"length({column}) <= {_SMALL_DIGITS} and left({column}, 1) in ('-', {_DIGITS}) "
        f"and not contains({column}, '.')"
    )


def _note_odd_numbers(engine: duckdb.DuckDBPyConnection, column: str) -> Bounds | None:
    """Keep the exact value of each number, or text that is one, that is not simply whole.

    Returns bounds for all numbers of the column; None when all are whole.
    """
    rows = engine.execute(
        f"""select distinct {column} from raw
            where not ({_is_whole(column)})
              and (regexp_full_match({column}, '{_PLAIN_NUMBER}')
                   or regexp_full_match({column}, '"{_NUMBER}"'))"""
    ).fetchall()
    read = {written: _quantity(written.strip('"')) for (written,) in rows}
    if not read:
        return None
    engine.register("found", pa.table({"w": list(read), "p": list(read.values())}, schema=_ODD))
    engine.execute("insert into odd select w, p from found on conflict do nothing").fetchall()
    engine.unregister("found")
    parts = [text.lstrip("-").partition(".") for text in read.values() if text is not None]
    digits = max([len(whole) for whole, _, _ in parts], default=1)
    scale = max([len(decimals) for _, _, decimals in parts], default=0)
    longest = engine.execute(
        f"select coalesce(max(length(ltrim({column}, '-'))), 1) from raw where {_is_whole(column)}"
    ).fetchone()
    assert longest is not None
    return Bounds(max(digits, longest[0]), scale)


def _quantity(text: str) -> str | None:
    if len(text) > TEXT_MAX:
        return None
    try:
        return plain(parse_quantity(Decimal(text)))
    except ValueError:
        return None


def _quoted(name: str) -> str:
    return name.replace('"', '""')


def _write(table: pa.Table, path: Path) -> None:
    random = set(_RANDOM)
    pq.write_table(
        table,
        path,
        row_group_size=ROW_GROUP_ROWS,
        compression={
            name: "none" if name in random else _COMPRESSION for name in table.column_names
        },
        compression_level={
            name: _COMPRESSION_LEVEL for name in table.column_names if name not in random
        },
        use_dictionary=[
            name for name in table.column_names if name in _REPEATED or name not in COLUMNS
        ],
        column_encoding={"occurred_at": "DELTA_BINARY_PACKED"},
        write_page_checksum=True,
    )


def _described(table: pa.Table, path: Path, bounds: dict[str, Bounds]) -> Written:
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        row = engine.execute(
            """select count(*), sum(f1::hugeint), sum(f2::hugeint), min(receipt), max(receipt)
               from read_parquet(?)""",
            [str(path)],
        ).fetchone()
        types = engine.execute(
            "select type, count(*) from read_parquet(?) group by 1 order by 1", [str(path)]
        ).fetchall()
    assert row is not None
    count, first, second, first_receipt, last_receipt = map(int, row)
    assert count == table.num_rows, "every row was written"
    times = pa_compute.min_max(table.column("occurred_at"))
    return Written(
        path=path,
        event_count=count,
        digest_1=first,
        digest_2=second,
        first_receipt=first_receipt,
        last_receipt=last_receipt,
        first_at=times["min"].as_py(),
        last_at=times["max"].as_py(),
        types=dict(types),
        bounds=bounds,
    )
