"""Keys, scopes, and access tokens for clients (OAuth 2.0, RFC 6749 section 4.4)."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import JSONResponse
from joserfc.jwk import ECKey
from pydantic import AwareDatetime, BaseModel, Field

from tollbook.access import step, store
from tollbook.access.keys import Grant, Key, new_secret
from tollbook.access.ring import KeyRing
from tollbook.access.scopes import MEANINGS, Scope, known_scopes
from tollbook.access.tokens import TOKEN_SECONDS, sign
from tollbook.api.access import Door
from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, raw_body

router = APIRouter(tags=["access"])

GRACE_HOURS_MAX: Final = 24 * 30
FORM_FIELDS_MAX: Final = 20
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "const": "client_credentials"},
                        "scope": {"type": "string", "description": "Fewer than the key holds."},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string"},
                    },
                }
            }
        },
    }
}


class NewKey(BaseModel):
    """A key to create."""

    name: str = Field(examples=["gateway"])
    scopes: list[str] = Field(examples=[["events:write"]])
    sources: list[str] = Field(default=[], description="What the source of its events starts with.")
    events_per_second: int = 0
    requests_per_second: int = 0
    expires_at: AwareDatetime | None = None
    reason: str = Field(min_length=1)


class Rotation(BaseModel):
    """Why a key gets a new secret, and how long the old one goes on."""

    reason: str = Field(min_length=1)
    grace_hours: int = Field(default=24, ge=0, le=GRACE_HOURS_MAX)


class Reason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str = Field(min_length=1)


class ShownKey(BaseModel):
    """A key, without its secret."""

    key_id: str
    name: str
    scopes: list[str]
    sources: list[str]
    events_per_second: int
    requests_per_second: int
    state: str = Field(description="active, expired or revoked")
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None


class CreatedKey(ShownKey):
    """A new key, with the secret that is shown once."""

    secret: str


def ring_of(request: Request) -> KeyRing:
    """Return what knows all keys in this process."""
    door = request.app.state.door
    assert isinstance(door, Door)
    return door.ring


Ring = Annotated[KeyRing, Depends(ring_of)]


@router.get("/v1/access/scopes", summary="List scopes")
def scopes() -> dict[str, str]:
    """Return every scope with what it allows."""
    return {str(scope): meaning for scope, meaning in MEANINGS.items()}


@router.get("/v1/access/keys", summary="List keys")
def keys(app: AppHere, connection: InTransaction) -> list[ShownKey]:
    """Return every key there ever was, without its secret, oldest first."""
    at = app.clock.now()
    return [ShownKey(**key_view(key, at=at)) for key in store.all_keys(connection)]


@router.post("/v1/access/keys", summary="Create a key", status_code=201)
def create(body: NewKey, app: AppHere, ring: Ring, by: Actor) -> CreatedKey:
    """Create a key; the answer shows its secret, and nothing ever shows it again."""
    at = app.clock.now()
    grant = Grant(
        body.name,
        known_scopes(body.scopes),
        tuple(dict.fromkeys(body.sources)),
        body.events_per_second,
        body.requests_per_second,
        body.expires_at,
    )
    with app.database.transaction() as connection:
        issued = step.create_key(
            connection, grant, secret=new_secret(), by=by, reason=body.reason, at=at
        )
    ring.refresh(at_once=True)
    return CreatedKey(**key_view(issued.key, at=at), secret=issued.secret)


@router.post("/v1/access/keys/{key_id}/rotate", summary="Give a key a new secret")
def rotate(key_id: Identifier, body: Rotation, app: AppHere, ring: Ring, by: Actor) -> CreatedKey:
    """Create a key that allows the same; the old one ends after the grace period."""
    at = app.clock.now()
    with app.database.transaction() as connection:
        issued = step.rotate_key(
            connection,
            key_id,
            secret=new_secret(),
            grace=timedelta(hours=body.grace_hours),
            by=by,
            reason=body.reason,
            at=at,
        )
    ring.refresh(at_once=True)
    return CreatedKey(**key_view(issued.key, at=at), secret=issued.secret)


@router.post("/v1/access/keys/{key_id}/revoke", summary="End a key", status_code=204)
def revoke(key_id: Identifier, body: Reason, app: AppHere, ring: Ring, by: Actor) -> None:
    """End a key and its tokens: here at once, in other processes within two seconds."""
    with app.database.transaction() as connection:
        step.revoke_key(connection, key_id, by=by, reason=body.reason, at=app.clock.now())
    ring.refresh(at_once=True)


@router.get("/v1/oauth/jwks", summary="Keys that verify access tokens")
def jwks(connection: InTransaction) -> dict[str, Any]:
    """Return the public keys of the tokens that this service issues."""
    found = [ECKey.import_key(jwk) for jwk, _ in store.signing_keys(connection)]
    return {"keys": [key.as_dict(private=False) for key in found]}


@router.post("/v1/oauth/token", summary="Get an access token", openapi_extra=_FORM)
def token(
    raw: Annotated[bytes, Depends(raw_body)],
    app: AppHere,
    ring: Ring,
    authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> JSONResponse:
    """Issue a token to a client: its id is the id of a key, its secret the key itself."""
    form = _form(raw)
    if form is None or "grant_type" not in form:
        return _oauth_error("invalid_request", "Send grant_type once, in a form.")
    if form["grant_type"] != "client_credentials":
        return _oauth_error("unsupported_grant_type", "There is client_credentials only.")
    if authorization is not None and "client_secret" in form:
        return _oauth_error("invalid_request", "Show the secret in one place.")
    client_id, secret = _basic(authorization) if authorization else _in_body(form)
    ring.refresh()
    key = ring.client(client_id, secret)
    if key is None:
        return _oauth_error("invalid_client", "There is no such client, or its secret is another.")
    wanted = form.get("scope", "").split() or [str(scope) for scope in key.grant.scopes]
    if not _are_held(wanted, key):
        return _oauth_error("invalid_scope", "The key does not hold every scope asked for.")
    at = app.clock.now()
    with app.database.transaction() as connection:
        step.ensure_signing_key(connection, at=at)
        private_jwk, _ = store.signing_keys(connection)[0]
    ring.refresh(at_once=not ring.knows(private_jwk["kid"]))
    answer = {
        "access_token": sign(private_jwk, key_id=key.key_id, scopes=wanted, at=at),
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "scope": " ".join(wanted),
    }
    return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def key_view(key: Key, *, at: datetime) -> dict[str, Any]:
    """Return what people see of a key."""
    state = "revoked" if key.revoked_at else "active" if key.is_in_force(at) else "expired"
    grant = key.grant
    return {
        "key_id": key.key_id,
        "name": grant.name,
        "scopes": [str(scope) for scope in grant.scopes],
        "sources": list(grant.sources),
        "events_per_second": grant.events_per_second,
        "requests_per_second": grant.requests_per_second,
        "state": state,
        "created_at": key.created_at,
        "created_by": key.created_by,
        "expires_at": grant.expires_at,
        "revoked_at": key.revoked_at,
        "revoked_by": key.revoked_by,
    }


def _are_held(wanted: list[str], key: Key) -> bool:
    held = set(key.grant.scopes)
    return set(wanted) <= set(Scope) and (Scope.ADMIN in held or set(wanted) <= held)


def _form(raw: bytes) -> dict[str, str] | None:
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="strict"
        )
    except ValueError:
        return None
    form = dict(pairs)
    # A parameter that stands twice is refused (RFC 6749 section 3.2).
    return form if len(form) == len(pairs) else None


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return (
        (unquote_plus(client_id), unquote_plus(secret)) if scheme.lower() == "basic" else ("", "")
    )


def _in_body(form: Mapping[str, str]) -> tuple[str, str]:
    return form.get("client_id", ""), form.get("client_secret", "")


def _oauth_error(error: str, description: str) -> JSONResponse:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    status = 400
    if error == "invalid_client":
        status = 401
        headers["WWW-Authenticate"] = 'Basic realm="tollbook"'
    content = {"error": error, "error_description": description}
    return JSONResponse(content, status_code=status, headers=headers)
