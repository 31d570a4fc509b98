"""The posting engine: intention before the call, outcome after it, and doubt in between.

Each write is one transaction. A crash between any two of them leaves a posting that is either
surely unsent or in doubt; what is in doubt is looked up by its key and never sent blindly.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tollbook.errors import Blocked, Failure
from tollbook.flow.post import store
from tollbook.flow.post.machine import Signal, State, advance
from tollbook.flow.post.policy import Claim, DeliveryPolicy, Terms, terms_of
from tollbook.flow.post.posting import Posting
from tollbook.flow.post.step import build
from tollbook.flow.post.verdict import Answer, Verdict, expired, judge, undecidable, unmapped
from tollbook.masterdata.catalog import Catalog
from tollbook.sdk.target import Target
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.values.codec import content_hash
from tollbook.worklist.codes import CODES
from tollbook.worklist.store import clear_object, open_item

ACTOR: Final = "posting engine"
# What a refusal is filed under when a connector gives a code that is not in the register.
UNREGISTERED: Final = "post.rejected.validation"


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far one posting came: its state now, and the code of what kept it, if anything."""

    posting_id: str
    state: State
    code: str | None = None
    retry_after_seconds: int | None = None


def recover(
    connection: Connection, target: Target, *, name: str, policy: DeliveryPolicy, at: datetime
) -> int:
    """Take postings back from workers that are gone; returns how many."""
    terms = _terms(target, policy)
    found = store.lock_expired(connection, target=name, at=at)
    for posting in found:
        verdict = expired(posting, terms=terms, at=at)
        store.put(connection, verdict.posting)
        store.note(connection, verdict.posting, verdict.signal, at=at)
    return len(found)


def claim(database: Database, *, name: str, policy: DeliveryPolicy, clock: Clock) -> Claim | None:
    """Take the posting of a target that is due longest, under a lease; None when none is due."""
    at, deadline = clock.now(), clock.monotonic() + policy.lease_seconds
    with database.transaction() as connection:
        posting = store.lock_next(connection, target=name, at=at)
        if posting is None:
            return None
        state = advance(posting.state, Signal.CLAIMED)
        until = at + timedelta(seconds=policy.lease_seconds)
        token = store.lease(connection, posting.posting_id, state=state, at=at, until=until)
        leased = replace(posting, state=state, lease_token=token, lease_until=until)
    return Claim(leased, deadline)


def deliver_one(
    database: Database,
    target: Target,
    claimed: Claim,
    *,
    clock: Clock,
    catalog: Catalog,
    policy: DeliveryPolicy,
) -> Delivery:
    """Carry one claimed posting as far as it goes now.

    A worker that lost its lease meanwhile writes nothing: whoever has it now will find out.
    """
    terms = _terms(target, policy)
    posting = claimed.posting
    if posting.state is State.LEASED:
        posting, delivery = _intend(database, posting, catalog=catalog, at=clock.now())
        if delivery is not None:
            return delivery
        # A worker that froze after its intention must not send when it wakes up.
        if clock.monotonic() >= claimed.deadline:
            return Delivery(posting.posting_id, posting.state)
        answer = _send(target, posting)
    elif posting.state is State.DOUBTFUL and target.capabilities.key_guard == "neither":
        return _record(database, posting, undecidable(posting, at=clock.now()), at=clock.now())
    else:
        answer = _look_up(target, posting) if policy.look_up else None
    at = clock.now()
    delivery = _record(database, posting, judge(posting, answer, terms=terms, at=at), at=at)
    return replace(delivery, retry_after_seconds=getattr(answer, "retry_after_seconds", None))


def _terms(target: Target, policy: DeliveryPolicy) -> Terms:
    able = target.capabilities
    return terms_of(
        policy,
        has_unique_key=able.key_guard == "unique_key",
        life_seconds=able.request_life_seconds,
    )


def _intend(
    database: Database, posting: Posting, *, catalog: Catalog, at: datetime
) -> tuple[Posting, Delivery | None]:
    """Freeze the payload and commit the intention to send it, or put the posting aside."""
    with database.transaction() as connection:
        try:
            document = posting.payload or build(connection, posting, catalog=catalog)
        except Blocked as blocked:
            return posting, _write(connection, posting, unmapped(posting, blocked, at=at), at=at)
        sha256 = content_hash(document)
        assert posting.payload_sha256 in {None, sha256}, "a payload stays as it was frozen"
        if not store.begin_send(connection, posting, document, at=at):
            return posting, Delivery(posting.posting_id, posting.state)
        sending = replace(
            posting,
            state=advance(posting.state, Signal.INTENDED),
            payload=document,
            payload_sha256=sha256,
            sent_at=at,
            attempts=posting.attempts + 1,
            code=None,
            message=None,
        )
        store.note(connection, sending, Signal.INTENDED, at=at)
    return sending, None


def _send(target: Target, posting: Posting) -> Answer:
    assert posting.payload is not None, "the intention carries the payload"
    try:
        return target.send(posting.payload)
    except Failure as failure:
        return failure


def _look_up(target: Target, posting: Posting) -> Answer:
    assert posting.payload is not None, "what is in doubt was sent"
    try:
        return target.look_up(posting.payload)
    except Failure as failure:
        return failure


def _record(database: Database, posting: Posting, verdict: Verdict, *, at: datetime) -> Delivery:
    with database.transaction() as connection:
        return _write(connection, posting, verdict, at=at)


def _write(connection: Connection, posting: Posting, verdict: Verdict, *, at: datetime) -> Delivery:
    after = verdict.posting
    if not store.settle(connection, posting, after, at=at):
        return Delivery(posting.posting_id, posting.state)
    store.note(connection, after, verdict.signal, at=at)
    if verdict.cause:
        _open_exception(connection, verdict, at=at)
    elif after.state is State.POSTED:
        clear_object(connection, after.posting_id, by=ACTOR, resolution="posted", at=at)
    return Delivery(after.posting_id, after.state, after.code)


def _open_exception(connection: Connection, verdict: Verdict, *, at: datetime) -> None:
    """File the posting under its cause, and only there."""
    posting = verdict.posting
    assert posting.code is not None, "an exception has a code"
    assert posting.message is not None, "an exception has a sentence"
    clear_object(
        connection, posting.posting_id, by=ACTOR, resolution="refused for another cause", at=at
    )
    open_item(
        connection,
        code=posting.code if posting.code in CODES else UNREGISTERED,
        cause=verdict.cause,
        message=posting.message,
        objects=[posting.posting_id],
        at=at,
    )
