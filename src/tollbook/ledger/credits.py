"""Prepaid credits: which grant pays, and how much of it, decided without a database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from tollbook.values.money import EXACT, Money, Precise, settle

MovementKind = Literal["grant", "drawdown", "expiry", "return"]


@dataclass(frozen=True, slots=True)
class GrantBalance:
    """What is left of a grant, in major units; usable through `expires_on` (None = for ever)."""

    grant_id: str
    granted_on: date
    expires_on: date | None
    available: Decimal


@dataclass(frozen=True, slots=True)
class Draw:
    """What one grant pays, in whole minor units."""

    grant_id: str
    amount: Money


def usable(balances: Iterable[GrantBalance], *, first: date, last: date) -> list[GrantBalance]:
    """Return the grants that can pay for a month's usage, in the order in which they are used.

    A grant counts when it was bought by the last day and had not expired before the first one.
    The earliest expiry pays first, then the earliest grant, then the smallest id.
    """
    found = [
        balance
        for balance in balances
        if balance.granted_on <= last
        and (balance.expires_on is None or balance.expires_on >= first)
        and balance.available > 0
    ]
    return sorted(found, key=lambda b: (b.expires_on or date.max, b.granted_on, b.grant_id))


def draw_down(balances: Sequence[GrantBalance], amount: Money) -> list[Draw]:
    """Pay an amount from balances in their order; less than the amount when they are used up."""
    assert amount.minor >= 0, "only what is owed is paid"
    left, draws = amount.minor, []
    for balance in balances:
        # A fraction of a minor unit cannot pay: it stays on the grant.
        whole = settle(Precise(balance.available, amount.currency), "floor").money.minor
        taken = min(left, whole)
        if taken > 0:
            draws.append(Draw(balance.grant_id, Money(taken, amount.currency)))
            left -= taken
    assert sum(draw.amount.minor for draw in draws) + left == amount.minor
    return draws


def changes(wanted: Mapping[str, Decimal], moved: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return grant -> what must still move, so that the movements sum to what is wanted."""
    missing = {
        grant_id: EXACT.subtract(wanted.get(grant_id, Decimal(0)), moved.get(grant_id, Decimal(0)))
        for grant_id in sorted(wanted.keys() | moved.keys())
    }
    return {grant_id: amount for grant_id, amount in missing.items() if amount != 0}
