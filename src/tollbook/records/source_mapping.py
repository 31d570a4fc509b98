"""How the records of a foreign system become usage events: a versioned rule, all of it data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

MappingInput = Literal["json", "csv_row", "otlp"]
Constant = str | int | bool
FieldKind = Literal["text", "integer", "decimal", "time", "bool"]
Rounding = Literal["none", "half_up", "half_even", "up", "down"]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where one field of an event comes from, and what is done to it on the way.

    Exactly one of `path`, `value`, `template`, `hash_of` and `first_of` says where it comes from.
    What follows is done in this order: `default` or `optional` when nothing is there; `strip`,
    `lower`, `upper`; `split` and `take`; `replace`; `kind` with `decimal_mark`, `thousands_mark`,
    `format` and `zone`; `multiply`, `divide` and the factor of its unit; `rounding` to `decimals`.
    """

    path: str | None = None
    value: Constant | None = None
    template: str | None = None
    hash_of: tuple[str, ...] = ()
    first_of: tuple[str, ...] = ()
    default: Constant | None = None
    optional: bool = False
    strip: bool = False
    lower: bool = False
    upper: bool = False
    split: str = ""
    take: int = 0
    replace: Mapping[str, str] = field(default_factory=dict)
    otherwise: Literal["refuse", "keep"] = "refuse"
    kind: FieldKind | None = None
    decimal_mark: Literal[".", ","] = "."
    thousands_mark: str = ""
    format: str = "rfc3339"
    zone: str = ""
    ambiguous: Literal["refuse", "earlier", "later"] = "refuse"
    multiply: Decimal | None = None
    divide: Decimal | None = None
    unit: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    rounding: Rounding = "none"
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a record (or of an element of `each`) for it to be usage.

    Values are compared as text; what is not there equals nothing.
    """

    path: str
    equals: Constant | None = None
    not_equals: Constant | None = None
    one_of: tuple[Constant, ...] = ()
    none_of: tuple[Constant, ...] = ()
    exists: bool | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """What the event says: its attributes, and the fields of its data by their names."""

    type: FieldRule
    source: FieldRule
    id: FieldRule
    subject: FieldRule
    time: FieldRule
    data: Mapping[str, FieldRule] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceMapping:
    """How one kind of foreign record becomes usage events.

    `each` is the path of a list: one record becomes an event for each of its elements. A record (or
    element) for which `when` does not hold is ignored, and counted as ignored.
    """

    mapping_id: str
    input: MappingInput
    event: EventRule
    each: str = ""
    when: tuple[Condition, ...] = ()
    description: str = ""
    version: int = 1
