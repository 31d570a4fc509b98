"""Which batch of prepaid credits pays before which."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from tollbook.ledger.credit_blocks import Block
from tollbook.records.credits import CreditOrder, CreditPolicy

_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_APPLY: Final = {"first": -1, "in_order": 0, "last": 1}
_ALL_PRODUCTS: Final = 1_000_000
_OPPOSITE: Final[dict[CreditOrder, CreditOrder]] = {
    "priority_highest": "priority",
    "expires_latest": "expires",
    "paid_first": "promotional_first",
    "cost_highest": "cost_lowest",
    "granted_latest": "granted",
    "rolled_last": "rolled_first",
    "largest": "smallest",
}


def in_order(
    blocks: Iterable[Block], balances: Mapping[str, Decimal], policy: CreditPolicy
) -> list[Block]:
    """Return blocks in the order in which they pay; the id decides where the policy does not.

    What was rolled over and applies first or last stands before or behind all others.
    """

    def rank(block: Block) -> tuple[Any, ...]:
        keys = [_key(name, block, balances[block.block_id]) for name in policy.order]
        return (_apply(block), *keys, *_identity(block))

    return sorted(blocks, key=rank)


def _apply(block: Block) -> int:
    roll_over = block.grant.roll_over
    return _APPLY[roll_over.apply] if roll_over is not None and block.rolled else 0


def _identity(block: Block) -> tuple[str, int, int, str]:
    return (block.grant.grant_id, _micros(block.starts_at), block.rolled, block.block_id)


def _key(name: CreditOrder, block: Block, balance: Decimal) -> Any:
    if name in _OPPOSITE:
        return -_KEYS[_OPPOSITE[name]](block, balance)
    return _KEYS[name](block, balance)


def _micros(at: datetime) -> int:
    return (at - _ZERO) // timedelta(microseconds=1)


def _unit_cost(block: Block) -> Fraction:
    return Fraction(block.cost.minor) / Fraction(block.amount or 1)


_KEYS: Final[dict[CreditOrder, Callable[[Block, Decimal], Any]]] = {
    "priority": lambda block, _: block.priority,
    "expires": lambda block, _: _micros(block.expires_at or _NEVER),
    "promotional_first": lambda block, _: int(block.grant.kind == "paid"),
    "free_first": lambda block, _: int(block.cost.minor != 0),
    "cost_lowest": lambda block, _: _unit_cost(block),
    "granted": lambda block, _: _micros(block.starts_at),
    "rolled_first": lambda block, _: int(block.rolled == 0),
    "scoped_first": lambda block, _: int(not block.grant.products),
    "fewest_products": lambda block, _: len(block.grant.products) or _ALL_PRODUCTS,
    "smallest": lambda _, balance: balance,
    "listed": lambda block, _: block.listed,
    "id": lambda block, _: _identity(block),
}
