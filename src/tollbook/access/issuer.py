"""The outside issuer of tokens: its key set, from a URL or a file, kept for a while."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tollbook.access.tokens import (
    DEFAULT_ALGORITHMS,
    OUTSIDE_ALGORITHMS,
    NotATokenError,
    verify,
)
from tollbook.config import Settings
from tollbook.errors import Rejected, Transient
from tollbook.storage.database import decode_json
from tollbook.values.clock import Clock

KEYS_SECONDS: Final = 600
# A token with an unknown key asks for the keys again, but not more often than this.
AGAIN_SECONDS: Final = 30
FETCH_SECONDS: Final = 5
KEY_SET_BYTES_MAX: Final = 1_000_000
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Issuer:
    """Verifies the tokens of one issuer; any number of threads may ask."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.name = settings.issuer
        self._audience = settings.issuer_audience
        self._place = settings.issuer_keys
        self._algorithms = settings.issuer_algorithms or DEFAULT_ALGORITHMS
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._asked = clock.monotonic()
        check_settings(settings)

    def claims(self, token: str) -> Mapping[str, Any]:
        """Return the verified claims of a token, asking the issuer for its keys when need be.

        Raises NotATokenError; Transient when the keys cannot be had.
        """
        try:
            return self._verify(token, self._current(KEYS_SECONDS))
        except NotATokenError:
            before = self._keys
            if self._current(AGAIN_SECONDS) is before:
                raise
            return self._verify(token, self._current(KEYS_SECONDS))

    def _verify(self, token: str, keys: KeySet) -> Mapping[str, Any]:
        return verify(
            token,
            keys,
            algorithms=self._algorithms,
            issuer=self.name,
            audience=self._audience,
            at=self._clock.now(),
        )

    def _current(self, seconds: int) -> KeySet:
        """Return the keys; while one thread asks for newer ones the others go on with these."""
        keys = self._keys
        is_young = self._clock.monotonic() - self._asked < seconds
        if keys is not None and (is_young or not self._lock.acquire(blocking=False)):
            return keys
        if keys is None:
            self._lock.acquire()
        try:
            return self._asked_for(seconds)
        finally:
            self._lock.release()

    def _asked_for(self, seconds: int) -> KeySet:
        now = self._clock.monotonic()
        if self._keys is None or now - self._asked >= seconds:
            self._asked = now
            try:
                self._keys = self._read()
            except (OSError, ValueError, httpx2.HTTPError, JoseError) as error:
                if self._keys is None:
                    raise Transient(
                        "api.issuer_keys_unavailable",
                        f"The keys of {self.name} cannot be had: try again in a minute.",
                        retry_after_seconds=AGAIN_SECONDS,
                    ) from error
        return self._keys

    def _read(self) -> KeySet:
        if self._place.startswith(("https://", "http://")):
            answer = httpx2.get(self._place, timeout=FETCH_SECONDS, follow_redirects=False)
            answer.raise_for_status()
            content = answer.content
        else:
            content = Path(self._place).read_bytes()
        if len(content) > KEY_SET_BYTES_MAX:
            raise ValueError("the key set is too large")
        return KeySet.import_key_set(decode_json(content))


def check_settings(settings: Settings) -> None:
    """Refuse an issuer that is only half described, or with an algorithm that is not safe here."""
    if not (settings.issuer and settings.issuer_audience and settings.issuer_keys):
        raise Rejected(
            "config.issuer_incomplete",
            "An issuer needs issuer, issuer_audience and issuer_keys: set all three or none.",
        )
    address = urlsplit(settings.issuer_keys)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise Rejected(
            "config.issuer_insecure",
            "issuer_keys is an http address of another machine: anybody between could change the "
            "keys, so use https or a file.",
        )
    strange = sorted(set(settings.issuer_algorithms) - set(OUTSIDE_ALGORITHMS))
    if strange:
        raise Rejected(
            "config.issuer_algorithm",
            f"issuer_algorithms has {', '.join(strange)}; there are "
            f"{', '.join(OUTSIDE_ALGORITHMS)}.",
        )


def configured_issuer(settings: Settings, clock: Clock) -> Issuer | None:
    """Return the issuer that the settings describe, if any."""
    if not (settings.issuer or settings.issuer_audience or settings.issuer_keys):
        return None
    return Issuer(settings, clock)
