"""The gate before every route: who calls, how often, and how much all of them may send."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollbook.access.keys import Caller
from tollbook.access.ring import KeyRing, is_token
from tollbook.access.tokens import NotATokenError
from tollbook.api.bodies import HOLD, Incoming
from tollbook.api.limits import BUSY, Budget, Hold
from tollbook.api.permissions import CALLER, is_open
from tollbook.api.problems import RETRY_SECONDS, of_failure, problem
from tollbook.errors import Transient
from tollbook.runtime.counts import Counts
from tollbook.runtime.rates import REQUESTS, Allowance, Rates

# The intake counts its bodies itself: its refusals carry the codes of capture.
COUNTED_PATHS: Final = frozenset({"/v1/events", "/v1/otlp/v1/metrics"})
BODY_BYTES_MAX: Final = 16_000_000
# Where the gate leaves what a caller may still send.
ALLOWANCE: Final = "tollbook.allowance"

_UNAUTHORIZED: Final = (
    "Send a key as `Authorization: Bearer tbk_...`, or an access token from /v1/oauth/token."
)

Refusal = tuple[str, Response]


@dataclass(frozen=True, slots=True)
class Door:
    """What the gate and the intake share in one process."""

    ring: KeyRing
    rates: Rates
    budget: Budget
    counts: Counts


class Gate:
    """Refuses who is not known, who sends too often, and what does not fit into memory."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller, or answer 401, 429 or 503."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        budget = self._door.budget
        try:
            budget.enter()
        except Transient as failure:
            await self._refuse((failure.code, of_failure(failure)), scope, receive, send)
            return
        try:
            refusal = None if is_open(scope["path"]) else await self._admit(scope)
            allowance: Allowance | None = scope.get(ALLOWANCE)
            if allowance is not None:
                send = _telling(send, allowance)
            if refusal is not None:
                await self._refuse(refusal, scope, receive, send)
            else:
                await self._app(scope, receive, send)
        finally:
            if HOLD in scope:
                scope[HOLD].release()
            budget.leave()

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        code, response = refusal
        self._door.counts.refused(code)
        if scope["method"] not in {"GET", "HEAD"} and code != BUSY:
            await Incoming(scope, receive).discard()
        await response(scope, receive, send)

    async def _admit(self, scope: Scope) -> Refusal | None:
        ring = self._door.ring
        try:
            if not ring.is_fresh():
                await self._refresh()
            if ring.is_guarded:
                caller = await self._caller(scope["headers"])
                if isinstance(caller, str):
                    return "api.unauthorized", _unauthorized(caller)
                scope[CALLER] = caller
        except Transient as failure:
            return failure.code, of_failure(failure)
        allowance = self._door.rates.of(scope.get(CALLER))
        if allowance is None:
            return None
        scope[ALLOWANCE] = allowance
        seconds = allowance.take(REQUESTS, 1)
        return ("api.rate_limited", too_often(seconds)) if seconds else None

    async def _caller(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller | str:
        """Return who calls, or the sentence that says why nobody was recognized."""
        sent = [value for name, value in headers if name == b"authorization"]
        if len(sent) != 1:
            return _UNAUTHORIZED
        scheme, _, given = sent[0].partition(b" ")
        credential = given.strip()
        if scheme.lower() != b"bearer" or not credential:
            return _UNAUTHORIZED
        ring = self._door.ring
        if not is_token(credential):
            return ring.caller_of_key(credential) or _UNAUTHORIZED
        known = ring.remembered(credential)
        if known is not None:
            return known
        try:
            # Verifying a signature takes long enough to let others go first.
            found = await run_in_threadpool(ring.caller_of_token, credential)
        except NotATokenError as error:
            return f"The access token is not accepted ({error}): get another one."
        return found or "The key of this access token has ended."

    async def _refresh(self) -> None:
        ring = self._door.ring
        try:
            await run_in_threadpool(ring.refresh)
        except (psycopg.OperationalError, PoolTimeout) as error:
            if not ring.is_usable():
                raise Transient(
                    "storage.unavailable",
                    "The database does not answer: try again in a few seconds.",
                    retry_after_seconds=RETRY_SECONDS,
                ) from error


class LimitBody:
    """Refuses bodies that are too large or too slow; a body counts until its answer."""

    def __init__(self, app: ASGIApp, budget: Budget, *, seconds_max: int) -> None:
        self._app = app
        self._budget = budget
        self._seconds_max = seconds_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it brings."""
        if scope["type"] != "http" or scope["path"] in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        hold = self._budget.hold()
        try:
            await self._app(scope, _Counting(receive, hold, self._seconds_max), send)
        finally:
            hold.release()


class _Counting:
    """Receives a body: not too much of it, and not for too long."""

    def __init__(self, receive: Receive, hold: Hold, seconds_max: int) -> None:
        self._receive = receive
        self._hold = hold
        self._deadline = asyncio.get_running_loop().time() + seconds_max
        self._is_whole = False

    async def __call__(self) -> Message:
        """Receive the next message."""
        if self._is_whole:
            # What comes after the body is that the caller went away: it may take any time.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body came too slowly: send it again.") from None
        size = len(message.get("body", b""))
        if self._hold.size + size > BODY_BYTES_MAX:
            raise HTTPException(413, f"A request takes at most {BODY_BYTES_MAX} bytes.")
        try:
            self._hold.add(size)
        except Transient as busy:
            again = {"Retry-After": str(busy.retry_after_seconds)}
            raise HTTPException(503, busy.message, headers=again) from None
        self._is_whole = not message.get("more_body", False)
        return message


def too_often(seconds: int) -> Response:
    """Answer a caller that sends more than it may; `seconds` until it may again."""
    return problem(
        429,
        "api.rate_limited",
        "This key sends more than it may: wait as long as Retry-After says.",
        headers={"Retry-After": str(seconds)},
    )


def _telling(send: Send, allowance: Allowance) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *allowance.headers()]
        await send(message)

    return send_with_headers


def _unauthorized(sentence: str) -> Response:
    return problem(401, "api.unauthorized", sentence, headers={"WWW-Authenticate": "Bearer"})
