"""What a window is counted from, and what it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from tollbook.flow.meter.digest import digest
from tollbook.flow.meter.window import Counted

# Sums of whatever fits into events: with this precision nothing is ever rounded, or it raises.
_EXACT = Context(prec=200, traps=[Inexact])
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a window is counted from. `values` are (number, how often), where they are asked for."""

    events: int = 0
    first: int = 0
    second: int = 0
    total: Decimal | None = None
    smallest: Decimal | None = None
    largest: Decimal | None = None
    newest: Decimal | None = None
    members: int = 0
    values: Sequence[tuple[Decimal, int]] = ()


def parts_of(
    aggregation: str,
    *,
    events: int,
    hashes: tuple[int, int],
    answer: Decimal | int | None,
    values: Sequence[tuple[Decimal, int]] = (),
) -> Parts:
    """Return the parts of a window; a total that no decimal holds is summed from its values."""
    number = None if answer is None else Decimal(answer)
    if values and aggregation in {"sum", "average"}:
        number = _ZERO
        for value, count in values:
            number = _EXACT.add(number, _EXACT.multiply(value, Decimal(count)))
    return Parts(
        events=events,
        first=hashes[0],
        second=hashes[1],
        total=number if aggregation in {"sum", "average"} else None,
        smallest=number if aggregation == "min" else None,
        largest=number if aggregation == "max" else None,
        newest=number if aggregation == "latest" else None,
        members=int(number or 0) if aggregation == "unique_count" else 0,
        values=values,
    )


def quantity_of(aggregation: str, parts: Parts) -> Counted:
    """Return what a window comes to."""
    quantities = {
        "count": Decimal(parts.events),
        "sum": parts.total,
        "min": parts.smallest,
        "max": parts.largest,
        "latest": parts.newest,
        "unique_count": Decimal(parts.members),
    }
    quantity = quantities[aggregation] or _ZERO
    return Counted(quantity, parts.events, digest(parts.first, parts.second))
