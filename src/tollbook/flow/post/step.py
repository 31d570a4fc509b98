"""Post: put issued documents in the queue, and let waiting ones go again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tollbook.controls import audit
from tollbook.controls.lineage import link
from tollbook.errors import Blocked
from tollbook.flow.invoice.store import load_invoices
from tollbook.flow.post import store
from tollbook.flow.post.journal import JournalSummary, journal_document
from tollbook.flow.post.machine import Signal, State, advance, knows
from tollbook.flow.post.mapping import Address, invoice_document
from tollbook.flow.post.posting import Candidate, Posting, new_posting, posting_id_of
from tollbook.flow.post.verdict import IN_DOUBT
from tollbook.masterdata.catalog import Catalog
from tollbook.records.posting import FinanceDocument
from tollbook.storage.database import Connection
from tollbook.values.codec import content_hash
from tollbook.values.ids import PostingId, derive
from tollbook.values.period import Month
from tollbook.worklist.store import clear_object

HELD_BY_PERSON: Final = "post.held_by_person"
# How long a correction of master data may stay unnoticed by what it cures.
RECHECK_AFTER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What entered the queue: how many invoices, credit memos and journals."""

    documents: int
    journals: int
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """Which postings may go again, and which were asked for but cannot."""

    released: tuple[PostingId, ...]
    set_aside: tuple[str, ...] = ()


def enqueue(
    connection: Connection, *, catalog: Catalog, month: Month | None, at: datetime
) -> Enqueued:
    """Queue issued invoices, credit memos and recognized revenue for their entity's ERP.

    Takes one service month, or all when `month` is None. Running it again queues nothing twice.
    """
    documents = [
        candidate
        for candidate in store.unposted_documents(connection, month)
        if _queue(connection, candidate, catalog=catalog, at=at)
    ]
    journals = [
        candidate
        for candidate in _summarize(connection, month, at=at)
        if _queue(connection, candidate, catalog=catalog, at=at)
    ]
    return Enqueued(len(documents), len(journals))


def replay(
    connection: Connection, *, posting_ids: Iterable[str], by: str, reason: str, at: datetime
) -> Released:
    """Let refused postings go again, under the same key, with today's master data.

    A posting that differs is looked up again. One that is posted, under way, or in a doubt only a
    person can end (`release` it) is set aside.
    """
    wanted = sorted(set(posting_ids))
    can_go = [
        posting
        for posting in store.lock(connection, wanted)
        if knows(posting.state, Signal.RELEASED) and posting.code != IN_DOUBT
    ]
    for posting in can_go:
        _let_go(connection, posting, at=at)
        _audit(connection, posting, "posting.replay", by=by, reason=reason, at=at)
    return _told(can_go, wanted)


def hold(
    connection: Connection, *, posting_ids: Iterable[str], by: str, reason: str, at: datetime
) -> Released:
    """Keep postings that are ready from being sent; returns which ones are now held."""
    wanted = sorted(set(posting_ids))
    can_wait = [
        posting
        for posting in store.lock(connection, wanted)
        if knows(posting.state, Signal.HELD_BACK)
    ]
    for posting in can_wait:
        held = replace(
            posting,
            state=advance(posting.state, Signal.HELD_BACK),
            code=HELD_BY_PERSON,
            message=f"{by}: {reason}",
        )
        store.put(connection, held)
        store.note(connection, held, Signal.HELD_BACK, at=at)
        _audit(connection, posting, "posting.hold", by=by, reason=reason, at=at)
    return _told(can_wait, wanted)


def release(
    connection: Connection, *, posting_ids: Iterable[str], by: str, reason: str, at: datetime
) -> Released:
    """Let held postings go again, also those in doubt.

    Releasing one in doubt states that a person looked into the ERP and it is not there.
    """
    wanted = sorted(set(posting_ids))
    held = [each for each in store.lock(connection, wanted) if each.state is State.HELD]
    for posting in held:
        _let_go(connection, posting, at=at)
        _audit(connection, posting, "posting.release", by=by, reason=reason, at=at)
        # The person's word ends the doubt; whatever else holds it is found out on sending.
        clear_object(connection, posting.posting_id, by=by, resolution=reason, at=at)
    return _told(held, wanted)


def confirm(
    connection: Connection, *, posting_id: str, reference: str, by: str, reason: str, at: datetime
) -> Released:
    """Record that a person found a document in doubt in the ERP, under the ERP's own number.

    Nothing is read back: reconciliation will show whether it is what was sent.
    """
    found = [each for each in store.lock(connection, [posting_id]) if each.code == IN_DOUBT]
    for posting in found:
        posted = replace(
            posting,
            state=advance(posting.state, Signal.CONFIRMED),
            code=None,
            message=f"{by} found it as {reference}",
        )
        store.put(connection, posted)
        store.note(connection, posted, Signal.CONFIRMED, at=at)
        _audit(connection, posting, "posting.confirm", by=by, reason=reason, at=at)
        clear_object(connection, posting_id, by=by, resolution=reason, at=at)
    return _told(found, [posting_id])


