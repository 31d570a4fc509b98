"""Signatures of webhooks: proves that a delivery comes from who shares the secret, and is recent."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tollbook.errors import Rejected

TOLERANCE_SECONDS: Final = 300
SECRET_BYTES_MIN: Final = 16
_PREFIX: Final = "whsec_"

# (headers in lower case, body) -> (the time it was signed at or None, signed bytes, signatures).
_Parts = tuple[str | None, bytes, list[bytes]]


@dataclass(frozen=True, slots=True)
class Signing:
    """How the deliveries of one sender are signed; several secrets while one replaces another."""

    scheme: str
    secrets: tuple[bytes, ...]
    tolerance_seconds: int = TOLERANCE_SECONDS
    header: str = ""


def signing_of(options: Mapping[str, str]) -> Signing:
    """Read the options of a source: scheme, secret (several separated by spaces), tolerance, header.

    Rejected when one of them cannot be used.
    """
    scheme = options.get("scheme", "standard")
    if scheme not in _SCHEMES:
        raise Rejected(
            "config.not_an_option",
            f"scheme must be one of {', '.join(sorted(_SCHEMES))}, not {scheme!r}.",
        )
    secrets = tuple(_secret(text, scheme) for text in options.get("secret", "").split())
    if not secrets or any(len(secret) < SECRET_BYTES_MIN for secret in secrets):
        raise Rejected(
            "config.weak_secret",
            f"A webhook needs a secret of at least {SECRET_BYTES_MIN} bytes: set secret_env.",
        )
    tolerance = options.get("tolerance_seconds", str(TOLERANCE_SECONDS))
    if not tolerance.isdecimal() or not 1 <= int(tolerance) <= 86_400:
        raise Rejected("config.not_a_number", "tolerance_seconds must be from 1 to 86400.")
    return Signing(scheme, secrets, int(tolerance), options.get("header", "").lower())


def verify(signing: Signing, headers: Mapping[str, str], body: bytes, *, at: datetime) -> None:
    """Return when a delivery is signed by one of the secrets; Rejected `api.bad_signature` if not.

    Header names are in lower case. The answer takes as long whichever secret it was.
    """
    signed_at, signed, given = _SCHEMES[signing.scheme](headers, body, signing.header)
    if signed_at is not None and not _is_recent(signed_at, signing.tolerance_seconds, at):
        raise _bad("it was signed too long ago, or its clock is wrong")
    expected = [hmac.digest(secret, signed, hashlib.sha256) for secret in signing.secrets]
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(matches):
        raise _bad("no signature is made with a secret that we share")


def _is_recent(text: str, tolerance_seconds: int, at: datetime) -> bool:
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        return False
    return abs(int(at.timestamp()) - int(text)) <= tolerance_seconds


def _secret(text: str, scheme: str) -> bytes:
    if scheme != "standard":
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise Rejected(
            "config.weak_secret", "The secret of a standard webhook is whsec_ and then base64."
        ) from None


def _standard(headers: Mapping[str, str], body: bytes, _header: str) -> _Parts:
    """Standard Webhooks 1.0: webhook-signature holds `v1,` and base64, several separated by spaces."""
    message_id, signed_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not signed_at:
        raise _bad("it has no webhook-id or no webhook-timestamp")
    signed = f"{message_id}.{signed_at}.".encode() + body
    texts = headers.get("webhook-signature", "").split()
    given = [text.removeprefix("v1,") for text in texts if text.startswith("v1,")]
    return (
        signed_at,
        signed,
        list(_decoded(given, lambda text: base64.b64decode(text, validate=True))),
    )


def _github(headers: Mapping[str, str], body: bytes, header: str) -> _Parts:
    """As GitHub signs: the body alone, hexadecimal after `sha256=`; it carries no time."""
    text = headers.get(header or "x-hub-signature-256", "")
    return None, body, list(_decoded([text.removeprefix("sha256=")], bytes.fromhex))


def _stripe(headers: Mapping[str, str], body: bytes, header: str) -> _Parts:
    """As Stripe signs: `t=` is when, each `v1=` a hexadecimal signature of "t.body"."""
    pairs = [
        part.strip().partition("=")
        for part in headers.get(header or "stripe-signature", "").split(",")
    ]
    signed_at = next((value for name, _, value in pairs if name == "t"), "")
    if not signed_at:
        raise _bad("its signature says no time")
    given = [value for name, _, value in pairs if name == "v1"]
    return signed_at, f"{signed_at}.".encode() + body, list(_decoded(given, bytes.fromhex))


def _decoded(texts: Sequence[str], decode: Callable[[str], bytes]) -> Iterator[bytes]:
    for text in texts:
        try:
            yield decode(text)
        except ValueError:
            continue


def _bad(why: str) -> Rejected:
    return Rejected("api.bad_signature", f"The delivery is not taken: {why}.")


_SCHEMES: Final = {"standard": _standard, "github": _github, "stripe": _stripe}
