"""Reads CSV: each row becomes a JSON object whose values are text, so that no number is touched."""

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import msgspec

from tollbook.errors import Rejected
from tollbook.sdk.drops.batch import Batch, Gathering, Trailer
from tollbook.sdk.drops.control_totals import TrailerRule, read_trailer
from tollbook.sdk.drops.unpack import damaged

# Python's own bound on a field (csv.field_size_limit); beyond it a quote was never closed.
_LOST: Final = ("field larger than field limit", "unexpected end of data")

DELIMITERS: Final = (",", ";", "\t", "|")
# A line that goes over more blocks than this is no line.
LINE_BLOCKS_MAX: Final = 64

_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class CsvRule:
    """How a CSV is written.

    `delimiter` empty means the one of DELIMITERS that stands most often in the first line; `columns`
    empty means that the first row names them.
    """

    delimiter: str = ""
    quote: str = '"'
    escape: str | None = None
    encoding: str = "utf-8"
    columns: tuple[str, ...] = ()
    skip_lines: int = 0
    trailer: TrailerRule | None = None


def read_csv(blocks: Iterable[bytes], rule: CsvRule) -> Iterator[Batch]:
    """Yield the rows; one with too few fields, a broken quote or bytes of no text is refused alone.

    Rejected with `capture.bad_header` when the columns have no or the same name, and as damaged
    where a quote is never closed: from there on nothing is certain.
    """
    lines = _Lines(blocks, rule.encoding, skip=rule.skip_lines)
    rows = csv.reader(
        lines,
        delimiter=rule.delimiter or lines.guess(DELIMITERS),
        quotechar=rule.quote or None,
        quoting=csv.QUOTE_MINIMAL if rule.quote else csv.QUOTE_NONE,
        escapechar=rule.escape,
        strict=True,
    )
    gathering = Gathering()
    columns = rule.columns
    trailer: Trailer | None = None
    for row, problem in _rows(rows, lines):
        if trailer is not None:
            raise damaged("rows follow the trailer")
        if problem:
            gathering.refuse(lines.taken(), problem)
        elif rule.trailer is not None and row[0] == rule.trailer.marker:
            trailer = read_trailer(rule.trailer, row)
        elif not columns:
            columns = _header(row)
        else:
            _add(gathering, columns, row, lines)
        lines.forget()
        if gathering.is_full:
            yield gathering.batch()
    if gathering.bodies or trailer is not None:
        yield gathering.batch(trailer)


def _rows(rows: Iterator[list[str]], lines: "_Lines") -> Iterator[tuple[list[str], str]]:
    """Yield each row that is not blank, or what is wrong with it."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            words = str(error)
            if words.startswith(_LOST):
                raise damaged("a quote is opened and not closed") from error
            yield [], words
            continue
        if row:
            yield row, ""
        else:
            lines.forget()


def _add(gathering: Gathering, columns: tuple[str, ...], row: list[str], lines: "_Lines") -> None:
    if len(row) != len(columns):
        gathering.refuse(lines.taken(), f"it has {len(row)} fields and there are {len(columns)}")
        return
    try:
        gathering.bodies.append(_ENCODER.encode(dict(zip(columns, row, strict=True))))
    except UnicodeEncodeError:
        gathering.refuse(lines.taken(), f"its bytes are not {lines.encoding}")


def _header(row: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in row)
    repeated = sorted({name for name in names if names.count(name) > 1 or not name})
    unreadable = [name for name in names if not name.isprintable()]
    if repeated or unreadable:
        shown = ", ".join(repr(_readable(name)) for name in [*repeated, *unreadable][:5])
        raise Rejected(
            "capture.bad_header",
            f"The first row must name each column once and readably; {shown} does not. Correct "
            "the file, or say its `encoding`, `columns` or `skip_lines` in the options.",
        )
    return names


def _readable(name: str) -> str:
    # Bytes that are no text in this encoding stand in the name as lone surrogates.
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class _Lines:
    """The lines of a file as text; remembers those of the row that is being read."""

    def __init__(self, blocks: Iterable[bytes], encoding: str, *, skip: int) -> None:
        self.encoding = encoding
        self._lines: Iterator[str] = text_lines(blocks, encoding)
        self._taken: list[str] = []
        for _ in range(skip):
            next(self._lines, None)

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            yield line

    def guess(self, marks: tuple[str, ...]) -> str:
        """Return the mark that stands most often in the next line, the first of those that tie."""
        first = next(self._lines, "")
        self._lines = chain([first] if first else [], self._lines)
        return max(marks, key=first.count)

    def taken(self) -> bytes:
        """Return the bytes of the row, as they came, without their last line end."""
        text = "".join(self._taken).rstrip("\r\n")
        return text.encode(self.encoding, "surrogateescape")

    def forget(self) -> None:
        """Begin the next row."""
        self._taken.clear()


def text_lines(blocks: Iterable[bytes], encoding: str, *, width: int = 0) -> Iterator[str]:
    """Yield the lines of a text with their ends; bytes of no text become lone surrogates.

    With a `width` each line has so many characters and no end. A byte order mark is left out. UTF-16
    that breaks off is damage.
    """
    texts = _texts(blocks, encoding)
    return _sliced(texts, width) if width else _broken(texts)


def _texts(blocks: Iterable[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(_marked(encoding))("surrogateescape")
    next_line = _next_line(encoding)
    try:
        for block in blocks:
            yield decoder.decode(block).replace(next_line, "\n")
        yield decoder.decode(b"", final=True).replace(next_line, "\n")
    except UnicodeDecodeError as error:
        raise damaged(f"it is not {encoding}: {error.reason}") from error


def _broken(texts: Iterable[str]) -> Iterator[str]:
    rest: list[str] = []
    for text in texts:
        first, *lines = text.split("\n")
        rest.append(first)
        if len(rest) > LINE_BLOCKS_MAX:
            raise damaged("it has no line ends")
        if lines:
            yield "".join(rest) + "\n"
            rest = [lines.pop()]
            for line in lines:
                yield line + "\n"
    if last := "".join(rest):
        yield last


def _sliced(texts: Iterable[str], width: int) -> Iterator[str]:
    rest = ""
    for text in texts:
        rest += text
        whole = len(rest) - len(rest) % width
        for start in range(0, whole, width):
            yield rest[start : start + width]
        rest = rest[whole:]
    if rest:
        yield rest


def _next_line(encoding: str) -> str:
    """Return what ends a line: where EBCDIC is written, its own character does."""
    try:
        return "\x85" if b"\x15".decode(encoding) == "\x85" else "\n"
    except UnicodeDecodeError:
        return "\n"


def _marked(encoding: str) -> str:
    # utf-8-sig takes a byte order mark away when there is one; utf-16 and utf-32 do so themselves.
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
