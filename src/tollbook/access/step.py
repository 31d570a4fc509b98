"""Creates, rotates and ends keys; each act is in the audit trail, in the same transaction."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from joserfc.jwk import ECKey

from tollbook.access import store
from tollbook.access.keys import Grant, Key, check_grant, digest_of, key_id_of
from tollbook.access.tokens import CURVE, TOKEN_SECONDS
from tollbook.controls.audit import record as record_audit
from tollbook.errors import Rejected
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock

SIGNING_KEY_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key, with the secret that nobody can show again."""

    key: Key
    secret: str


def create_key(
    connection: Connection, grant: Grant, *, secret: str, by: str, reason: str, at: datetime
) -> Issued:
    """Create a key; Rejected when a key of that name is in force already."""
    check_grant(grant, at=at)
    hold_lock(connection, Lock.MANAGE_KEYS)
    if any(one.grant.name == grant.name for one in store.keys_not_ended(connection, at=at)):
        raise Rejected(
            "api.key_name_taken",
            f"A key named {grant.name!r} is in force: rotate it, revoke it, or choose another name.",
        )
    issued = _insert(connection, grant, secret=secret, by=by, at=at)
    record_audit(
        connection,
        at=at,
        actor=by,
        action="access.key_created",
        object_id=issued.key.key_id,
        reason=reason,
        after=_shown(grant),
    )
    return issued


def rotate_key(
    connection: Connection,
    key_id: str,
    *,
    secret: str,
    grace: timedelta,
    by: str,
    reason: str,
    at: datetime,
) -> Issued:
    """Create a key with the same grant; the old one ends after the grace period."""
    hold_lock(connection, Lock.MANAGE_KEYS)
    old = _in_force(connection, key_id, at)
    ends = at + grace
    if old.grant.expires_at is not None:
        ends = min(ends, old.grant.expires_at)
    issued = _insert(connection, old.grant, secret=secret, by=by, at=at)
    store.end_key(connection, key_id, expires_at=ends, revoked=None)
    record_audit(
        connection,
        at=at,
        actor=by,
        action="access.key_rotated",
        object_id=key_id,
        reason=reason,
        before=_shown(old.grant),
        after=f"{issued.key.key_id}; the old one ends {ends:%Y-%m-%dT%H:%M:%SZ}",
    )
    return issued


def revoke_key(connection: Connection, key_id: str, *, by: str, reason: str, at: datetime) -> Key:
    """End a key, and every token that was issued to it, at once."""
    hold_lock(connection, Lock.MANAGE_KEYS)
    key = _in_force(connection, key_id, at)
    store.end_key(connection, key_id, expires_at=None, revoked=(at, by))
    record_audit(
        connection,
        at=at,
        actor=by,
        action="access.key_revoked",
        object_id=key_id,
        reason=reason,
        before=_shown(key.grant),
    )
    return replace(key, revoked_at=at, revoked_by=by)


def ensure_signing_key(connection: Connection, *, at: datetime) -> None:
    """Make the first key that signs tokens, and a new one when it is old.

    The one before verifies until the last token that it signed has expired.
    """
    found = store.signing_keys(connection)
    if found and found[0][1] > at - timedelta(days=SIGNING_KEY_DAYS):
        return
    hold_lock(connection, Lock.MANAGE_KEYS)
    found = store.signing_keys(connection)
    if not found or found[0][1] <= at - timedelta(days=SIGNING_KEY_DAYS):
        _make_signing_key(connection, at)
    if len(found) > 1:
        # The newest of these signed until now, so its tokens are still about; the older ones are not.
        store.retire_signing_keys(connection, before=found[0][1], at=at)


def replace_signing_key(connection: Connection, *, by: str, reason: str, at: datetime) -> None:
    """Sign with a new key from now on; every token issued before is void at once."""
    hold_lock(connection, Lock.MANAGE_KEYS)
    store.retire_signing_keys(connection, before=at + timedelta(seconds=TOKEN_SECONDS), at=at)
    kid = _make_signing_key(connection, at)
    record_audit(
        connection,
        at=at,
        actor=by,
        action="access.signing_key_replaced",
        object_id=kid,
        reason=reason,
    )


def _make_signing_key(connection: Connection, at: datetime) -> str:
    key = ECKey.generate_key(CURVE, {"use": "sig", "alg": "ES256"}, auto_kid=True)
    kid = key.kid
    assert kid is not None
    store.insert_signing_key(connection, kid, key.as_dict(private=True), at=at)
    return kid


def _insert(connection: Connection, grant: Grant, *, secret: str, by: str, at: datetime) -> Issued:
    digest = digest_of(secret)
    key = Key(key_id_of(digest), digest, grant, at, by)
    store.insert_key(connection, key)
    return Issued(key, secret)


def _in_force(connection: Connection, key_id: str, at: datetime) -> Key:
    key = store.lock_key(connection, key_id)
    if key is None:
        raise Rejected("api.unknown_key", f"There is no key {key_id}.")
    if not key.is_in_force(at):
        raise Rejected("api.key_ended", f"The key {key_id} has ended already.")
    return key


def _shown(grant: Grant) -> str:
    sources = ", ".join(grant.sources) or "any source"
    ends = grant.expires_at.isoformat() if grant.expires_at else "never"
    return f"{grant.name}: {' '.join(grant.scopes)}; {sources}; ends {ends}"