def release_fixed(
    connection: Connection,
    *,
    catalog: Catalog,
    targets: Sequence[str],
    at: datetime,
    only_due: bool = False,
) -> Released:
    """Let postings go again whose cause is gone: corrected master data, or time to try a period.

    A posting the ERP refused goes again only if today's master data makes another document of it.
    With `only_due` those that were looked at within the last minute are left alone, so that a long
    worklist costs little. What still waits is set aside.
    """
    waiting = store.lock_waiting(connection, targets=targets, due_by=at if only_due else None)
    fixed = [posting for posting in waiting if _is_fixed(connection, posting, catalog=catalog)]
    for posting in fixed:
        _let_go(connection, posting, at=at)
    told = _told(fixed, [posting.posting_id for posting in waiting])
    store.look_again(connection, told.set_aside, at=at + RECHECK_AFTER)
    return told


def build(connection: Connection, posting: Posting, *, catalog: Catalog) -> FinanceDocument:
    """Make the document a posting sends; raises Blocked when master data is missing.

    Master data is what was in force on the accounting date, as it is known now.
    """
    if posting.document_kind == "journal":
        return _journal(connection, posting, catalog=catalog)
    invoice = load_invoices(connection, [posting.document_id])[0]
    assert invoice.booked_on is not None, "only an issued invoice is posted"
    corrects = invoice.corrects if invoice.kind == "credit_memo" else None
    return invoice_document(
        invoice,
        address=Address(
            posting.target,
            posting.key,
            posting.key16,
            corrects_key=posting_id_of(posting.target, corrects) if corrects else "",
        ),
        customer=catalog.customer(invoice.customer_id, invoice.booked_on),
        gl_map=catalog.gl_map(invoice.entity_id, invoice.booked_on),
    )


def _journal(connection: Connection, posting: Posting, *, catalog: Catalog) -> FinanceDocument:
    summary = store.journal_summary(connection, posting.document_id)
    assert summary is not None, "a journal posting has its journal document"
    return journal_document(
        summary,
        address=Address(posting.target, posting.key, posting.key16),
        gl_map=catalog.gl_map(summary.entity_id, summary.booked_on),
    )


def _queue(connection: Connection, candidate: Candidate, *, catalog: Catalog, at: datetime) -> bool:
    entity = catalog.entity(candidate.entity_id, candidate.booked_on)
    assert entity is not None, f"{candidate.document_id} was issued by an unknown legal entity"
    posting = new_posting(candidate, target=entity.target, at=at)
    if not store.insert(connection, posting):
        return False
    link(connection, "post", [(posting.posting_id, candidate.document_id)])
    return True


def _summarize(connection: Connection, month: Month | None, *, at: datetime) -> list[Candidate]:
    made = []
    for entity_id, currency, booked_on, entry_ids in store.unposted_recognition(connection, month):
        summary = JournalSummary(
            document_id=derive("jdc", entity_id, currency, booked_on.isoformat(), *entry_ids),
            entity_id=entity_id,
            currency=currency,
            booked_on=booked_on,
            movements=store.movements(connection, entry_ids, currency),
        )
        store.insert_journal(connection, summary, entry_ids, at=at)
        link(connection, "post", [(summary.document_id, entry_id) for entry_id in entry_ids])
        # Entries that cancel each other out are summarized, but there is nothing to post.
        if any(money.minor for money in summary.movements.values()):
            month_booked = str(Month.of(booked_on))
            made.append(
                Candidate(summary.document_id, "journal", entity_id, month_booked, booked_on)
            )
    return made


def _is_fixed(connection: Connection, posting: Posting, *, catalog: Catalog) -> bool:
    if posting.code in {HELD_BY_PERSON, IN_DOUBT}:
        return False
    # The ERP itself was not ready (a closed period), and only trying tells whether it is now.
    if posting.state is State.HELD and posting.payload is not None:
        return True
    try:
        document = build(connection, posting, catalog=catalog)
    except Blocked:
        return False
    return content_hash(document) != posting.payload_sha256


def _let_go(connection: Connection, posting: Posting, *, at: datetime) -> None:
    """Free a posting. Its payload is made anew, once no earlier send can take effect any more."""
    free = replace(
        posting, state=advance(posting.state, Signal.RELEASED), available_at=at, attempts=0
    )
    # What somebody looks up again, or swore is not there, keeps the payload it was sent with.
    if posting.state is not State.DIFFERENTLY and posting.code != IN_DOUBT:
        free = replace(
            free,
            payload=None,
            payload_sha256=None,
            sent_at=None,
            frozen_until=None,
            available_at=max(at, posting.frozen_until or at),
        )
    store.put(connection, free)
    store.note(connection, free, Signal.RELEASED, at=at)


def _audit(
    connection: Connection, posting: Posting, action: str, *, by: str, reason: str, at: datetime
) -> None:
    audit.record(
        connection,
        at=at,
        actor=by,
        action=action,
        object_id=posting.posting_id,
        reason=reason,
        before=posting.state,
    )


def _told(done: Sequence[Posting], wanted: Sequence[str]) -> Released:
    ids = tuple(posting.posting_id for posting in done)
    return Released(ids, tuple(sorted(set(wanted) - set(ids))))
