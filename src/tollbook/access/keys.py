"""A key, the caller it stands for, and how its secret is made and digested."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tollbook.access.scopes import Scope
from tollbook.errors import Rejected
from tollbook.values.ids import derive

KEY_PREFIX: Final = "tbk_"
SECRET_BYTES: Final = 32
NAME_CHARACTERS_MAX: Final = 100
SOURCE_CHARACTERS_MAX: Final = 1024
SOURCES_MAX: Final = 100
RATE_MAX: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key allows. No `sources` means events of any; a rate of 0 means that of the settings.

    `sources` are what the source of every event sent must start with. `expires_at` is in UTC.
    """

    name: str
    scopes: tuple[Scope, ...]
    sources: tuple[str, ...] = ()
    events_per_second: int = 0
    requests_per_second: int = 0
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A stored key; of its secret only the digest is known."""

    key_id: str
    digest: bytes
    grant: Grant
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Tell whether the key opens anything at an instant."""
        ends = self.grant.expires_at
        return self.revoked_at is None and (ends is None or at < ends)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the name that the audit trail records, and what it may do."""

    caller_id: str
    name: str
    scopes: frozenset[str]
    sources: tuple[str, ...] = ()
    events_per_second: int = 0
    requests_per_second: int = 0

    def may(self, scope: Scope) -> bool:
        """Tell whether the caller holds a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Refuse when the caller does not hold a scope."""
        if not self.may(scope):
            raise Rejected(
                "api.scope_missing",
                f"This needs the scope {scope}, which {self.name!r} does not hold.",
                scope=str(scope),
            )


def new_secret() -> str:
    """Return a random secret that nobody can guess; it is shown once and stored nowhere."""
    return (
        KEY_PREFIX
        + base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode().rstrip("=").lower()
    )


def digest_of(secret: str | bytes) -> bytes:
    """Return what is stored of a secret, and looked up when it comes."""
    return hashlib.sha256(secret.encode() if isinstance(secret, str) else secret).digest()


def key_id_of(digest: bytes) -> str:
    """Return the id of the key with this digest."""
    return derive("key", digest.hex())


def check_grant(grant: Grant, *, at: datetime) -> None:
    """Refuse a grant that nobody can have meant."""
    if not grant.scopes:
        raise Rejected("api.key_without_scope", "A key needs a scope: say what it may do.")
    texts = [
        (grant.name, NAME_CHARACTERS_MAX),
        *((s, SOURCE_CHARACTERS_MAX) for s in grant.sources),
    ]
    for text, longest in texts:
        if not 0 < len(text) <= longest or not text.isprintable() or text != text.strip():
            raise Rejected(
                "api.key_text_invalid",
                f"A name has up to {NAME_CHARACTERS_MAX} and a source up to "
                f"{SOURCE_CHARACTERS_MAX} readable characters; {text[:40]!r} is no such text.",
            )
    if len(grant.sources) > SOURCES_MAX:
        raise Rejected("api.key_too_many_sources", f"A key has at most {SOURCES_MAX} sources.")
    if not all(0 <= r <= RATE_MAX for r in (grant.events_per_second, grant.requests_per_second)):
        raise Rejected("api.key_rate_invalid", f"A rate is from 0 to {RATE_MAX} a second.")
    if grant.expires_at is not None and grant.expires_at <= at:
        raise Rejected("api.key_expired_already", "The key would end before it begins.")
