"""POST /v1/events: the hot path, on bare Starlette, answering after the commit."""

import asyncio
import zlib
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tollbook.errors import Rejected, Transient
from tollbook.flow.capture.binding import Delivery, read_delivery
from tollbook.flow.capture.step import Answer, Captured
from tollbook.runtime.intake import Intake
from tollbook.values.ids import event_id

BODY_BYTES_MAX: Final = 64_000_000
# Larger bodies are split off the event loop, so that others are still heard meanwhile.
INLINE_BYTES_MAX: Final = 1_000_000

_GZIP: Final = 16 + zlib.MAX_WBITS
_ENCODER: Final = msgspec.json.Encoder()

_SINGLE_STATUS: Final = {"accepted": 200, "duplicate": 200, "conflict": 409, "rejected": 422}
_REQUEST_STATUS: Final = {
    "capture.unsupported_content_type": 415,
    "capture.unsupported_encoding": 415,
    "capture.body_too_large": 413,
    "capture.too_many": 413,
}
_UNREADABLE: Final = frozenset({"capture.malformed_json", "capture.not_an_object"})


def intake_routes(intake: Intake) -> list[Route]:
    """Return the routes by which events come in; the caller starts and stops the intake."""

    async def post_events(request: Request) -> Response:
        try:
            delivery = await _read(request)
            captured = await asyncio.wrap_future(intake.submit(delivery.raws))
        except Rejected as refusal:
            return _problem(_REQUEST_STATUS.get(refusal.code, 400), refusal.code, refusal.message)
        except Transient as failure:
            response = _problem(503, failure.code, failure.message)
            response.headers["retry-after"] = str(failure.retry_after_seconds or 1)
            return response
        except ClientDisconnect:
            # Nobody is there to read an answer, and nothing was stored.
            return Response(status_code=400)
        minimal = "return=minimal" in request.headers.get("prefer", "").replace(" ", "").lower()
        return _answer(delivery, captured, minimal=minimal)

    return [Route("/v1/events", post_events, methods=["POST"])]


async def _read(request: Request) -> Delivery:
    body = await read_body(request)
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    if len(body) <= INLINE_BYTES_MAX:
        return read_delivery(headers, body)
    return await run_in_threadpool(read_delivery, headers, body)


async def read_body(request: Request) -> bytes:
    """Read a body, unzipped; Rejected when it is too large or packed in a way we do not know."""
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        chunks.append(chunk)
    body = b"".join(chunks)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise Rejected(
            "capture.unsupported_encoding", f"content-encoding {encoding!r}: send gzip or none."
        )
    return await run_in_threadpool(_unzip, body)


def _unzip(body: bytes) -> bytes:
    unzipped = b""
    while body:
        decompressor = zlib.decompressobj(_GZIP)
        try:
            unzipped += decompressor.decompress(body, BODY_BYTES_MAX - len(unzipped) + 1)
        except zlib.error as error:
            raise Rejected("capture.bad_gzip", f"The body is not valid gzip: {error}.") from None
        if len(unzipped) > BODY_BYTES_MAX:
            raise _too_large()
        if not decompressor.eof:
            raise Rejected("capture.bad_gzip", "The gzip body ends early: send it whole.")
        body = decompressor.unused_data
    return unzipped


def _too_large() -> Rejected:
    return Rejected(
        "capture.body_too_large", f"A request takes at most {BODY_BYTES_MAX} bytes: send several."
    )


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


def _problem(status: int, code: str, message: str) -> Response:
    content = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": message,
    }
    return Response(_ENCODER.encode(content), status, media_type="application/problem+json")
