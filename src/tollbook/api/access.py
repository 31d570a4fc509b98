"""Who may call: a key from the settings, compared in constant time."""

import hmac
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tollbook.api.problems import problem

OPEN_PATHS: Final = frozenset({"/v1/health"})


class RequireKey:
    """Refuses requests without a key, when keys are configured. Health stays open."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._is_known(scope):
            await self._app(scope, receive, send)
            return
        refusal = problem(
            401,
            "api.unauthorized",
            "Send a key from TOLLBOOK_API_KEYS as `Authorization: Bearer KEY`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
        await refusal(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        if not self._keys:
            return True
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        sent = given.strip().encode()
        # Every key is compared, so that time does not tell which one came close.
        found = [hmac.compare_digest(key, sent) for key in self._keys]
        return scheme.lower() == "bearer" and any(found)
