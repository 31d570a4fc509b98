"""Control totals: what a sender says a file adds up to, and what it does add up to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from tollbook.errors import Rejected
from tollbook.sdk.drops.batch import Batch, Trailer

_SUM: Final = "sum:"
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Marks:
    """How numbers in texts are written: 1234.5, unless a sender writes 1.234,5."""

    decimal: str = "."
    thousands: str = ""

    def number(self, value: Any) -> Decimal | None:
        """Read a number, or a text that is one; None when it is none."""
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            return None
        if isinstance(value, str):
            value = value.strip().replace(self.thousands, "").replace(self.decimal, ".")
        try:
            number = Decimal(value)
        except InvalidOperation:
            return None
        return number if number.is_finite() else None


PLAIN: Final = Marks()


@dataclass(frozen=True, slots=True)
class TrailerRule:
    """How a trailer is told and read.

    `fields` names what stands where: `rows`, `sum:NAME`, or empty for what does not matter. In CSV
    they are the columns after the marker; in fixed width each goes with a span of characters.
    """

    marker: str
    fields: tuple[str, ...]
    marks: Marks = PLAIN

    @property
    def summed(self) -> tuple[str, ...]:
        """The names of the columns that the trailer gives sums of."""
        return tuple(name[len(_SUM) :] for name in self.fields if name.startswith(_SUM))


@dataclass(frozen=True, slots=True)
class Found:
    """What a file adds up to; `unreadable` is the first row that has no number where one is summed."""

    rows: int
    sums: Mapping[str, Decimal]
    trailer: Trailer | None
    unreadable: str = ""


def read_trailer(rule: TrailerRule, row: Sequence[str]) -> Trailer:
    """Read the trailer of a file from its fields, the marker first."""
    rows: int | None = None
    sums: dict[str, Decimal] = {}
    if len(row) <= len(rule.fields):
        raise _unreadable(f"it has {len(row)} fields")
    for name, text in zip(rule.fields, row[1:], strict=False):
        number = rule.marks.number(text)
        if name and number is None:
            raise _unreadable(f"{name} is {text[:40]!r}")
        if name == "rows" and number is not None:
            rows = int(number)
        elif name.startswith(_SUM) and number is not None:
            sums[name.removeprefix(_SUM)] = number
    return Trailer(rows, sums)


def add_up(batches: Iterable[Batch], names: Iterable[str], marks: Marks = PLAIN) -> Found:
    """Read all rows and return how many there are and the exact sum of each named field.

    `names` are columns, or paths in the row's JSON like `data.tokens`; a number may stand there as
    text.
    """
    paths = sorted(set(names))
    sums = dict.fromkeys(paths, Decimal(0))
    rows, trailer, unreadable = 0, None, ""
    for batch in batches:
        for at, body in enumerate(batch.bodies if paths else ()):
            row = None if at in batch.refusals else _decoded(body)
            for name in paths:
                number = marks.number(_select(row, name))
                if number is None:
                    unreadable = unreadable or f"row {rows + at + 1} has no number in {name}"
                else:
                    sums[name] += number
        rows += len(batch.bodies)
        trailer = batch.trailer or trailer
    return Found(rows, sums, trailer, unreadable)


def _decoded(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except (ValueError, RecursionError, ArithmeticError):
        return None


def _select(row: Any, name: str) -> Any:
    if isinstance(row, dict) and name not in row and "." in name:
        first, _, rest = name.partition(".")
        return _select(row.get(first), rest)
    return row.get(name) if isinstance(row, dict) else None


def check_trailer(found: Found) -> None:
    """Refuse a file without its trailer, or one that does not add up to what its trailer says."""
    trailer = found.trailer
    if trailer is None:
        raise Rejected(
            "capture.trailer_missing",
            "It does not end with its trailer: it is not complete, and nothing of it is taken.",
        )
    said = {"rows": trailer.rows, **{f"sum of {name}": n for name, n in trailer.sums.items()}}
    is_so = {"rows": found.rows, **{f"sum of {name}": n for name, n in found.sums.items()}}
    for name, total in said.items():
        if total is not None and (total != is_so[name] or (name != "rows" and found.unreadable)):
            why = found.unreadable or f"it is {is_so[name]}"
            raise Rejected(
                "capture.trailer_mismatch",
                f"Its trailer says that the {name} is {total}, and {why}: nothing of it is taken. "
                "Have the file sent again.",
            )


def _unreadable(why: str) -> Rejected:
    return Rejected(
        "capture.trailer_invalid", f"The trailer of the file cannot be read ({why}): nothing taken."
    )
