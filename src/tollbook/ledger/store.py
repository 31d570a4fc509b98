"""The SQL of journal entries."""

from collections.abc import Iterable
from datetime import datetime

from tollbook.ledger.journal import JournalEntry
from tollbook.storage.database import Connection


def book(connection: Connection, entries: Iterable[JournalEntry], *, at: datetime) -> list[str]:
    """Store entries that are not there yet and return the ids of the new ones."""
    booked: list[str] = []
    for entry in entries:
        inserted = connection.execute(
            """insert into journal_entry (entry_id, entity_id, book, currency, booked_on,
                                          service_month, kind, cause, decided_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict do nothing returning entry_id""",
            [
                entry.entry_id,
                entry.entity_id,
                entry.book,
                entry.currency,
                entry.booked_on,
                str(entry.service_month),
                entry.kind,
                entry.cause,
                at,
            ],
        ).fetchone()
        if inserted is None:
            continue
        booked.append(entry.entry_id)
        with connection.cursor() as cursor:
            cursor.executemany(
                """insert into journal_line (entry_id, line_no, role, amount_minor, customer_id,
                                             memo)
                   values (%s, %s, %s, %s, %s, %s)""",
                [
                    (
                        entry.entry_id,
                        at_line,
                        line.role,
                        line.amount.minor,
                        line.customer_id,
                        line.memo,
                    )
                    for at_line, line in enumerate(entry.lines, start=1)
                ],
            )
    return booked


def balances(connection: Connection) -> list[tuple[str, str, str, int]]:
    """Return (entity, currency, role, balance in minor units), debit positive, in order."""
    return connection.execute(
        """select e.entity_id, e.currency, l.role, sum(l.amount_minor)::bigint
           from journal_line l join journal_entry e using (entry_id)
           group by 1, 2, 3 order by 1, 2, 3"""
    ).fetchall()
