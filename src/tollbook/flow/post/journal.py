"""Many recognition entries as one summarized journal, so that the ERP gets sums, not events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from tollbook.flow.post.mapping import Address, account_of, require_map
from tollbook.records.commercial import GlMap
from tollbook.records.posting import DocumentLine, FinanceDocument
from tollbook.values.money import Money
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class JournalSummary:
    """What the entries behind one journal document move, by account role; debit positive."""

    document_id: str
    entity_id: str
    currency: str
    booked_on: date
    movements: Mapping[str, Money]


def journal_document(
    summary: JournalSummary, *, address: Address, gl_map: GlMap | None
) -> FinanceDocument:
    """Put a summarized journal into the ERP's names; roles that moved nothing are left out.

    Raises Blocked when an account is missing.
    """
    names = require_map(gl_map, entity_id=summary.entity_id, target=address.target)
    moved = [(role, money) for role, money in sorted(summary.movements.items()) if money.minor]
    assert moved, "a journal moves something"
    assert sum(money.minor for _, money in moved) == 0, "debits equal credits"
    month = Month.of(summary.booked_on)
    return FinanceDocument(
        kind="journal",
        key=address.key,
        key16=address.key16,
        number=address.key16,
        company=names.company,
        currency=summary.currency,
        document_date=summary.booked_on,
        accounting_date=summary.booked_on,
        lines=tuple(
            DocumentLine(
                line_no=line_no,
                account=account_of(names, role),
                amount=money.major,
                description=f"{role} {month}",
            )
            for line_no, (role, money) in enumerate(moved, start=1)
        ),
        memo=f"Revenue recognized {month}",
        settings=dict(names.settings),
    )
