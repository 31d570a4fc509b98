"""Finds out how a file is written and reads its rows: JSON lines, CSV, Parquet or fixed width."""

import codecs
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import IO, Final

from tollbook.errors import Blocked, Rejected
from tollbook.sdk.drops.batch import Batch
from tollbook.sdk.drops.control_totals import PLAIN, Marks, TrailerRule
from tollbook.sdk.drops.csv_rows import CsvRule, read_csv
from tollbook.sdk.drops.fixed_width import Column, FixedWidthRule, read_fixed_width
from tollbook.sdk.drops.json_document import read_json_document
from tollbook.sdk.drops.json_lines import read_json_lines
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.unpack import damaged, unpack

LINE_ENDS: Final = ("any", "none")
FORMATS: Final = ("auto", "jsonl", "json", "csv", "parquet", "fixed")

_PACKED: Final = (".gz", ".gzip", ".zst", ".zstd")
_ENDINGS: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
# No archive, even of nothing, is smaller.
_ARCHIVE_BYTES_MIN: Final = 9
_PARQUET_MAGIC: Final = b"PAR1"


@dataclass(frozen=True, slots=True)
class FileRule:
    """How the files of a source are written; `format` auto goes by name and content.

    `otherwise` is what a file is taken for when neither tells; empty means that it is refused.
    """

    format: str = "auto"
    csv: CsvRule = field(default_factory=CsvRule)
    fixed: FixedWidthRule | None = None
    otherwise: str = ""
    marks: Marks = PLAIN

    @property
    def trailer(self) -> TrailerRule | None:
        """The trailer that every file must end with, if any."""
        if self.format == "parquet":
            return None
        return self.fixed.trailer if self.fixed is not None else self.csv.trailer


def read_rule(options: Options) -> FileRule:
    """Read how files are written from a source's options; Rejected when these are wrong."""
    chosen = options.choice("format", FORMATS)
    encoding = options.text("encoding", "utf-8")
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise _wrong(f"there is no encoding {encoding!r}") from None
    skip = options.number("skip_lines", 0, at_most=1000)
    columns = options.text("columns")
    marker = options.text("trailer")
    trailer_columns = options.text("trailer_columns")
    width = options.number("record_width", 0, at_most=1_000_000)
    delimiter = _character(options, "csv_delimiter", "")
    quote = _character(options, "csv_quote", '"')
    escape = _character(options, "csv_escape", "")
    has_lines = options.choice("line_ends", LINE_ENDS) != "none"
    marks = _marks(options)
    if chosen == "fixed":
        spans = _spans(columns, "columns")
        if not has_lines and not width:
            raise _wrong("line_ends none needs record_width")
        totals = _spans(trailer_columns, "trailer_columns") if trailer_columns else ()
        names = tuple(span.name for span in totals)
        trailer = TrailerRule(marker, names, marks) if marker else None
        fixed = FixedWidthRule(spans, width, encoding, skip, trailer, totals, has_lines)
        return FileRule(chosen, fixed=fixed, marks=marks)
    trailer = TrailerRule(marker, _names(trailer_columns), marks) if marker else None
    rule = CsvRule(delimiter, quote, escape or None, encoding, _names(columns), skip, trailer)
    return FileRule(chosen, rule, marks=marks)


def read_rows(file: IO[bytes], name: str, rule: FileRule) -> Iterator[Batch]:
    """Read a file from its beginning; `name` tells the format where the rule does not.

    Rejected with `capture.unknown_format` when nothing tells it, `capture.object_damaged` where the
    file cannot be read on, `capture.bad_header` when its columns cannot be taken.
    """
    if name.lower() != _bare(name) and len(file.read(_ARCHIVE_BYTES_MIN)) < _ARCHIVE_BYTES_MIN:
        raise damaged("it is named as an archive and ends in the middle")
    found = rule.format
    if found == "auto":
        found = _format(file, name) or (rule.otherwise if _is_text(file) else "")
    if not found:
        raise Rejected(
            "capture.unknown_format",
            "Neither its name nor its content tells how it is written: say the option `format`, or "
            "name it .jsonl, .csv, .tsv or .parquet (.gz and .zst may follow).",
        )
    if found == "parquet":
        file.seek(0)
        yield from _parquet(file)
    elif found == "fixed":
        assert rule.fixed is not None
        yield from read_fixed_width(unpack(file), rule.fixed)
    elif found == "csv":
        is_tabbed = not rule.csv.delimiter and _bare(name).endswith(".tsv")
        csv = replace(rule.csv, delimiter="\t") if is_tabbed else rule.csv
        yield from read_csv(unpack(file), csv)
    elif found == "json":
        yield from read_json_document(unpack(file))
    else:
        yield from read_json_lines(unpack(file))


def _format(file: IO[bytes], name: str) -> str:
    bare = _bare(name)
    for ending, found in _ENDINGS.items():
        if bare.endswith(ending):
            return found
    file.seek(0)
    if file.read(len(_PARQUET_MAGIC)) == _PARQUET_MAGIC:
        return "parquet"
    file.seek(0)
    if next(unpack(file), b"").lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b""}:
        return "jsonl"
    return ""


def _is_text(file: IO[bytes]) -> bool:
    return b"\0" not in next(unpack(file), b"")


def _bare(name: str) -> str:
    bare = name.lower()
    for ending in _PACKED:
        bare = bare.removesuffix(ending)
    return bare


def _parquet(file: IO[bytes]) -> Iterator[Batch]:
    try:
        reader = importlib.import_module("tollbook.sdk.drops.parquet")
    except ImportError as error:
        raise Blocked(
            "config.extra_missing", "Parquet needs more: pip install 'tollbook[parquet]'."
        ) from error
    yield from reader.read_parquet(file)


def _marks(options: Options) -> Marks:
    decimal = _character(options, "decimal_mark", ".")
    thousands = _character(options, "thousands_mark", "")
    if not decimal or decimal == thousands:
        raise _wrong("decimal_mark must be a character, and another than thousands_mark")
    return Marks(decimal, thousands)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text.strip() else ()


def _spans(text: str, option: str) -> tuple[Column, ...]:
    """Read `name:1-10, name:11-12`: characters counted from 1, both ends included."""
    found = []
    for part in _names(text):
        name, _, span = part.rpartition(":")
        start, _, end = span.partition("-")
        if not name or not start.isdigit() or not end.isdigit() or not 0 < int(start) <= int(end):
            raise _wrong(f"{option} must be written like 'customer:1-10, tokens:11-20', not {part}")
        found.append(Column(name.strip(), int(start) - 1, int(end)))
    if not found:
        raise _wrong(f"{option} is missing")
    return tuple(found)


def _character(options: Options, name: str, default: str) -> str:
    text = options.text(name, default)
    text = {"tab": "\t", "none": "", "\\t": "\t"}.get(text, text)
    if len(text) > 1:
        raise _wrong(f"{name} must be one character, tab or none")
    return text


def _wrong(why: str) -> Rejected:
    return Rejected("config.source_option", f"The source's options are wrong: {why}.")
