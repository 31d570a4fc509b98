"""POST /v1/hooks/{source}: deliveries that their sender signs, answered after the commit."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tollbook.api.problems import of_failure, problem
from tollbook.config import SystemSettings
from tollbook.errors import Failure, Rejected
from tollbook.flow.capture.binding import read_delivery
from tollbook.flow.capture.step import Captured
from tollbook.runtime.intake import Desk
from tollbook.sdk.source import SourceRecord
from tollbook.sdk.webhooks import Signing, signing_of, verify
from tollbook.values.clock import Clock

# No key is asked here: the signature proves who sends.
PREFIX: Final = "/v1/hooks/"
CONNECTOR: Final = "webhook"

ReadBody = Callable[[Request], Awaitable[bytes]]

_STATUS: Final = {
    "api.bad_signature": 401,
    "api.unknown_hook": 404,
    "capture.body_too_large": 413,
    "capture.too_many": 413,
    "capture.unsupported_content_type": 415,
    "capture.unsupported_encoding": 415,
    "capture.bad_gzip": 400,
}
# These differ each time a delivery is sent again, and a mapping must not see a difference.
_HIDDEN: Final = ("signature", "timestamp", "authorization", "cookie")
_ENCODE: Final = msgspec.json.Encoder().encode


class Hooks:
    """The configured webhooks; each is read when it is first called."""

    def __init__(self, desk: Desk, clock: Clock, sources: Mapping[str, SystemSettings]) -> None:
        self._desk = desk
        self._clock = clock
        self._sources = {
            name: source for name, source in sources.items() if source.connector == CONNECTOR
        }

    def signing(self, name: str) -> Signing:
        """Return how deliveries to a webhook are signed; Rejected when there is none, or no secret."""
        source = self._sources.get(name)
        if source is None:
            raise Rejected("api.unknown_hook", f"There is no webhook {name!r}.")
        if source.missing:
            raise Rejected(
                "config.secret_missing",
                f"Webhook {name} needs {', '.join(source.missing)}: set it where Tollbook runs.",
            )
        return signing_of(source.options)

    def take(self, name: str, headers: Mapping[str, str], body: bytes) -> Captured:
        """Check the signature of a delivery, then store it; nothing is stored before that."""
        verify(self.signing(name), headers, body, at=self._clock.now())
        mapping = self._sources[name].options.get("mapping")
        if mapping is None:
            delivery = read_delivery(headers.items(), body)
            return self._desk.take(delivery.raws, door=f"hook {name}")
        record = SourceRecord(body, metadata=_metadata(name, headers))
        return self._desk.take_records([record], mapping=mapping, door=f"hook {name}")


def hook_routes(hooks: Hooks, read_body: ReadBody) -> list[Route]:
    """Return the route to which other systems deliver."""

    async def post_delivery(request: Request) -> Response:
        name = request.path_params["source"]
        try:
            # An unknown name is answered before its body is read.
            hooks.signing(name)
            body = await read_body(request)
            headers = {key.lower(): value for key, value in request.headers.items()}
            captured = await run_in_threadpool(hooks.take, name, headers, body)
        except ClientDisconnect:
            return Response(status_code=400)
        except Failure as failure:
            if failure.code in _STATUS:
                return problem(_STATUS[failure.code], failure.code, failure.message)
            return of_failure(failure)
        return Response(_ENCODE(_answer(captured)), media_type="application/json")

    return [Route(f"{PREFIX}{{source}}", post_delivery, methods=["POST"])]


def _metadata(name: str, headers: Mapping[str, str]) -> dict[str, str]:
    shown = {
        f"header.{key}": value
        for key, value in headers.items()
        if not any(word in key for word in _HIDDEN)
        if key.startswith(("x-", "webhook-", "ce-", "content-type"))
    }
    return {"source": name, **shown}


def _answer(captured: Captured) -> dict[str, Any]:
    # A delivery that is refused is kept: sending it again would not help, so the answer is 200.
    counts = captured.counts
    return {
        "receipt": captured.receipt,
        "accepted": counts["accepted"],
        "duplicates": counts["duplicate"],
        "conflicts": counts["conflict"],
        "rejected": counts["rejected"],
        "ignored": captured.ignored,
    }
