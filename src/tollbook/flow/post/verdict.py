"""What an answer of the ERP, or its silence, means for a posting. Pure decisions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tollbook.errors import Blocked, Failure, Rejected, Unknown
from tollbook.flow.post.compare import compare, sentence
from tollbook.flow.post.machine import Signal, State, advance
from tollbook.flow.post.policy import DeliveryPolicy, Terms, ask_again, backoff
from tollbook.flow.post.posting import Posting
from tollbook.records.posting import PendingRemote, Receipt

Answer = Receipt | PendingRemote | Failure | None

IN_DOUBT: Final = "post.in_doubt"
DIFFERS: Final = "post.differs"
PENDING_TOO_LONG: Final = "post.pending_too_long"
# As connectors spell it: the ERP takes no more requests now, or lets us in no more at all.
THROTTLED: Final = "post.throttled"
UNAVAILABLE: Final = "post.target_unavailable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What happened, the posting as it is afterwards, and the exception it makes, if any.

    `cause` is what one correction would cure; empty = no work item.
    """

    signal: Signal
    posting: Posting
    cause: str = ""


def judge(posting: Posting, answer: Answer, *, terms: Terms, at: datetime) -> Verdict:
    """Return what the answer to a send or to a look-up means. None = certainly not there."""
    match answer:
        case Receipt():
            return _found(posting, answer, at=at)
        case PendingRemote():
            return _pending(posting, answer, terms=terms, at=at)
        case None:
            return absent(posting, terms=terms, at=at)
        case Failure() if posting.state is State.SENDING:
            return _refused(posting, answer, terms=terms, at=at)
        case Failure():
            return _not_told(posting, answer, terms=terms, at=at)


def expired(posting: Posting, *, terms: Terms, at: datetime) -> Verdict:
    """Return what the death of its worker means: doubt, if anything may have been sent."""
    assert posting.lease_until is not None, "only a leased posting expires"
    if posting.state is State.LEASED:
        return _after(posting, Signal.LEASE_EXPIRED, available_at=at)
    # A worker that only froze sends nothing after its lease, so the clock starts there.
    return _doubted(posting, Signal.LEASE_EXPIRED, since=posting.lease_until, terms=terms)


def undecidable(posting: Posting, *, at: datetime) -> Verdict:
    """Return the verdict when the ERP can neither refuse a twin nor be asked for our key."""
    held = replace(
        posting,
        code=IN_DOUBT,
        message=f"It is not known whether {posting.target} holds {posting.key}: look there. "
        "Confirm the posting with the ERP's number if it does, release it if it does not.",
    )
    return _after(held, Signal.UNDECIDABLE, available_at=at, cause=posting.posting_id)


def unmapped(posting: Posting, blocked: Blocked, *, at: datetime) -> Verdict:
    """Return the verdict when our own master data cannot put the document into ERP names."""
    return _stopped(posting, Signal.BLOCKED, blocked, at=at)


def absent(posting: Posting, *, terms: Terms, at: datetime) -> Verdict:
    """Return the verdict when the ERP, asked after the quiet time, does not hold the document."""
    if posting.state is State.PENDING_REMOTE:
        return _doubted(posting, Signal.ABSENT, since=at, terms=terms)
    return _after(posting, Signal.ABSENT, available_at=at)


def _found(posting: Posting, receipt: Receipt, *, at: datetime) -> Verdict:
    assert posting.payload is not None, "what was sent is known"
    differences = compare(posting.payload, receipt)
    told = replace(posting, receipt=receipt, receipt_at=at, code=None, message=None)
    if not differences:
        return _after(told, Signal.MATCHED, available_at=at)
    message = (
        f"{posting.target} holds {receipt.number or receipt.reference} for "
        f"{posting.payload.number}, but {sentence(differences)}. Correct it there, then replay: "
        "it is compared again, never sent again."
    )
    told = replace(told, code=DIFFERS, message=message)
    return _after(told, Signal.DIFFERED, available_at=at, cause=posting.posting_id)


def _pending(posting: Posting, pending: PendingRemote, *, terms: Terms, at: datetime) -> Verdict:
    waiting = replace(posting, code=None, message=f"accepted as {pending.reference}, not posted")
    age = (at - (posting.sent_at or at)).total_seconds()
    cause = ""
    if age > terms.policy.pending_alarm_seconds:
        cause = posting.posting_id
        waiting = replace(
            waiting,
            code=PENDING_TOO_LONG,
            message=f"{posting.target} took {pending.reference} and has still not posted it: "
            "post it there, or find out what stops it.",
        )
    next_look = at + ask_again(terms.policy, posting, at)
    return _after(waiting, Signal.ACCEPTED, available_at=next_look, cause=cause)


def _refused(posting: Posting, failure: Failure, *, terms: Terms, at: datetime) -> Verdict:
    told = replace(posting, code=failure.code, message=failure.message)
    match failure:
        case Unknown():
            return _doubted(told, Signal.UNKNOWN, since=at, terms=terms)
        case Rejected():
            return _stopped(posting, Signal.REJECTED, failure, at=at)
        case Blocked():
            retry = at + timedelta(seconds=terms.policy.blocked_retry_seconds)
            return _stopped(posting, Signal.BLOCKED, failure, at=retry)
        case _:
            # Being throttled says nothing about the document, so it is not counted.
            if failure.code == THROTTLED:
                told = replace(told, attempts=max(posting.attempts - 1, 0))
            wait = _wait(told, failure, terms.policy)
            return _after(told, Signal.TRANSIENT, available_at=at + wait)


def _not_told(posting: Posting, failure: Failure, *, terms: Terms, at: datetime) -> Verdict:
    # Whatever goes wrong with asking, it leaves the posting in the doubt it was in.
    told = replace(posting, code=failure.code, message=failure.message)
    asked = max(ask_again(terms.policy, posting, at), _retry_after(failure))
    return _after(told, Signal.TRANSIENT, available_at=at + asked)


def _stopped(posting: Posting, signal: Signal, failure: Failure, *, at: datetime) -> Verdict:
    told = replace(posting, code=failure.code, message=failure.message)
    cause = failure.ids.get("cause")
    return _after(
        told,
        signal,
        available_at=at,
        cause=f"{posting.target}|{cause}" if cause else posting.posting_id,
    )


def _doubted(posting: Posting, signal: Signal, *, since: datetime, terms: Terms) -> Verdict:
    frozen_until = since + max(terms.life, terms.quiet)
    doubted = replace(posting, frozen_until=frozen_until)
    return _after(doubted, signal, available_at=since + terms.quiet)


def _wait(posting: Posting, failure: Failure, policy: DeliveryPolicy) -> timedelta:
    # Sooner would be before delivery to the target goes on: only another thread could take it.
    shut = policy.circuit_seconds if failure.code == UNAVAILABLE else 0
    return max(backoff(policy, posting), _retry_after(failure), timedelta(seconds=shut))


def _retry_after(failure: Failure) -> timedelta:
    return timedelta(seconds=getattr(failure, "retry_after_seconds", None) or 0)


def _after(posting: Posting, signal: Signal, *, available_at: datetime, cause: str = "") -> Verdict:
    state = advance(posting.state, signal)
    return Verdict(signal, replace(posting, state=state, available_at=available_at), cause)
