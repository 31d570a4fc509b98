"""Who may call, and how much they may send."""

import hmac
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollbook.api.problems import problem

OPEN_PATHS: Final = frozenset({"/v1/health"})
# Webhooks are signed instead.
OPEN_PREFIXES: Final = ("/v1/hooks/",)
# The intake counts its bodies itself: its refusals carry the codes of capture.
COUNTED_PATHS: Final = frozenset({"/v1/events", "/v1/otlp/v1/metrics"})
BODY_BYTES_MAX: Final = 16_000_000


class RequireKey:
    """Refuses requests without a key, when keys are configured. Health stays open."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401."""
        is_open = scope["type"] != "http" or scope["path"] in OPEN_PATHS
        is_open = is_open or scope["path"].startswith(OPEN_PREFIXES)
        if is_open or self._is_known(scope):
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
        # Compared in constant time, and with every key, so that time does not tell which came close.
        found = [hmac.compare_digest(key, sent) for key in self._keys]
        return scheme.lower() == "bearer" and any(found)


class LimitBody:
    """Refuses bodies that are too large, while they arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it brings."""
        if scope["type"] != "http" or scope["path"] in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > BODY_BYTES_MAX:
                raise HTTPException(413, f"A request takes at most {BODY_BYTES_MAX} bytes.")
            return message

        await self._app(scope, counted, send)
