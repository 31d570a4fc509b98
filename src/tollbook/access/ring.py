"""All keys in force in the memory of one process, so that a request asks no database."""

import hmac
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from joserfc.jwk import ECKey, KeySet

from tollbook.access import store
from tollbook.access.issuer import Issuer
from tollbook.access.keys import KEY_PREFIX, Caller, Key, digest_of
from tollbook.access.scopes import Scope
from tollbook.access.tokens import (
    OWN_ALGORITHMS,
    OWN_ISSUER,
    TOKEN_CHARACTERS_MAX,
    NotATokenError,
    expires_at,
    outside_caller,
    verify,
)
from tollbook.storage.database import Database
from tollbook.values.clock import Clock

# A key that was created or revoked is known to every process of the API after this time.
FRESH_SECONDS: Final = 2
# While the database does not answer, what was known last counts this long; then nothing does.
USABLE_SECONDS: Final = 30
# Verified tokens are remembered; an outside issuer's keys are asked again after this time.
REMEMBERED_MAX: Final = 10_000
REMEMBERED_SECONDS: Final = 300
SETTINGS_KEY: Final = "api_keys"


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database said at one moment."""

    by_digest: Mapping[bytes, Key]
    by_id: Mapping[str, Key]
    verifying: KeySet | None
    kids: tuple[str, ...]
    any_key_ever: bool


class KeyRing:
    """Tells who a secret or a token stands for; any number of threads may ask.

    `fixed` are the keys of the settings: they hold the scope admin.
    """

    def __init__(
        self, database: Database, clock: Clock, *, fixed: Sequence[str], issuer: Issuer | None
    ) -> None:
        self._database = database
        self._clock = clock
        self._issuer = issuer
        self._fixed = {
            digest_of(key): Caller(SETTINGS_KEY, "api", frozenset({str(Scope.ADMIN)}))
            for key in fixed
        }
        self._known: _Known | None = None
        self._read_at = clock.monotonic()
        self._reading = threading.Lock()
        self._tokens: OrderedDict[bytes, tuple[int, Mapping[str, Any]]] = OrderedDict()
        self._remembering = threading.Lock()

    def is_fresh(self) -> bool:
        """Tell whether what is known was read a moment ago."""
        return self._is_younger(FRESH_SECONDS)

    def is_usable(self) -> bool:
        """Tell whether what is known may still be relied on."""
        return self._is_younger(USABLE_SECONDS)

    def refresh(self, *, at_once: bool = False) -> None:
        """Read the keys again, unless another thread just did or is doing so.

        Raises psycopg.OperationalError when the database does not answer.
        """
        if not self._reading.acquire(blocking=not self.is_usable() or at_once):
            return
        try:
            if at_once or not self.is_fresh():
                self._read()
        finally:
            self._reading.release()

    @property
    def is_guarded(self) -> bool:
        """Whether a key is asked: some are in the settings, one was created, or there is an issuer."""
        known = self._known
        assert known is not None, "the ring is read before it is asked"
        return bool(self._fixed) or self._issuer is not None or known.any_key_ever

    def knows(self, kid: object) -> bool:
        """Tell whether tokens signed with a key can be verified here."""
        return self._known is not None and kid in self._known.kids

    def caller_of_key(self, secret: bytes) -> Caller | None:
        """Return who a key stands for; None when it opens nothing."""
        digest = digest_of(secret)
        if (fixed := self._fixed.get(digest)) is not None:
            return fixed
        key = self._in_force(digest)
        return None if key is None else _caller(key)

    def client(self, key_id: str, secret: str) -> Key | None:
        """Return the key with this id and this secret; None when they do not fit each other."""
        key = self._in_force(digest_of(secret))
        return key if key is not None and hmac.compare_digest(key.key_id, key_id) else None

    def remembered(self, token: bytes) -> Caller | None:
        """Return who a token stands for when it was verified a while ago: this costs nothing."""
        found = self._tokens.get(digest_of(token))
        if found is None or found[0] <= self._clock.now().timestamp():
            return None
        return self._caller_of_claims(found[1])

    def caller_of_token(self, token: bytes) -> Caller | None:
        """Verify a token and return who it stands for.

        Raises NotATokenError; Transient when the issuer's keys cannot be had. None when the token
        is right and its key has ended.
        """
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise NotATokenError("it is too long")
        claims = self._verified(token.decode("latin-1"))
        caller = self._caller_of_claims(claims)
        if caller is not None:
            now = int(self._clock.now().timestamp())
            until = min(expires_at(claims), now + REMEMBERED_SECONDS)
            with self._remembering:
                self._tokens[digest_of(token)] = (until, claims)
                while len(self._tokens) > REMEMBERED_MAX:
                    self._tokens.popitem(last=False)
        return caller

    def _verified(self, token: str) -> Mapping[str, Any]:
        known = self._known
        assert known is not None, "the ring is read before it is asked"
        refused = NotATokenError("no issuer is known")
        if known.verifying is not None:
            try:
                return verify(
                    token,
                    known.verifying,
                    algorithms=OWN_ALGORITHMS,
                    issuer=OWN_ISSUER,
                    audience=OWN_ISSUER,
                    at=self._clock.now(),
                )
            except NotATokenError as error:
                refused = error
        if self._issuer is None:
            raise refused
        return self._issuer.claims(token)

    def _caller_of_claims(self, claims: Mapping[str, Any]) -> Caller | None:
        if claims["iss"] != OWN_ISSUER:
            return outside_caller(claims)
        known = self._known
        assert known is not None, "the ring is read before it is asked"
        key = known.by_id.get(str(claims["sub"]))
        if key is None or not key.is_in_force(self._clock.now()):
            return None
        # What the key was allowed when the token was made, and still is.
        caller = _caller(key)
        wanted = frozenset(str(claims["scope"]).split())
        return replace(caller, scopes=frozenset(s for s in wanted if caller.may(Scope(s))))

    def _in_force(self, digest: bytes) -> Key | None:
        known = self._known
        assert known is not None, "the ring is read before it is asked"
        key = known.by_digest.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            return None
        return key if key.is_in_force(self._clock.now()) else None

    def _is_younger(self, seconds: int) -> bool:
        return self._known is not None and self._clock.monotonic() - self._read_at < seconds

    def _read(self) -> None:
        read_at, at = self._clock.monotonic(), self._clock.now()
        with self._database.transaction() as connection:
            keys = store.keys_not_ended(connection, at=at)
            signing = [jwk for jwk, _ in store.signing_keys(connection)]
            ever = bool(keys) or store.any_key_ever(connection)
        kids = tuple(str(jwk["kid"]) for jwk in signing)
        before = self._known
        if before is None or before.kids != kids:
            # A token that was signed with a key that is no more must be verified anew.
            with self._remembering:
                self._tokens.clear()
        self._known = _Known(
            {key.digest: key for key in keys},
            {key.key_id: key for key in keys},
            KeySet([ECKey.import_key(jwk) for jwk in signing]) if signing else None,
            kids,
            ever,
        )
        self._read_at = read_at


def is_token(credential: bytes) -> bool:
    """Tell whether a credential looks like a JWT and not like a key."""
    return credential.count(b".") == 2 and not credential.startswith(KEY_PREFIX.encode())


def _caller(key: Key) -> Caller:
    grant = key.grant
    return Caller(
        key.key_id,
        grant.name,
        frozenset(map(str, grant.scopes)),
        grant.sources,
        grant.events_per_second,
        grant.requests_per_second,
    )
