"""What the columns of a segment are called, in format 1."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FORMAT: Final = 1

# As the table has them, but for the day, which the manifest holds.
COLUMNS: Final = (
    "h",
    "f1",
    "f2",
    "receipt",
    "ordinal",
    "occurred_at",
    "source",
    "event_id",
    "type",
    "subject",
    "data",
)
# One customer's use of one kind lies together, and the order is total.
ORDER: Final = ("type", "subject", "occurred_at", "h")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many digits the numbers of a column have at most: before the point, and after it."""

    digits: int
    scale: int

    @property
    def width(self) -> int:
        """Digits that hold every number of the column."""
        return self.digits + self.scale


def text_column(field: str) -> str:
    """Return the name of the column that holds a field of the data as text."""
    return f"text:{field}"


def number_column(field: str) -> str:
    """Return the name of the column that holds the exact number in a field of the data."""
    return f"number:{field}"


def json_column(number: int) -> str:
    """Return the name under which the JSON of the n-th field is copied out."""
    return f"json_{number}"


def fields_of(texts: Iterable[str], numbers: Iterable[str]) -> list[str]:
    """Return the fields that are copied out, in the order of their columns."""
    return sorted({*texts, *numbers})
