"""Journal entries that cannot be built unbalanced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tollbook.ledger.chart import nature
from tollbook.values.ids import EntityId, EntryId, derive
from tollbook.values.money import Money
from tollbook.values.period import Month

EntryKind = Literal["invoice", "credit_memo", "recognition"]


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One side of a movement: debit positive, credit negative."""

    role: str
    amount: Money
    customer_id: str
    memo: str


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A balanced movement in one legal entity's book and currency, caused by one document."""

    entry_id: EntryId
    entity_id: EntityId
    currency: str
    booked_on: date
    service_month: Month
    kind: EntryKind
    cause: str
    lines: tuple[JournalLine, ...]
    book: str = "primary"

    def __post_init__(self) -> None:
        assert self.lines, "an entry has lines"
        total = sum(line.amount.minor for line in self.lines)
        assert total == 0, f"debits and credits differ by {total}"
        for line in self.lines:
            assert line.amount.currency == self.currency, "one currency an entry"
            nature(line.role)


def entry(
    *,
    entity_id: EntityId,
    currency: str,
    booked_on: date,
    service_month: Month,
    kind: EntryKind,
    cause: str,
    lines: Sequence[JournalLine],
) -> JournalEntry:
    """Build the entry that a document causes; the same cause always gives the same id."""
    return JournalEntry(
        entry_id=EntryId(derive("jrn", kind, cause)),
        entity_id=entity_id,
        currency=currency,
        booked_on=booked_on,
        service_month=service_month,
        kind=kind,
        cause=cause,
        lines=tuple(line for line in lines if line.amount.minor != 0),
    )
