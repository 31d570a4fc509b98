"""Completes the OpenAPI document with what FastAPI does not see: events, keys, scopes, records."""

from typing import Any, Final

from fastapi import FastAPI

from tollbook.access.scopes import MEANINGS
from tollbook.api.events_schema import EVENTS_PATH
from tollbook.api.permissions import is_open, needed_scope
from tollbook.api.typed import COMPONENTS
from tollbook.config import Settings

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_SCHEMES: Final[dict[str, Any]] = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key: `tbk_...`."},
    "client": {
        "type": "oauth2",
        "description": "A key's id and secret, exchanged for an access token.",
        "flows": {
            "clientCredentials": {
                "tokenUrl": "/v1/oauth/token",
                "scopes": {str(scope): meaning for scope, meaning in MEANINGS.items()},
            }
        },
    },
}


def complete(api: FastAPI, settings: Settings) -> None:
    """Add to the OpenAPI document the events route, the schemes, and the scope of each route."""
    described: dict[str, Any] = {}
    generated = api.openapi

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(generated())
            described["paths"] = {"/v1/events": EVENTS_PATH, **described["paths"]}
            components = described.setdefault("components", {})
            components.setdefault("schemas", {}).update(COMPONENTS)
            components["securitySchemes"] = {**_SCHEMES, **_outside(settings)}
            for path, methods in described["paths"].items():
                described["paths"][path] = {
                    method: {**operation, "security": _security(method, path, settings)}
                    if method in _METHODS
                    else operation
                    for method, operation in methods.items()
                }
        return described

    # FastAPI's own way of extending the document is to replace this method.
    api.openapi = openapi  # type: ignore[method-assign]


def _security(method: str, path: str, settings: Settings) -> list[dict[str, list[str]]]:
    if is_open(path):
        return []
    scope = needed_scope(method.upper(), path)
    scopes = [str(scope)] if scope else []
    return [{name: scopes} for name in ("key", "client", *_outside(settings))]


def _outside(settings: Settings) -> dict[str, Any]:
    if not settings.issuer:
        return {}
    address = f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration"
    return {"issuer": {"type": "openIdConnect", "openIdConnectUrl": address}}
