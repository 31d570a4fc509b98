"""The question that counts events in files: one text, in the dialects of DuckDB and Spark."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from tollbook.records.commercial import Meter

_MICROSECONDS_A_DAY: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1)
_DIGITS_MAX: Final = 38
_SMALL_DIGITS: Final = 18
_SUMMED: Final = frozenset({"sum", "average"})
_RANKED: Final = frozenset({"percentile"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one engine says what the other says differently."""

    quote: str
    microseconds: str
    whole: str
    newest: str
    small_digits: int
    text: str
    literal: str


DUCKDB: Final = Dialect(
    '"',
    "epoch_us({})",
    "hugeint",
    "arg_max({}, row(at_us, h))",
    _SMALL_DIGITS,
    "varchar",
    "decode(unhex('{}'))",
)
SPARK: Final = Dialect(
    "`",
    "unix_micros({})",
    "decimal(38, 0)",
    "max_by({}, struct(at_us, h))",
    _DIGITS_MAX,
    "string",
    "decode(unhex('{}'), 'utf-8')",
)


@dataclass(frozen=True, slots=True)
class Counting:
    """A meter version and the UTC days (the last one excluded) on which it counts."""

    meter: Meter
    first: date
    until: date


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many digits the numbers in question have at most, and in how many events they stand."""

    digits: int
    scale: int
    events: int

    @property
    def is_exact_sum(self) -> bool:
        """Whether no sum of them can have more digits than a decimal holds."""
        return self.digits + self.scale + len(str(self.events)) <= _DIGITS_MAX


@dataclass(frozen=True, slots=True)
class Scan:
    """What is asked of the tables: `files` hold the events, the others are named after their use."""

    countings: Sequence[Counting]
    files: Sequence[str]
    through: int
    shapes: Sequence[Sequence[str]]
    bounds: Bounds
    has_exclusions: bool

    @property
    def aggregation(self) -> str:
        """How the last meter version aggregates; all of them do it alike."""
        return self.countings[-1].meter.aggregation

    @property
    def needs_values(self) -> bool:
        """Whether the values themselves are asked for, each with how often it stands."""
        return self.aggregation in _RANKED or (
            self.aggregation in _SUMMED and not self.bounds.is_exact_sum
        )


def fields_read(countings: Sequence[Counting]) -> tuple[set[str], set[str]]:
    """Return which fields are read as text, and which as numbers."""
    texts: set[str] = set()
    numbers: set[str] = set()
    for counting in countings:
        meter = counting.meter
        texts.update(meter.dimensions, meter.where)
        if meter.value is not None:
            (texts if meter.aggregation == "unique_count" else numbers).add(meter.value)
    return texts, numbers


def can_count(meter: Meter) -> bool:
    """Tell whether files can answer for a meter; for all others PostgreSQL does."""
    is_plain = meter.expression is None and not meter.filters and meter.sample_minutes is None
    return is_plain and meter.aggregation != "time_weighted_sum"


def counted(scan: Scan, dialect: Dialect) -> str:
    """Return the query of (window, events, both sums of hashes, what the aggregation needs)."""
    found = {
        "sum": "sum(value)",
        "average": "sum(value)",
        "min": "min(value)",
        "max": "max(value)",
        "unique_count": "count(distinct member)",
        "latest": dialect.newest.format("value"),
    }
    answer = "null" if scan.needs_values else found.get(scan.aggregation, "null")
    whole = dialect.whole
    return " union all ".join(
        f"""select no, count(*), sum(cast(f1 as {whole})), sum(cast(f2 as {whole})), {answer}
            from ({_joined(scan, dialect, shape)}) joined group by no"""
        for shape in range(len(scan.shapes))
    )


def values(scan: Scan, dialect: Dialect) -> str:
    """Return the query of (window, value as text, how often)."""
    return " union all ".join(
        f"""select no, cast(value as {dialect.text}), count(*)
            from ({_joined(scan, dialect, shape)}) joined group by no, value"""
        for shape in range(len(scan.shapes))
    )


def day_micros(day: date) -> int:
    """Return the start of a UTC day in microseconds since 1970."""
    return (day - _EPOCH).days * _MICROSECONDS_A_DAY


def _joined(scan: Scan, dialect: Dialect, shape: int) -> str:
    """Events of one shape of windows: those that ask for the same dimensions."""
    names = list(scan.shapes[shape])
    events = " union all ".join(
        _events(scan, counting, files, names, dialect)
        for counting in scan.countings
        for files in scan.files
    )
    equal = "".join(f" and u.d{number} = w.d{number}" for number in range(len(names)))
    return f"""select w.no, u.at_us, u.h, u.f1, u.f2, u.value, u.member
        from ({events}) u join windows w
            on w.customer_id = u.customer_id{equal} and u.at_us >= w.from_us and u.at_us < w.until_us
        where w.shape = {shape}"""


def _events(
    scan: Scan, counting: Counting, files: str, names: Sequence[str], dialect: Dialect
) -> str:
    meter = counting.meter
    at = dialect.microseconds.format("s.occurred_at")
    conditions = [
        f"s.type = {_literal(meter.event_type, dialect)}",
        f"s.receipt <= {scan.through}",
        f"{at} >= {day_micros(counting.first)}",
        f"{at} < {day_micros(counting.until)}",
        *(
            f"{_text(name, dialect)} = {_literal(wanted, dialect)}"
            for name, wanted in sorted(meter.where.items())
        ),
    ]
    value, member = f"cast(null as {_kind(scan, dialect)})", f"cast(null as {dialect.text})"
    if meter.aggregation == "unique_count":
        member = _text(meter.value or "", dialect)
        conditions.append(f"{member} is not null")
    elif meter.aggregation != "count":
        column = f"s.{_name(f'number:{meter.value}', dialect)}"
        value = f"cast({column} as {_kind(scan, dialect)})"
        conditions.append(f"{column} is not null")
    if scan.has_exclusions:
        # By day too: a reused identity is excluded on one day and counts on the other.
        conditions.append(
            "not exists (select 1 from exclusions x where x.h = s.h "
            f"and {at} >= x.from_us and {at} < x.until_us)"
        )
    dimensions = "".join(
        f", {_dimension(meter, name, dialect)} as d{number}" for number, name in enumerate(names)
    )
    return f"""select c.customer_id, {at} as at_us, s.h, s.f1, s.f2, {value} as value,
            {member} as member{dimensions}
        from {files} s join crosswalk c
            on c.subject = s.subject and {at} >= c.from_us and {at} < c.until_us
        where {" and ".join(conditions)}"""


def _dimension(meter: Meter, name: str, dialect: Dialect) -> str:
    if name not in meter.dimensions:
        return f"cast(null as {dialect.text})"
    return f"coalesce({_text(name, dialect)}, '')"


def _kind(scan: Scan, dialect: Dialect) -> str:
    bounds = scan.bounds
    width = dialect.small_digits if bounds.digits + bounds.scale <= _SMALL_DIGITS else _DIGITS_MAX
    return f"decimal({width}, {bounds.scale})"


def _text(field: str, dialect: Dialect) -> str:
    return f"s.{_name(f'text:{field}', dialect)}"


def _name(name: str, dialect: Dialect) -> str:
    return f"{dialect.quote}{name.replace(dialect.quote, dialect.quote * 2)}{dialect.quote}"


def _literal(text: str, dialect: Dialect) -> str:
    """Write a text constant; in hexadecimal, as the engines escape quotes differently."""
    return dialect.literal.format(text.encode().hex()) if text else "''"
