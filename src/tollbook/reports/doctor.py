"""Doctor: check the invariants of the books, each by a question that must find nothing."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from tollbook.controls.audit import all_records, first_broken
from tollbook.errors import Blocked
from tollbook.flow.capture.segments.store import list_segments
from tollbook.flow.meter.events.store import altered_events
from tollbook.flow.meter.step import summaries_that_differ
from tollbook.flow.meter.store import all_latest_usages, recount_as_known
from tollbook.masterdata.store import load_catalog
from tollbook.reports.invariants import QUESTIONS
from tollbook.reports.segments import broken_segments
from tollbook.storage.database import Connection
from tollbook.storage.migrate import pending
from tollbook.values.money import Money, minor_exponent

_EVERYTHING: Final = datetime.max.replace(tzinfo=UTC)

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


def examine(connection: Connection) -> Iterator[Finding]:
    """Check every invariant in turn; changes nothing, reads each event several times."""
    for invariant, question in QUESTIONS.items():
        yield _finding(invariant, (row[0] for row in connection.execute(question)))
    for invariant, check in _CHECKS.items():
        yield _finding(invariant, check(connection))


def _schema(connection: Connection) -> Iterator[str]:
    for migration in pending(connection):
        yield f"migration {migration.number} {migration.name} is not applied"


def _audit(connection: Connection) -> Iterator[str]:
    broken = first_broken(all_records(connection))
    if broken is not None:
        yield f"record {broken}"


def _recount(connection: Connection) -> Iterator[str]:
    """Yield usages that their events do not come to, where no events were deleted by policy."""
    gone = [segment.day for segment in list_segments(connection, states=("deleted",))]
    usages = [
        usage
        for usage in all_latest_usages(connection)
        if not any(usage.period.start.date() <= day < usage.period.end.date() for day in gone)
    ]
    try:
        recounted = recount_as_known(connection, usages)
    except Blocked as refusal:
        yield refusal.message
        return
    for usage, counted in recounted:
        if (counted.quantity, counted.event_count, counted.digest) != (
            usage.quantity,
            usage.event_count,
            usage.digest,
        ):
            yield usage.usage_id


def _summaries(connection: Connection) -> Iterator[str]:
    catalog = load_catalog(connection, known_at=_EVERYTHING)
    try:
        yield from summaries_that_differ(connection, catalog)
    except Blocked as refusal:
        # Without the files of sealed days nobody can say.
        yield refusal.message


def _residues(connection: Connection) -> Iterator[str]:
    rows = connection.execute(
        """select l.invoice_id || '#' || l.line_no, c.currency, c.amount, l.amount_minor, l.residue
           from invoice_line l join charge c using (charge_id) order by 1"""
    )
    for line, currency, amount, minor, residue in rows:
        exponent = minor_exponent(currency)
        if amount.scaleb(exponent) - residue.scaleb(exponent) != minor:
            yield line


def _sent(connection: Connection) -> Iterator[str]:
    """Yield postings that sent, or got a receipt for, another total than their document has."""
    rows = connection.execute(
        """select p.posting_id, i.currency,
                  (select coalesce(sum(l.amount_minor), 0)::bigint from invoice_line l
                   where l.invoice_id = i.invoice_id)
                  + (select coalesce(sum(t.amount_minor), 0)::bigint from invoice_tax t
                     where t.invoice_id = i.invoice_id),
                  (select coalesce(sum((one ->> 'amount')::numeric), 0)
                   from jsonb_array_elements((p.payload -> 'lines') || (p.payload -> 'taxes')) one),
                  case p.state when 'posted' then (p.receipt ->> 'total')::numeric end
           from posting p join invoice i on i.invoice_id = p.document_id
           where p.payload is not null order by 1"""
    )
    for posting_id, currency, total, sent, posted in rows:
        ours = Money(total, currency).major
        if ours != sent or posted not in {None, ours}:
            yield posting_id


_CHECKS: Final[dict[str, Callable[[Connection], Iterable[str]]]] = {
    "the schema is the one of this release": _schema,
    "the audit chain is unbroken": _audit,
    "every sealed segment is in the archive as it was sealed": broken_segments,
    "no stored event was changed": altered_events,
    "metered usage equals a recount of its raw events": _recount,
    "current usage equals a recount of its raw events": _summaries,
    "charge = line + residue, exactly": _residues,
    "what was sent is what was issued": _sent,
}


def _finding(invariant: str, offenders: Iterable[str]) -> Finding:
    remaining = iter(offenders)
    examples = tuple(islice(remaining, EXAMPLES_MAX))
    return Finding(invariant, examples, len(examples) + sum(1 for _ in remaining))
