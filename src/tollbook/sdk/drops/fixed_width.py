"""Reads records of fixed width: each column is a span of characters, its value text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from tollbook.sdk.drops.batch import Batch, Gathering, Trailer
from tollbook.sdk.drops.control_totals import TrailerRule, read_trailer
from tollbook.sdk.drops.csv_rows import text_lines
from tollbook.sdk.drops.unpack import damaged

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Column:
    """A named span of characters, as a slice: from 0, its end not included."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FixedWidthRule:
    """How the records are laid out.

    `width` 0 means that longer lines are fine; without `has_lines` a record begins where the one
    before it has its `width` characters, as on a mainframe.
    """

    columns: tuple[Column, ...]
    width: int = 0
    encoding: str = "utf-8"
    skip_lines: int = 0
    trailer: TrailerRule | None = None
    trailer_columns: tuple[Column, ...] = ()
    has_lines: bool = True


def read_fixed_width(blocks: Iterable[bytes], rule: FixedWidthRule) -> Iterator[Batch]:
    """Yield the records, a line each, values without the blanks around them.

    A line that is too short, of another width than `width`, or no text is refused alone.
    """
    lines = text_lines(blocks, rule.encoding, width=0 if rule.has_lines else rule.width)
    for _ in range(rule.skip_lines):
        next(lines, None)
    gathering = Gathering()
    trailer: Trailer | None = None
    for whole in lines:
        line = whole.rstrip("\r\n") if rule.has_lines else whole
        if not line.strip():
            continue
        if trailer is not None:
            raise damaged("records follow the trailer")
        if rule.trailer is not None and line.startswith(rule.trailer.marker):
            fields = [line[column.start : column.end] for column in rule.trailer_columns]
            trailer = read_trailer(rule.trailer, [rule.trailer.marker, *fields])
            continue
        _add(gathering, line, rule)
        if gathering.is_full:
            yield gathering.batch()
    if gathering.bodies or trailer is not None:
        yield gathering.batch(trailer)


def _add(gathering: Gathering, line: str, rule: FixedWidthRule) -> None:
    needed = rule.width or max(column.end for column in rule.columns)
    if len(line) < needed or (rule.width and len(line) != rule.width):
        why = f"it has {len(line)} characters and needs {needed}"
    else:
        values = {column.name: line[column.start : column.end].strip() for column in rule.columns}
        try:
            gathering.bodies.append(_ENCODER.encode(values))
        except UnicodeEncodeError:
            why = f"its bytes are not {rule.encoding}"
        else:
            return
    gathering.refuse(line.encode(rule.encoding, "surrogateescape"), why)
