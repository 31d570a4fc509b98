"""What prepaid credits moved, and what must still move so that all movements sum to the truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from tollbook.values.money import EXACT

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Moved:
    """Credits, what they had cost, and what they add to a charge; bought +, used -."""

    amount: Decimal = ZERO
    cost: Decimal = ZERO
    value: Decimal = ZERO

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(
            EXACT.add(self.amount, other.amount),
            EXACT.add(self.cost, other.cost),
            EXACT.add(self.value, other.value),
        )

    def __sub__(self, other: "Moved") -> "Moved":
        return Moved(
            EXACT.subtract(self.amount, other.amount),
            EXACT.subtract(self.cost, other.cost),
            EXACT.subtract(self.value, other.value),
        )


NONE: Final = Moved()


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What lapsed of a batch so far: in how many movements, the last of them on a day."""

    moved: Moved
    number: int
    last_on: date


def sum_moved(moves: Iterable[Moved]) -> Moved:
    """Add what moved."""
    total = NONE
    for move in moves:
        total += move
    return total


def changes(wanted: Mapping[str, Decimal], moved: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return batch -> what must still move, so that the movements sum to what is wanted."""
    missing = {
        block_id: EXACT.subtract(wanted.get(block_id, ZERO), moved.get(block_id, ZERO))
        for block_id in sorted(wanted.keys() | moved.keys())
    }
    return {block_id: amount for block_id, amount in missing.items() if amount != 0}


def missing_moves(wanted: Mapping[str, Moved], moved: Mapping[str, Moved]) -> dict[str, Moved]:
    """Return the same of credits, cost and value together."""
    missing = {
        block_id: wanted.get(block_id, NONE) - moved.get(block_id, NONE)
        for block_id in sorted(wanted.keys() | moved.keys())
    }
    return {block_id: move for block_id, move in missing.items() if move != NONE}
