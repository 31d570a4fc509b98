"""Ways to prove who calls: OAuth 1.0a with a token pair, OAuth 2.0 with a certificate."""

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tollbook.sdk.http import HttpClient, Reply, Request
from tollbook.sdk.outcomes import not_executed, throttled, unavailable
from tollbook.values.clock import Clock

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 300
# A token is renewed this long before it ends, so that it does not end on the way.
RENEW_EARLY_SECONDS: Final = 60
NONCE_BYTES: Final = 16


class Authorizer(Protocol):
    """Makes the Authorization header of each request."""

    def header(self, method: str, url: str) -> str:
        """Return the header's value for one request; may raise Transient."""
        ...

    def renew(self) -> bool:
        """Forget what was refused; False when a second try would be refused as well."""
        ...


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The secrets of OAuth 1.0a: a consumer and a token. `realm` is the account."""

    realm: str
    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


class SignedRequests:
    """OAuth 1.0a with HMAC-SHA256: every request carries its own signature (RFC 5849)."""

    def __init__(self, pair: TokenPair, clock: Clock) -> None:
        self._pair = pair
        self._clock = clock

    def header(self, method: str, url: str) -> str:
        """Sign one request, with a nonce of its own."""
        timestamp = int(self._clock.now().timestamp())
        nonce = secrets.token_hex(NONCE_BYTES)
        return signature_header(self._pair, method, url, timestamp=timestamp, nonce=nonce)

    def renew(self) -> bool:
        """A signature that was refused is refused again."""
        return False


def signature_header(pair: TokenPair, method: str, url: str, *, timestamp: int, nonce: str) -> str:
    """Return the OAuth 1.0a header of a request without a form body."""
    claims = {
        "oauth_consumer_key": pair.consumer_key,
        "oauth_token": pair.token,
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(timestamp),
        "oauth_nonce": nonce,
        "oauth_version": "1.0",
    }
    address = urlsplit(url)
    query = parse_qsl(address.query, keep_blank_values=True)
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in [*claims.items(), *query])
    place = f"{address.scheme.lower()}://{address.netloc.lower()}{address.path}"
    base = "&".join(
        (
            method.upper(),
            _encoded(place),
            _encoded("&".join(f"{name}={value}" for name, value in pairs)),
        )
    )
    key = f"{_encoded(pair.consumer_secret)}&{_encoded(pair.token_secret)}"
    digest = hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()
    claims["oauth_signature"] = base64.b64encode(digest).decode()
    shown = [f'{name}="{_encoded(value)}"' for name, value in claims.items()]
    return "OAuth " + ", ".join([f'realm="{pair.realm}"', *shown])


def _encoded(text: str) -> str:
    return quote(text, safe="~")


@dataclass(frozen=True, slots=True)
class CertificateClient:
    """A client of the OAuth 2.0 client-credentials flow that signs with its private key (PEM)."""

    client_id: str
    certificate_id: str
    private_key: str
    token_url: str
    scope: str


class CertificateTokens:
    """Bearer tokens got with a signed assertion (RFC 7523), kept until shortly before they end."""

    def __init__(self, client: CertificateClient, http: HttpClient, clock: Clock) -> None:
        self._client = client
        self._http = http
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0

    def header(self, method: str, url: str) -> str:
        """Return the current bearer token, getting one first when there is none."""
        del method, url  # a bearer token is the same for every request
        with self._lock:
            now = int(self._clock.now().timestamp())
            if not self._token or now >= self._ends_at - RENEW_EARLY_SECONDS:
                self._get(now)
            return f"Bearer {self._token}"

    def renew(self) -> bool:
        """Forget the token; the next request gets another."""
        with self._lock:
            self._token = ""
        return True

    def _get(self, now: int) -> None:
        form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion(self._client, now=now),
            }
        )
        # Getting a token changes no books: an answer that is lost is simply asked for again.
        reply = self._http.call(
            Request(
                "POST",
                self._client.token_url,
                effect="read",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=form.encode(),
            )
        )
        found = _granted(reply)
        self._token, self._ends_at = str(found["access_token"]), now + int(found["expires_in"])


def assertion(client: CertificateClient, *, now: int) -> str:
    """Return the signed statement that we are this client; `now` in seconds since 1970."""
    pem = client.private_key
    key: RSAKey | ECKey
    try:
        key, algorithm = ECKey.import_key(pem), "ES256"
    except ValueError:
        key, algorithm = RSAKey.import_key(pem), "PS256"
    header = {"typ": "JWT", "alg": algorithm, "kid": client.certificate_id}
    claims = {
        "iss": client.client_id,
        "scope": [client.scope],
        "aud": client.token_url,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
    }
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def _granted(reply: Reply) -> dict[str, Any]:
    if reply.status == 429:
        raise throttled(reply.words, retry_after_seconds=reply.retry_after_seconds)
    if reply.status >= 500:
        raise not_executed(f"no token: HTTP {reply.status} {reply.words}")
    found = reply.json() if reply.status == 200 else None
    if not isinstance(found, dict) or not {"access_token", "expires_in"} <= found.keys():
        raise unavailable(f"The ERP grants no token: HTTP {reply.status} {reply.words}")
    return found
