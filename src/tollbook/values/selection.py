"""Paths into a decoded record, and templates made of them: what a mapping selects with."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from tollbook.values.quantity import plain

# The whole record, the element that `each` is at, the element around that one, and what the
# transport knows of the record. The number is the place in a context.
Root = Literal["$", "@", "@@", "meta"]
PLACES: Final[dict[Root, int]] = {"$": 0, "@": 1, "@@": 2, "meta": 3}

# (record, element, element around it, metadata): what a selection selects from.
Context = tuple[Any, Any, Any, Any]

_META: Final = "meta."
_STEP: Final = re.compile(
    r"""\.(?P<name>[\w\-]+)|\[(?P<index>-?\d{1,6})\]|\[(?P<every>\*)\]|\['(?P<quoted>(?:[^'\\]|\\.)+)'\]
    """,
    re.VERBOSE,
)
_HOLE: Final = re.compile(r"\{\{|\}\}|\{(?P<hole>[^{}]*)\}|[{}]")
_PLAIN_NAME: Final = re.compile(r"[\w\-]+")
_BARE_NAME: Final = re.compile(r"[A-Za-z_][\w\-]*")
_SORTED: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")


@dataclass(frozen=True, slots=True)
class Selection:
    """Where in a record a value is: a root, and the members and elements to go through."""

    root: Root
    steps: tuple[str | int, ...]
    text: str


def is_selection(text: str) -> bool:
    """Tell whether a text is meant as a path; any other text is a constant."""
    return text.startswith(("$", "@", _META))


def parse_selection(text: str) -> Selection:
    """Read a path such as $.a.b[0]['x y'], @.a or meta.row; ValueError says what is wrong."""
    if text.startswith(_META):
        if len(text) == len(_META):
            raise ValueError(f"{text!r} names nothing after the point")
        return Selection("meta", (text[len(_META) :],), text)
    root: Root = "@@" if text.startswith("@@") else "@" if text.startswith("@") else "$"
    if not text.startswith(root):
        raise ValueError(f"{text!r} is no path: a path begins with $. or @. or meta.")
    steps: list[str | int] = []
    end = len(root)
    while end < len(text):
        match = _STEP.match(text, end)
        if match is None:
            raise ValueError(
                f"{text!r} cannot be read from {text[end : end + 20]!r} on: write .name, [0] or "
                "['any name']"
            )
        steps.append(_step(match))
        end = match.end()
    return Selection(root, tuple(steps), text)


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        return int(match["index"])
    if match["every"] is not None:
        return ""  # no member can be meant: '' is not a name that can be written
    quoted = match["quoted"]
    return match["name"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def is_every(step: str | int) -> bool:
    """Tell whether a step stands for every element, which only `each` may use."""
    return step == ""


def written_step(name: str) -> str:
    """Write a member as a step of a path, as it could stand in a mapping."""
    if is_every(name):
        return "[*]"
    if _PLAIN_NAME.fullmatch(name):
        return f".{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def parse_template(text: str) -> tuple[str | Selection, ...]:
    """Read a template such as "{$.a}-{b}" into its texts and paths; {b} is short for {$.b}."""
    parts: list[str | Selection] = []
    end = 0
    for match in _HOLE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        hole = match["hole"]
        if hole is None:
            if match[0] in "{}":
                raise ValueError(f"{text!r} has a single brace: write {{{{ or }}}} for a brace")
            parts.append(match[0][0])
            continue
        parts.append(parse_selection(f"$.{hole}" if _BARE_NAME.fullmatch(hole) else hole))
    parts.append(text[end:])
    found = tuple(part for part in parts if part != "")
    if not any(isinstance(part, Selection) for part in found):
        raise ValueError(f"{text!r} has no {{path}} in it: write it as a constant")
    return found


def select(selection: Selection, context: Context) -> Any:
    """Return what is there, or None when nothing is."""
    found = context[PLACES[selection.root]]
    for step in selection.steps:
        if type(found) is dict or selection.root == "meta":
            found = found.get(step)
        elif type(found) is list and type(step) is int and -len(found) <= step < len(found):
            found = found[step]
        else:
            return None
    return found


def as_text(value: Any) -> str:
    """Write a value as people read it; ValueError for a list, an object or nothing."""
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if value is None:
        raise ValueError("it is missing")
    raise ValueError(f"it is {named(value)}, not one value")


def as_bytes(value: Any) -> bytes:
    """Write any value so that equal values, and only they, give equal bytes."""
    if value is None:
        return b"-"
    if isinstance(value, dict | list):
        return b"=" + _SORTED.encode(value)
    return b"=" + as_text(value).encode()


def named(value: Any) -> str:
    """Return how a sentence calls a value that was found."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    return repr(as_text(value))[:100]
