"""Reads Parquet row group by row group; needs the extra `parquet`.

Integers, decimals and instants come out exact. A float is written with the shortest digits that
give the same float again (`repr`); NaN and the infinities are written as text, which no quantity
accepts. Bytes are written in base64.
"""

import math
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from tollbook.errors import Rejected
from tollbook.sdk.drops.batch import ROWS_PER_BATCH, Batch
from tollbook.sdk.drops.unpack import damaged

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def read_parquet(file: IO[bytes]) -> Iterator[Batch]:
    """Yield the rows as JSON objects in the order of the file's columns.

    Rejected as damaged when it is no Parquet, and with `capture.bad_header` for columns that have
    the same name or a type that cannot be told exactly.
    """
    try:
        opened = pq.ParquetFile(file)
        writers = [_writer(field) for field in _fields(opened.schema_arrow)]
        names = opened.schema_arrow.names
        for records in opened.iter_batches(batch_size=ROWS_PER_BATCH):
            columns = [
                write(column) for write, column in zip(writers, records.columns, strict=True)
            ]
            yield Batch(
                [
                    _ENCODER.encode(dict(zip(names, row, strict=True)))
                    for row in zip(*columns, strict=True)
                ]
            )
    except (pa.ArrowException, OSError) as error:
        raise damaged(f"Parquet: {str(error).splitlines()[0][:200]}") from error


def _fields(schema: pa.Schema) -> list[pa.Field]:
    names = schema.names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _unusable(f"{', '.join(repeated[:5])} stands twice among its columns")
    return [schema.field(at) for at in range(len(names))]


Write = Callable[[Any], list[Any]]


def _writer(field: pa.Field) -> Write:
    """Return what turns a column of this type into values that JSON holds exactly."""
    kind = field.type
    if pa.types.is_dictionary(kind):
        return lambda column: _writer(field.with_type(kind.value_type))(column.dictionary_decode())
    if pa.types.is_floating(kind):
        return lambda column: [_float(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_date(kind):
        return _instants
    if pa.types.is_duration(kind):
        return lambda column: column.cast(pa.int64()).to_pylist()
    if pa.types.is_nested(kind) and not _is_plain(kind):
        raise _unusable(f"{field.name} is {kind}, which is not written exactly: flatten it")
    return lambda column: column.to_pylist()


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return all(_is_plain(kind.field(at).type) for at in range(kind.num_fields))
    return not (
        pa.types.is_floating(kind) or pa.types.is_temporal(kind) or pa.types.is_dictionary(kind)
    )


def _instants(column: pa.Array) -> list[Any]:
    # Arrow writes an instant with a zone in UTC with a Z behind it, one without as it stands.
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    text = column.cast(pa.string())
    return list(pc.replace_substring(text, " ", "T", max_replacements=1).to_pylist())


def _float(value: float | None) -> float | str | None:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _unusable(why: str) -> Rejected:
    return Rejected("capture.bad_header", f"The Parquet file cannot be taken: {why}.")
