"""What is wrong with master data, and where it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

# Longer lists are not shown, and very long ones not compared: that would take minutes.
_SHOWN_MAX: Final = 20
_COMPARED_MAX: Final = 500

# How to get from a document to a value in it: ("items", 2, "price").
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A file and a line in it; line 0 when the document came without lines (from the API)."""

    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that must be corrected before master data can be applied.

    A warning does not stop it: documents that need what is missing wait on the worklist.
    """

    place: Place
    code: str
    message: str
    is_warning: bool = False


class Finding(NamedTuple):
    """What a check says of one version: the code without its stage, and where in the record.

    `missing` is the (kind, key) of a record that is not there, when that is what is wrong.
    """

    code: str
    message: str
    path: Path = ()
    missing: tuple[str, str] | None = None
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One record as it was written, and the line of each value in it."""

    kind: str
    content: Mapping[str, Any]
    source: str
    lines: Mapping[Path, int] = field(default_factory=dict)

    def place(self, path: Path = ()) -> Place:
        """Return where a value is written: its line, or that of what surrounds it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return Place(self.source, self.lines[path[:length]])
        return Place(self.source)


def suggestion(word: str, known: list[str]) -> str:
    """Return ' Did you mean x?' for the nearest known word, or which words there are if few."""
    near = get_close_matches(word, known[:_COMPARED_MAX], n=1)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" There are: {', '.join(known)}." if 0 < len(known) <= _SHOWN_MAX else ""
