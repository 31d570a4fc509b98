"""The SQL of postings, their attempts, and the journals that summarize subledger entries."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, LiteralString

from psycopg.rows import DictRow, class_row, dict_row
from psycopg.types.json import Jsonb

from tollbook.flow.post.journal import JournalSummary
from tollbook.flow.post.machine import Signal, State
from tollbook.flow.post.posting import Attempt, Candidate, Posting
from tollbook.records.posting import FinanceDocument, Receipt
from tollbook.storage.database import Connection
from tollbook.values.codec import content_hash, from_builtins, to_builtins
from tollbook.values.money import Money
from tollbook.values.period import Month

SWEEP_MAX: Final = 100
LIST_MAX: Final = 1000

_COLUMNS: Final[LiteralString] = """posting_id, document_id, document_kind, entity_id, target, key,
    key16, service_month, state, attempts, available_at, created_at, after_document, payload,
    payload_sha256, lease_token, lease_until, sent_at, frozen_until, code, message, receipt,
    receipt_at"""

# A credit memo must not overtake the invoice it corrects.
_IS_NEXT: Final[LiteralString] = """(p.after_document is null or exists (
    select 1 from posting earlier
    where earlier.target = p.target and earlier.document_id = p.after_document
      and earlier.state = 'posted'))"""


def insert(connection: Connection, posting: Posting) -> bool:
    """Store a new posting; False when the document already has one for this target."""
    row = connection.execute(
        """insert into posting (posting_id, document_id, document_kind, entity_id, target, key,
               key16, service_month, state, available_at, created_at, after_document, payload,
               payload_sha256)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (posting_id) do nothing returning posting_id""",
        [
            posting.posting_id,
            posting.document_id,
            posting.document_kind,
            posting.entity_id,
            posting.target,
            posting.key,
            posting.key16,
            posting.service_month,
            posting.state,
            posting.available_at,
            posting.created_at,
            posting.after_document,
            _jsonb(posting.payload),
            content_hash(posting.payload) if posting.payload else None,
        ],
    ).fetchone()
    return row is not None


def lock_expired(connection: Connection, *, target: str, at: datetime) -> list[Posting]:
    """Lock postings of a target whose worker is gone, oldest lease first."""
    return _postings(
        connection,
        f"""select {_COLUMNS} from posting
            where state in ('leased', 'sending') and lease_until <= %s and target = %s
            order by lease_until, posting_id limit {SWEEP_MAX} for update skip locked""",
        [at, target],
    )


def lock_next(connection: Connection, *, target: str, at: datetime) -> Posting | None:
    """Lock the posting of a target that has been due longest, first queued first; others skip it."""
    # The limit is a literal and nothing is updated here: with both in one statement, and a
    # computed limit, the planner scans the whole backlog.
    found = _postings(
        connection,
        f"""select {_COLUMNS} from posting p
            where state in ('ready', 'doubtful', 'pending_remote') and target = %s
              and available_at <= %s and (lease_until is null or lease_until <= %s) and {_IS_NEXT}
            order by available_at, position limit 1 for update skip locked""",
        [target, at, at],
    )
    return found[0] if found else None


def lease(
    connection: Connection, posting_id: str, *, state: State, at: datetime, until: datetime
) -> int:
    """Give a locked posting to a worker; returns the token that fences its later writes."""
    row = connection.execute(
        """update posting set state = %s, lease_token = nextval('posting_lease_token'),
                              lease_until = %s
           where posting_id = %s and (lease_until is null or lease_until <= %s)
           returning lease_token""",
        [state, until, posting_id, at],
    ).fetchone()
    assert row is not None, "a locked posting can be leased"
    return int(row[0])


def begin_send(
    connection: Connection, posting: Posting, document: FinanceDocument, *, at: datetime
) -> bool:
    """Store the intention: the frozen payload, and that sending starts now. False = lease lost."""
    return _is_changed(
        connection,
        """update posting set state = %s, payload = %s, payload_sha256 = %s, sent_at = %s,
                              attempts = attempts + 1, code = null, message = null
           where posting_id = %s and state = %s and lease_token = %s and lease_until > %s
           returning posting_id""",
        [
            State.SENDING,
            _jsonb(document),
            content_hash(document),
            at,
            posting.posting_id,
            State.LEASED,
            posting.lease_token,
            at,
        ],
    )


def settle(connection: Connection, before: Posting, after: Posting, *, at: datetime) -> bool:
    """Store the outcome of a leased posting and give the lease back. False = lease lost."""
    return _is_changed(
        connection,
        """update posting set state = %s, attempts = %s, available_at = %s, frozen_until = %s,
                              code = %s, message = %s, receipt = %s, receipt_at = %s,
                              lease_token = null, lease_until = null
           where posting_id = %s and state = %s and lease_token = %s and lease_until > %s
           returning posting_id""",
        [*_outcome(after), before.posting_id, before.state, before.lease_token, at],
    )


def put(connection: Connection, posting: Posting) -> None:
    """Store a posting that the caller has locked and nobody leases."""
    connection.execute(
        """update posting set state = %s, attempts = %s, available_at = %s, frozen_until = %s,
                              code = %s, message = %s, receipt = %s, receipt_at = %s,
                              payload = %s, payload_sha256 = %s, sent_at = %s,
                              lease_token = null, lease_until = null
           where posting_id = %s""",
        [
            *_outcome(posting),
            _jsonb(posting.payload),
            posting.payload_sha256,
            posting.sent_at,
            posting.posting_id,
        ],
    )


def note(connection: Connection, posting: Posting, signal: Signal, *, at: datetime) -> None:
    """Add a line to the history of a posting."""
    connection.execute(
        """insert into posting_attempt (posting_id, number, at, signal, state, code, message)
           select %s, coalesce(max(number), 0) + 1, %s, %s, %s, %s, %s
           from posting_attempt where posting_id = %s""",
        [
            posting.posting_id,
            at,
            signal,
            posting.state,
            posting.code,
            posting.message,
            posting.posting_id,
        ],
    )


def next_due(connection: Connection, *, target: str) -> datetime | None:
    """Return when the next posting of a target can be taken on; None when none waits."""
    row = connection.execute(
        f"""select min(greatest(available_at, coalesce(lease_until, available_at)))
            from posting p
            where (state in ('ready', 'doubtful', 'pending_remote') and {_IS_NEXT}
                   or state in ('leased', 'sending')) and target = %s""",
        [target],
    ).fetchone()
    return row[0] if row else None


def load(connection: Connection, posting_id: str) -> Posting | None:
    """Return one posting by its id, or None."""
    found = _postings(
        connection, f"select {_COLUMNS} from posting where posting_id = %s", [posting_id]
    )
    return found[0] if found else None


def lock(connection: Connection, posting_ids: Iterable[str]) -> list[Posting]:
    """Lock postings by id, in order of id; ids that do not exist are left out."""
    return _postings(
        connection,
        f"""select {_COLUMNS} from posting where posting_id = any(%s)
            order by posting_id for update""",
        [list(posting_ids)],
    )


def lock_waiting(
    connection: Connection, *, targets: Sequence[str], due_by: datetime | None
) -> list[Posting]:
    """Lock held and failed postings of these targets, all or those due to be looked at again."""
    return _postings(
        connection,
        f"""select {_COLUMNS} from posting
            where state in ('held', 'failed') and target = any(%(targets)s)
              and (%(due_by)s::timestamptz is null or available_at <= %(due_by)s)
            order by posting_id for update skip locked""",
        {"targets": list(targets), "due_by": due_by},
    )


def look_again(connection: Connection, posting_ids: Sequence[str], *, at: datetime) -> None:
    """Store when waiting postings are due to be looked at again; never earlier than before."""
    connection.execute(
        """update posting set available_at = greatest(available_at, %s)
           where posting_id = any(%s)""",
        [at, list(posting_ids)],
    )


def listed(
    connection: Connection,
    *,
    state: State | None = None,
    target: str | None = None,
    month: Month | None = None,
    limit: int = LIST_MAX,
) -> list[Posting]:
    """Return postings by state, target and service month, in the order of queueing."""
    return _postings(
        connection,
        f"""select {_COLUMNS} from posting
            where (%(state)s::text is null or state = %(state)s)
              and (%(target)s::text is null or target = %(target)s)
              and (%(month)s::text is null or service_month = %(month)s)
            order by position limit %(limit)s""",
        {
            "state": state,
            "target": target,
            "month": str(month) if month else None,
            "limit": limit,
        },
    )


def counts(connection: Connection) -> list[tuple[str, State, int]]:
    """Return how many postings each target has in each state."""
    rows = connection.execute(
        "select target, state, count(*) from posting group by 1, 2 order by 1, 2"
    )
    return [(target, State(state), count) for target, state, count in rows]


def oldest_unposted(connection: Connection) -> datetime | None:
    """Return when the oldest posting that is not posted was queued, or None."""
    row = connection.execute(
        "select min(created_at) from posting where state <> 'posted'"
    ).fetchone()
    return row[0] if row else None


def attempts(connection: Connection, posting_id: str) -> list[Attempt]:
    """Return the history of a posting, oldest first."""
    with connection.cursor(row_factory=class_row(Attempt)) as cursor:
        return cursor.execute(
            """select number, at, signal, state, code, message from posting_attempt
               where posting_id = %s order by number""",
            [posting_id],
        ).fetchall()


def unposted_documents(connection: Connection, month: Month | None) -> list[Candidate]:
    """Return issued invoices and credit memos that have no posting, in order of number."""
    with connection.cursor(row_factory=class_row(Candidate)) as cursor:
        return cursor.execute(
            """select i.invoice_id as document_id, i.kind, i.entity_id, i.service_month,
                      i.booked_on, case i.kind when 'credit_memo' then i.corrects end
                                   as after_document
               from invoice i
               where i.state = 'issued' and (%(month)s::text is null or service_month = %(month)s)
                 and not exists (select 1 from posting p where p.document_id = i.invoice_id)
               order by i.entity_id, i.booked_on, i.number""",
            {"month": str(month) if month else None},
        ).fetchall()


def unposted_recognition(
    connection: Connection, month: Month | None
) -> list[tuple[str, str, date, list[str]]]:
    """Return (entity, currency, booked on, entry ids) of recognition in no journal yet."""
    rows = connection.execute(
        """select e.entity_id, e.currency, e.booked_on,
                  array_agg(e.entry_id order by e.entry_id)
           from journal_entry e
           where e.kind = 'recognition'
             and (%(month)s::text is null or to_char(e.booked_on, 'YYYY-MM') = %(month)s)
             and not exists (select 1 from journal_document_entry d where d.entry_id = e.entry_id)
           group by 1, 2, 3 order by 1, 2, 3""",
        {"month": str(month) if month else None},
    )
    return rows.fetchall()


def insert_journal(
    connection: Connection, summary: JournalSummary, entry_ids: Sequence[str], *, at: datetime
) -> None:
    """Store which subledger entries a journal document summarizes."""
    connection.execute(
        """insert into journal_document (document_id, entity_id, currency, service_month,
                                         booked_on, created_at)
           values (%s, %s, %s, %s, %s, %s)""",
        [
            summary.document_id,
            summary.entity_id,
            summary.currency,
            str(Month.of(summary.booked_on)),
            summary.booked_on,
            at,
        ],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into journal_document_entry (entry_id, document_id) values (%s, %s)",
            [(entry_id, summary.document_id) for entry_id in entry_ids],
        )


def movements(connection: Connection, entry_ids: Sequence[str], currency: str) -> dict[str, Money]:
    """Return what entries move by account role, debit positive."""
    rows = connection.execute(
        """select role, sum(amount_minor)::bigint from journal_line
           where entry_id = any(%s) group by role order by role""",
        [list(entry_ids)],
    )
    return {role: Money(minor, currency) for role, minor in rows}


def journal_summary(connection: Connection, document_id: str) -> JournalSummary | None:
    """Return what a journal document summarizes, or None when there is no such document."""
    row = connection.execute(
        """select entity_id, currency, booked_on,
                  array(select entry_id from journal_document_entry d
                        where d.document_id = j.document_id order by entry_id)
           from journal_document j where document_id = %s""",
        [document_id],
    ).fetchone()
    if row is None:
        return None
    entity_id, currency, booked_on, entry_ids = row
    moved = movements(connection, entry_ids, currency)
    return JournalSummary(document_id, entity_id, currency, booked_on, moved)


def _outcome(posting: Posting) -> list[Any]:
    return [
        posting.state,
        posting.attempts,
        posting.available_at,
        posting.frozen_until,
        posting.code,
        posting.message,
        _jsonb(posting.receipt),
        posting.receipt_at,
    ]


def _is_changed(connection: Connection, statement: LiteralString, values: list[Any]) -> bool:
    return connection.execute(statement, values).fetchone() is not None


def _jsonb(record: object) -> Jsonb | None:
    return None if record is None else Jsonb(to_builtins(record))


def _postings(
    connection: Connection, statement: LiteralString, values: Sequence[Any] | dict[str, Any]
) -> list[Posting]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_posting(row) for row in cursor.execute(statement, values)]


def _posting(row: DictRow) -> Posting:
    payload, receipt = row["payload"], row["receipt"]
    return Posting(
        **{
            **row,
            "state": State(row["state"]),
            "payload": None if payload is None else from_builtins(payload, FinanceDocument),
            "receipt": None if receipt is None else from_builtins(receipt, Receipt),
        }
    )
