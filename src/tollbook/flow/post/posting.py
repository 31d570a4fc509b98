"""A document on its way into an ERP, as this stage keeps it, and its history."""

from dataclasses import dataclass
from datetime import date, datetime

from tollbook.flow.post.machine import Signal, State
from tollbook.records.posting import DocumentKind, FinanceDocument, Receipt
from tollbook.values.ids import PostingId, derive, short_key


@dataclass(frozen=True, slots=True)
class Posting:
    """One document for one target. `key` is what the ERP keeps; it is the posting's own id.

    `payload` is frozen from the first send until a person replays after a certain refusal.
    `frozen_until` is the instant by which no earlier send can take effect any more.
    """

    posting_id: PostingId
    document_id: str
    document_kind: DocumentKind
    entity_id: str
    target: str
    key: str
    key16: str
    service_month: str
    state: State
    attempts: int
    available_at: datetime
    created_at: datetime
    after_document: str | None = None
    payload: FinanceDocument | None = None
    payload_sha256: str | None = None
    lease_token: int | None = None
    lease_until: datetime | None = None
    sent_at: datetime | None = None
    frozen_until: datetime | None = None
    code: str | None = None
    message: str | None = None
    receipt: Receipt | None = None
    receipt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of a posting's history: an intention, an answer, or an act of a person."""

    number: int
    at: datetime
    signal: Signal
    state: State
    code: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document that has to be posted and has no posting yet."""

    document_id: str
    kind: DocumentKind
    entity_id: str
    service_month: str
    booked_on: date
    after_document: str | None = None


def posting_id_of(target: str, document_id: str) -> PostingId:
    """Return the id of the posting of a document to a target; it is the key the ERP keeps."""
    return PostingId(derive("pst", target, document_id))


def new_posting(candidate: Candidate, *, target: str, at: datetime) -> Posting:
    """Build the posting of a document, ready to be sent."""
    posting_id = posting_id_of(target, candidate.document_id)
    return Posting(
        posting_id=posting_id,
        document_id=candidate.document_id,
        document_kind=candidate.kind,
        entity_id=candidate.entity_id,
        target=target,
        key=posting_id,
        key16=short_key(posting_id),
        service_month=candidate.service_month,
        state=State.READY,
        attempts=0,
        available_at=at,
        created_at=at,
        after_document=candidate.after_document,
    )
