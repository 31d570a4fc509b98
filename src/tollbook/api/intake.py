"""POST /v1/events: the hot path, on bare Starlette, answering after the commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tollbook.api.access import ALLOWANCE
from tollbook.api.bodies import ENCODINGS, Incoming, read_body
from tollbook.api.limits import Budget, Hold
from tollbook.api.permissions import caller_of
from tollbook.api.queue import BEHIND, Queue
from tollbook.api.sources import require_sources
from tollbook.config import WAIT_MILLISECONDS_MAX
from tollbook.errors import Failure, Transient
from tollbook.flow.capture.binding import Delivery, read_delivery
from tollbook.flow.capture.step import Answer, Captured
from tollbook.runtime.counts import Counts
from tollbook.runtime.intake import Intake
from tollbook.runtime.rates import EVENTS, Allowance
from tollbook.values.clock import Clock, SystemClock
from tollbook.values.ids import event_id

# Larger bodies are split off the event loop, so that others are still heard meanwhile.
INLINE_BYTES_MAX: Final = 1_000_000
BODY_SECONDS: Final = 60
INFLIGHT_BYTES_MAX: Final = 160_000_000

_ENCODER: Final = msgspec.json.Encoder()

_SINGLE_STATUS: Final = {"accepted": 200, "duplicate": 200, "conflict": 409, "rejected": 422}
_REQUEST_STATUS: Final = {
    "api.source_not_allowed": 403,
    "capture.unsupported_content_type": 415,
    "capture.unsupported_encoding": 415,
    "capture.body_too_slow": 408,
    "capture.body_too_large": 413,
    "capture.too_many": 413,
    "capture.too_many_values": 413,
    "capture.headers_too_large": 431,
}
_TOO_FAST: Final = frozenset({"api.rate_limited", BEHIND})
_UNREADABLE: Final = frozenset(
    {"capture.malformed_json", "capture.not_an_object", "capture.too_deep"}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What requests for events may take: seconds for a body, and memory, time of waiting for all."""

    budget: Budget
    counts: Counts
    clock: Clock
    body_seconds: int = BODY_SECONDS
    wait_milliseconds_max: int = WAIT_MILLISECONDS_MAX


def intake_routes(intake: Intake | Queue, limits: Limits | None = None) -> list[Route]:
    """Return the routes by which events come in; the caller starts and stops the intake."""
    given = limits or Limits(Budget(bytes_max=INFLIGHT_BYTES_MAX), Counts(), SystemClock())
    if isinstance(intake, Intake):
        intake = Queue(intake, given.clock, wait_milliseconds_max=given.wait_milliseconds_max)
    door = _Door(intake, given)
    return [Route("/v1/events", door.post_events, methods=["POST"])]


class _Door:
    """Takes requests for events and answers them."""

    def __init__(self, queue: Queue, limits: Limits) -> None:
        self._queue = queue
        self._limits = limits

    async def post_events(self, request: Request) -> Response:
        """Answer for each event of a request, after it is durable."""
        begun = self._limits.clock.monotonic()
        incoming = Incoming(request.scope, request.receive)
        request = Request(request.scope, incoming)
        hold = self._limits.budget.hold()
        try:
            self._queue.refuse_if_late()
            allowance: Allowance | None = request.scope.get(ALLOWANCE)
            if allowance is not None:
                _spend(allowance, 0)
            delivery = await self._read(request, hold)
            if allowance is not None:
                _spend(allowance, len(delivery.raws))
            captured = await self._queue.submit(delivery.raws)
        except Failure as failure:
            self._limits.counts.refused(failure.code)
            hold.release()
            await incoming.discard()
            return _refusal(failure)
        except ClientDisconnect:
            # Nobody is there to read an answer, and nothing was stored.
            return Response(status_code=400)
        finally:
            hold.release()
        self._limits.counts.answered(self._limits.clock.monotonic() - begun)
        minimal = "return=minimal" in request.headers.get("prefer", "").replace(" ", "").lower()
        return _answer(delivery, captured, minimal=minimal)

    async def _read(self, request: Request, hold: Hold) -> Delivery:
        body = await read_body(request, hold, seconds_max=self._limits.body_seconds)
        # Others may have come while the body did; reading events costs more than refusing them.
        self._queue.refuse_if_late()
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        # What is split off is another copy of nearly the whole body.
        hold.add(len(body))
        if len(body) <= INLINE_BYTES_MAX:
            delivery = read_delivery(headers, body)
        else:
            delivery = await run_in_threadpool(read_delivery, headers, body)
        caller = caller_of(request.scope)
        if caller is not None and caller.sources:
            await run_in_threadpool(require_sources, caller, delivery.raws)
        return delivery


def _spend(allowance: Allowance, events: int) -> None:
    seconds = allowance.take(EVENTS, events)
    if seconds:
        raise Transient(
            "api.rate_limited",
            "This key sends more events than it may: wait as long as Retry-After says.",
            retry_after_seconds=seconds,
        )


def _refusal(failure: Failure) -> Response:
    headers: dict[str, str] = {}
    if isinstance(failure, Transient):
        headers["retry-after"] = str(failure.retry_after_seconds or 1)
        status = 429 if failure.code in _TOO_FAST else 503
    else:
        status = _REQUEST_STATUS.get(failure.code, 400)
    if failure.code == "capture.unsupported_encoding":
        headers["accept-encoding"] = ", ".join(ENCODINGS)
    return _problem(status, failure.code, failure.message, headers)


def _answer(delivery: Delivery, captured: Captured, *, minimal: bool) -> Response:
    counts = captured.counts
    told = sorted(captured.others.items()) if minimal else enumerate(captured.answers)
    content = {
        "receipt": captured.receipt,
        "accepted": counts["accepted"],
        "duplicates": counts["duplicate"],
        "conflicts": counts["conflict"],
        "rejected": counts["rejected"],
        "results": [_result(index, answer) for index, answer in told],
    }
    response = Response(_ENCODER.encode(content), _status(delivery, captured), media_type=_JSON)
    if minimal:
        response.headers["preference-applied"] = "return=minimal"
    return response


_JSON: Final = "application/json"


def _status(delivery: Delivery, captured: Captured) -> int:
    if not delivery.single:
        return 200
    answer = captured.answers[0]
    return 400 if answer.code in _UNREADABLE else _SINGLE_STATUS[answer.status]


def _result(index: int, answer: Answer) -> dict[str, Any]:
    result: dict[str, Any] = {
        "index": index,
        "source": answer.source,
        "id": answer.id,
        "status": answer.status,
    }
    if answer.status in {"accepted", "duplicate"}:
        result["event_id"] = event_id(answer.source, answer.id)
        return result
    result["code"] = answer.code
    result["message"] = answer.message
    result["conflict_id" if answer.status == "conflict" else "quarantine_id"] = answer.kept_as
    return result


def _problem(status: int, code: str, message: str, headers: Mapping[str, str]) -> Response:
    content = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": message,
    }
    return Response(
        _ENCODER.encode(content),
        status,
        media_type="application/problem+json",
        headers=dict(headers),
    )
