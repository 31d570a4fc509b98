"""Who may call: OAuth 1.0a signatures (TBA) and OAuth 2.0 with a certificate, both verified."""

import base64
import hashlib
import hmac
import secrets
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from tollbook.simulators.netsuite.wire import (
    PLAIN_JSON,
    TOKEN_PATH,
    JsonObject,
    Refusal,
    Reply,
    Request,
    dump,
    epoch_seconds,
)

CLOCK_SKEW_SECONDS: Final = 300
ASSERTION_SECONDS_MAX: Final = 3600
ALGORITHMS: Final = ("PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE: Final = "rest_webservices"
_DETAIL: Final = (
    "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI."
)


@dataclass(frozen=True)
class TbaCredential:
    """One consumer and token pair of token-based authentication."""

    consumer_key: str
    consumer_secret: str
    token: str
    token_secret: str


@dataclass(frozen=True)
class Certificate:
    """One public key registered for a client of the client-credentials flow."""

    client_id: str
    certificate_id: str
    key: RSAKey | ECKey


@dataclass(frozen=True)
class Credentials:
    """All that is registered in the simulated account."""

    account: str
    tba: tuple[TbaCredential, ...]
    oauth2: tuple[Certificate, ...]


class NotAuthorized(Exception):
    """A failed login; the text goes to the audit trail, never into the answer."""


def credentials_from(config: JsonObject) -> Credentials:
    """Read the credentials file; a missing or unknown field is a ValueError."""
    try:
        return Credentials(
            account=str(config["account"]),
            tba=tuple(TbaCredential(**each) for each in config.get("tba", [])),
            oauth2=tuple(_certificate(each) for each in config.get("oauth2", [])),
        )
    except (KeyError, TypeError, JoseError) as problem:
        raise ValueError(f"credentials: {problem!r}") from problem


def _certificate(entry: JsonObject) -> Certificate:
    pem = entry["public_key_pem"].encode()
    if b"BEGIN CERTIFICATE" in pem:
        public = x509.load_pem_x509_certificate(pem).public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key: RSAKey | ECKey
    try:
        key = RSAKey.import_key(pem)
    except (ValueError, JoseError):
        key = ECKey.import_key(pem)
    return Certificate(entry["client_id"], entry["certificate_id"], key)


class Gate:
    """Checks every call; remembers nonces, bearer tokens and why logins failed."""

    def __init__(self, credentials: Credentials) -> None:
        """Guard an account with these credentials."""
        self.credentials = credentials
        self._lock = threading.Lock()
        self._nonces: dict[tuple[str, str], int] = {}
        self._bearers: dict[str, int] = {}
        self._failures: Counter[str] = Counter()

    def audit_trail(self) -> dict[str, int]:
        """Return how often logins failed, by reason."""
        with self._lock:
            return dict(sorted(self._failures.items()))

    def check(self, request: Request) -> None:
        """Let the request pass or refuse it with 401 INVALID_LOGIN."""
        scheme, _, rest = request.header("authorization").partition(" ")
        try:
            self._login(request, scheme.lower(), rest)
        except NotAuthorized as failure:
            self._note(failure)
            is_bearer = scheme.lower() == "bearer"
            name, error = ("Bearer", "invalid_token") if is_bearer else ("OAuth", "token_rejected")
            challenge = (
                f'{name} realm="{self.credentials.account}", error="{error}",'
                ' error_description="Invalid login attempt."'
            )
            raise Refusal(
                401, "INVALID_LOGIN", _DETAIL, headers={"WWW-Authenticate": challenge}
            ) from None

    def expire(self, request: Request) -> None:
        """Make the bearer token of this request worthless from now on."""
        token = bearer_token(request)
        with self._lock:
            self._bearers.pop(token or "", None)

    def grant(self, request: Request, bearer_seconds: int) -> Reply:
        """Answer the token endpoint."""
        try:
            form = parse_qs(request.body.decode(), strict_parsing=True)
            if form.get("grant_type") != ["client_credentials"]:
                return _oauth_error(400, "unsupported_grant_type")
            if form.get("client_assertion_type") != [ASSERTION_TYPE]:
                return _oauth_error(400, "invalid_request")
            assertion = form["client_assertion"][0]
        except (ValueError, KeyError):
            return _oauth_error(400, "invalid_request")
        try:
            self._check_assertion(assertion, request.origin)
        except NotAuthorized as failure:
            self._note(failure)
            return _oauth_error(401, "invalid_client")
        token = secrets.token_urlsafe(48)
        with self._lock:
            self._bearers[token] = epoch_seconds() + bearer_seconds
        body = {"access_token": token, "expires_in": bearer_seconds, "token_type": "bearer"}
        return Reply(200, dump(body).encode(), PLAIN_JSON)

    def _login(self, request: Request, scheme: str, rest: str) -> None:
        if scheme == "bearer":
            self._check_bearer(rest.strip())
        elif scheme == "oauth":
            self._check_tba(request, rest)
        else:
            raise NotAuthorized("no_authorization")

    def _note(self, failure: NotAuthorized) -> None:
        with self._lock:
            self._failures[str(failure)] += 1

    def _check_bearer(self, token: str) -> None:
        with self._lock:
            expires = self._bearers.get(token)
        if expires is None:
            raise NotAuthorized("bearer_unknown")
        if expires <= epoch_seconds():
            raise NotAuthorized("bearer_expired")

    def _check_tba(self, request: Request, rest: str) -> None:
        given = _oauth_parameters(rest)
        credential = self._tba_credential(given)
        stamp = _timestamp(given)
        base = signature_base(request, given)
        key = f"{_encoded(credential.consumer_secret)}&{_encoded(credential.token_secret)}"
        digest = hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()
        expected = base64.b64encode(digest).decode()
        if not hmac.compare_digest(expected, given.get("oauth_signature", "")):
            raise NotAuthorized("tba_signature")
        nonce = (credential.token, given.get("oauth_nonce", ""))
        with self._lock:
            if not nonce[1] or nonce in self._nonces:
                raise NotAuthorized("tba_nonce_used")
            self._nonces[nonce] = stamp
            if len(self._nonces) % 1000 == 0:
                oldest = epoch_seconds() - 2 * CLOCK_SKEW_SECONDS
                self._nonces = {each: at for each, at in self._nonces.items() if at > oldest}

    def _tba_credential(self, given: dict[str, str]) -> TbaCredential:
        if given.get("realm") != self.credentials.account:
            raise NotAuthorized("tba_realm")
        if given.get("oauth_signature_method") != "HMAC-SHA256":
            raise NotAuthorized("tba_signature_method")
        if given.get("oauth_version", "1.0") != "1.0":
            raise NotAuthorized("tba_version")
        wanted = (given.get("oauth_consumer_key"), given.get("oauth_token"))
        for credential in self.credentials.tba:
            if (credential.consumer_key, credential.token) == wanted:
                return credential
        raise NotAuthorized("tba_unknown_token")

    def _check_assertion(self, assertion: str, origin: str) -> None:
        try:
            # The key is chosen by `kid`, so the header has to be read before it is trusted.
            decoded = jwt.decode(assertion, self._key_for, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError, TypeError):
            raise NotAuthorized("assertion_signature") from None
        claims = decoded.claims
        certificate_id = decoded.header.get("kid")
        client = next(
            each for each in self.credentials.oauth2 if each.certificate_id == certificate_id
        )
        if claims.get("iss") != client.client_id:
            raise NotAuthorized("assertion_issuer")
        host = self.credentials.account.lower().replace("_", "-")
        audiences = {
            origin + TOKEN_PATH,
            f"https://{host}.suitetalk.api.netsuite.com{TOKEN_PATH}",
        }
        audience = claims.get("aud")
        given = audience if isinstance(audience, list) else [audience]
        if not audiences.intersection(each for each in given if isinstance(each, str)):
            raise NotAuthorized("assertion_audience")
        scope = claims.get("scope")
        if SCOPE not in (scope.split() if isinstance(scope, str) else scope or []):
            raise NotAuthorized("assertion_scope")
        _check_times(claims)

    def _key_for(self, unverified: Any) -> RSAKey | ECKey:
        certificate_id = unverified.headers().get("kid")
        for certificate in self.credentials.oauth2:
            if certificate.certificate_id == certificate_id:
                return certificate.key
        raise NotAuthorized("assertion_certificate")


def bearer_token(request: Request) -> str | None:
    """Return the bearer token of a request, if it carries one."""
    scheme, _, rest = request.header("authorization").partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


def signature_base(request: Request, given: dict[str, str]) -> str:
    """Build the OAuth 1.0a signature base string (RFC 5849, 3.4.1)."""
    signed = [item for item in given.items() if item[0] not in ("realm", "oauth_signature")]
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in [*signed, *request.query])
    parameters = "&".join(f"{name}={value}" for name, value in pairs)
    address = request.origin + request.path
    return "&".join((request.method.upper(), _encoded(address), _encoded(parameters)))


def _encoded(text: str) -> str:
    return quote(text, safe="~")


def _oauth_parameters(rest: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name in given:
            raise NotAuthorized("tba_parameter_repeated")
        given[name] = unquote(value.strip().strip('"'))
    return given


def _timestamp(given: dict[str, str]) -> int:
    try:
        stamp = int(given.get("oauth_timestamp", ""))
    except ValueError:
        raise NotAuthorized("tba_timestamp") from None
    if abs(epoch_seconds() - stamp) > CLOCK_SKEW_SECONDS:
        raise NotAuthorized("tba_timestamp")
    return stamp


def _check_times(claims: JsonObject) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise NotAuthorized("assertion_times")
    if expires <= epoch_seconds():
        raise NotAuthorized("assertion_expired")
    if expires - issued > ASSERTION_SECONDS_MAX or issued > epoch_seconds() + CLOCK_SKEW_SECONDS:
        raise NotAuthorized("assertion_times")


def _oauth_error(status: int, error: str) -> Reply:
    return Reply(status, dump({"error": error}).encode(), PLAIN_JSON)
