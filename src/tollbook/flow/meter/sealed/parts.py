"""Turns what an engine answered into the parts that a window is counted from."""

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact

from tollbook.flow.meter.definition import Parts

# Sums of whatever fits into events: with this precision nothing is ever rounded, or it raises.
_EXACT = Context(prec=200, traps=[Inexact])
_ZERO = Decimal(0)


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
        values=values if aggregation == "percentile" else (),
    )
