"""Doctor: check the invariants of the books, each by a question that must find nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, LiteralString

from tollbook.controls.audit import all_records, first_broken
from tollbook.flow.meter.store import all_latest_usages, recount_as_known
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.storage.migrate import pending
from tollbook.values.money import minor_exponent

# How many offenders a finding names.
EXAMPLES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant and what breaks it; no offenders = it holds."""

    invariant: str
    offenders: tuple[str, ...]
    count: int

    @property
    def holds(self) -> bool:
        """Whether nothing breaks the invariant."""
        return self.count == 0


# Each question returns the ids that break the invariant, in order.
_QUESTIONS: Final[tuple[tuple[str, LiteralString], ...]] = (
    (
        "every journal entry balances",
        """select entry_id from journal_line group by 1 having sum(amount_minor) <> 0 order by 1""",
    ),
    (
        "every issued document with an amount is in the subledger",
        """select i.invoice_id from invoice i
           where i.state = 'issued'
             and not exists (select 1 from journal_entry e where e.cause = i.invoice_id)
             and exists (select 1 from invoice_line l
                         where l.invoice_id = i.invoice_id and l.amount_minor <> 0)
           order by 1""",
    ),
    (
        "receivables booked equal the document's total",
        """select i.invoice_id
           from invoice i join journal_entry e on e.cause = i.invoice_id
               join journal_line j on j.entry_id = e.entry_id and j.role = 'accounts_receivable'
           group by i.invoice_id
           having sum(j.amount_minor) <>
                  (select coalesce(sum(l.amount_minor), 0) from invoice_line l
                   where l.invoice_id = i.invoice_id)
                  + (select coalesce(sum(t.amount_minor), 0) from invoice_tax t
                     where t.invoice_id = i.invoice_id)
           order by 1""",
    ),
    (
        "invoice numbers have no gaps",
        """select entity_id || '/' || series from invoice_series s
           where last_number <> (select count(*) from invoice i
                                 where i.entity_id = s.entity_id and i.kind = s.series
                                   and i.number is not null)
           order by 1""",
    ),
    (
        "every line of an issued document stands on a charge that counts",
        """select l.invoice_id || '#' || l.line_no
           from invoice_line l join invoice i using (invoice_id)
               join charge_superseded s using (charge_id)
           where i.state = 'issued' order by 1""",
    ),
    (
        "every usage charge names its metered usage",
        """select charge_id from charge c
           where kind = 'usage' and quantity <> 0 and usage_id is null
             and corrects is null order by 1""",
    ),
    (
        "revenue schedules sum to their line",
        """select s.schedule_id
           from revenue_schedule s join revenue_schedule_line d using (schedule_id)
           group by s.schedule_id, s.amount_minor
           having sum(d.amount_minor) <> s.amount_minor order by 1""",
    ),
    (
        "prepaid credits are never overdrawn",
        """select grant_id from credit_movement group by 1 having sum(amount) < 0 order by 1""",
    ),
    (
        "no document is posted twice or under two keys",
        """select document_id from posting group by target, document_id
           having count(*) > 1 order by 1""",
    ),
    (
        "a posting counts as posted only with a receipt",
        """select posting_id from posting where state = 'posted' and receipt is null order by 1""",
    ),
    (
        "every refused event is on the worklist",
        """select q.quarantine_id from quarantine q
           where q.state = 'open'
             and not exists (select 1 from work_item_object o
                             where o.object_id = q.quarantine_id) order by 1""",
    ),
    (
        "every event has one identity and every identity one event",
        """select coalesce(e.source || '|' || e.event_id, i.h::text)
           from event_identity i
               full join usage_event e using (h, day, receipt, ordinal)
           where i.h is null or e.h is null order by 1""",
    ),
)


def examine(connection: Connection) -> Iterator[Finding]:
    """Check every invariant in turn; reads only."""
    for invariant, question in _QUESTIONS:
        found = [row[0] for row in connection.execute(question)]
        yield _finding(invariant, found)
    for invariant, check in _CHECKS:
        yield _finding(invariant, list(check(connection)))


def _schema(connection: Connection) -> Iterator[str]:
    for migration in pending(connection):
        yield f"migration {migration.number} {migration.name} is not applied"


def _audit(connection: Connection) -> Iterator[str]:
    broken = first_broken(all_records(connection))
    if broken is not None:
        yield f"record {broken}"


def _residues(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        """select l.invoice_id || '#' || l.line_no, c.currency, c.amount, l.amount_minor, l.residue
           from invoice_line l join charge c using (charge_id) order by 1"""
    )
    for line, currency, amount, minor, residue in rows:
        exponent = minor_exponent(currency)
        if amount.scaleb(exponent) - residue.scaleb(exponent) != minor:
            yield line


def _recount(connection: Connection) -> Iterator[str]:
    for usage in all_latest_usages(connection):
        if not _is_right(connection, usage):
            yield usage.usage_id


def _is_right(connection: Connection, usage: MeteredUsage) -> bool:
    counted = recount_as_known(connection, usage)
    return (counted.quantity, counted.event_count, counted.digest) == (
        usage.quantity,
        usage.event_count,
        usage.digest,
    )


_CHECKS: Final[tuple[tuple[str, Callable[[Connection], Iterator[str]]], ...]] = (
    ("the schema is the one of this release", _schema),
    ("the audit chain is unbroken", _audit),
    ("charge = line + residue, exactly", _residues),
    ("metered usage equals a recount of its raw events", _recount),
)


def _finding(invariant: str, offenders: list[str]) -> Finding:
    return Finding(invariant, tuple(offenders[:EXAMPLES_MAX]), len(offenders))
