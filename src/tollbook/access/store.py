"""The SQL of keys and of what tokens are signed with."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from tollbook.access.keys import Grant, Key
from tollbook.access.scopes import Scope
from tollbook.storage.database import Connection

_COLUMNS = """key_id, digest, name, scopes, sources, events_per_second, requests_per_second,
              expires_at, created_at, created_by, revoked_at, revoked_by"""


def insert_key(connection: Connection, key: Key) -> None:
    """Store a new key."""
    grant = key.grant
    connection.execute(
        """insert into access_key (key_id, digest, name, scopes, sources, events_per_second,
                                   requests_per_second, expires_at, created_at, created_by)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            key.key_id,
            key.digest,
            grant.name,
            [str(scope) for scope in grant.scopes],
            list(grant.sources),
            grant.events_per_second,
            grant.requests_per_second,
            grant.expires_at,
            key.created_at,
            key.created_by,
        ],
    )


def end_key(
    connection: Connection,
    key_id: str,
    *,
    expires_at: datetime | None,
    revoked: tuple[datetime, str] | None,
) -> None:
    """Let a key end at an instant, or at once by a person."""
    at, by = revoked or (None, None)
    connection.execute(
        """update access_key
           set expires_at = coalesce(%s, expires_at), revoked_at = %s, revoked_by = %s
           where key_id = %s""",
        [expires_at, at, by, key_id],
    )


def all_keys(connection: Connection) -> list[Key]:
    """Return every key there ever was, oldest first."""
    rows = connection.execute(f"select {_COLUMNS} from access_key order by created_at, key_id")
    return [_key(row) for row in rows]


def keys_not_ended(connection: Connection, *, at: datetime) -> list[Key]:
    """Return the keys that are in force at an instant."""
    rows = connection.execute(
        f"""select {_COLUMNS} from access_key
            where revoked_at is null and (expires_at is null or expires_at > %s)
            order by created_at, key_id""",
        [at],
    )
    return [_key(row) for row in rows]


def any_key_ever(connection: Connection) -> bool:
    """Tell whether a key was ever created: from then on the API asks for one."""
    row = connection.execute("select exists (select from access_key)").fetchone()
    assert row is not None
    return bool(row[0])


def lock_key(connection: Connection, key_id: str) -> Key | None:
    """Return a key, locked until commit."""
    row = connection.execute(
        f"select {_COLUMNS} from access_key where key_id = %s for update", [key_id]
    ).fetchone()
    return None if row is None else _key(row)


def insert_signing_key(
    connection: Connection, kid: str, jwk: Mapping[str, Any], *, at: datetime
) -> None:
    """Store a key to sign tokens with."""
    connection.execute(
        "insert into access_signing_key (kid, private_jwk, created_at) values (%s, %s, %s)",
        [kid, Jsonb(dict(jwk)), at],
    )


def signing_keys(connection: Connection) -> list[tuple[dict[str, Any], datetime]]:
    """Return the keys that verify, newest first: the first one signs."""
    return connection.execute(
        """select private_jwk, created_at from access_signing_key where retired_at is null
           order by created_at desc, kid"""
    ).fetchall()


def retire_signing_keys(connection: Connection, *, before: datetime, at: datetime) -> None:
    """Let keys created before an instant verify nothing any more."""
    connection.execute(
        """update access_signing_key set retired_at = %s, private_jwk = '{}'
           where retired_at is null and created_at < %s""",
        [at, before],
    )


def _key(row: tuple[Any, ...]) -> Key:
    key_id, digest, name, scopes, sources, events, requests, expires_at, *rest = row
    grant = Grant(
        name, tuple(Scope(one) for one in scopes), tuple(sources), events, requests, expires_at
    )
    return Key(key_id, bytes(digest), grant, *rest)
