"""Signs and verifies access tokens (JWT): our own, and those of an outside issuer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from tollbook.access.keys import NAME_CHARACTERS_MAX, Caller
from tollbook.access.scopes import Scope

TOKEN_SECONDS: Final = 600
SKEW_SECONDS: Final = 60
TOKEN_CHARACTERS_MAX: Final = 8_192
CURVE: Final = "P-256"
OWN_ISSUER: Final = "tollbook"
OWN_ALGORITHMS: Final = ("ES256",)
# No symmetric algorithm: a public key set must never serve as a shared secret. No "none".
OUTSIDE_ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
DEFAULT_ALGORITHMS: Final = ("RS256", "ES256")


class NotATokenError(ValueError):
    """A token that does not prove what it says; the message may be shown to its sender."""


def sign(
    private_jwk: Mapping[str, Any], *, key_id: str, scopes: Sequence[str], at: datetime
) -> str:
    """Return a token by which a key may call for TOKEN_SECONDS."""
    key = ECKey.import_key(dict(private_jwk))
    issued = int(at.timestamp())
    claims = {
        "iss": OWN_ISSUER,
        "aud": OWN_ISSUER,
        "sub": key_id,
        "client_id": key_id,
        "scope": " ".join(scopes),
        "iat": issued,
        "exp": issued + TOKEN_SECONDS,
    }
    header = {"alg": OWN_ALGORITHMS[0], "kid": key.kid, "typ": "at+jwt"}
    return jwt.encode(header, claims, key, algorithms=list(OWN_ALGORITHMS))


def verify(
    token: str,
    keys: KeySet,
    *,
    algorithms: Sequence[str],
    issuer: str,
    audience: str,
    at: datetime,
) -> Mapping[str, Any]:
    """Return the claims of a token whose signature, issuer, audience and times are right.

    Raises NotATokenError, and ValueError of its kind only.
    """
    try:
        decoded = jwt.decode(token, keys, algorithms=list(algorithms))
        jwt.JWTClaimsRegistry(
            now=int(at.timestamp()),
            leeway=SKEW_SECONDS,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(decoded.claims)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise NotATokenError(str(error) or type(error).__name__) from error
    return decoded.claims


def outside_caller(claims: Mapping[str, Any]) -> Caller:
    """Return the caller that the verified claims of an outside issuer describe.

    Scopes come from `scope` (text) or `scp` (text or list); those that are not ours count nothing.
    """
    said = claims.get("scope", claims.get("scp"))
    names = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
    scopes = frozenset(str(scope) for scope in Scope if scope in names)
    subject = str(claims["sub"])
    name = str(claims.get("client_id") or claims.get("azp") or subject)
    return Caller(f"{claims['iss']}|{subject}", ascii(name)[1:-1][:NAME_CHARACTERS_MAX], scopes)


def expires_at(claims: Mapping[str, Any]) -> int:
    """Return the last second, since 1970, at which verified claims hold."""
    return int(claims["exp"]) + SKEW_SECONDS
