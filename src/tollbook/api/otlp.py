"""POST /v1/otlp/v1/metrics: OpenTelemetry's OTLP over HTTP, in protobuf and in JSON."""

import importlib
import json
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, Final, Protocol

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.flow.capture.json_text import exact_number
from tollbook.runtime.otlp import MetricsDoor, PointsTaken

PATH: Final = "/v1/otlp/v1/metrics"
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MESSAGE_CHARACTERS_MAX: Final = 1_000

ReadBody = Callable[[Request], Awaitable[bytes]]

# Codes of google.rpc.Code, which OTLP answers with.
_INVALID_ARGUMENT: Final = 3
_UNAVAILABLE: Final = 14
_STATUS: Final = {
    "capture.body_too_large": 413,
    "capture.unsupported_content_type": 415,
    "capture.unsupported_encoding": 415,
    "config.extra_missing": 415,
}
_MODULE: Final = "opentelemetry.proto.collector.metrics.v1.metrics_service_pb2"
_JSON: Final = msgspec.json.Decoder(float_hook=exact_number)


class _Wire(Protocol):
    """One of the two ways in which OTLP is written."""

    media_type: str

    def read(self, body: bytes) -> Any: ...

    def answer(self, taken: PointsTaken) -> bytes: ...

    def failure(self, code: int, message: str) -> bytes: ...


def otlp_routes(door: MetricsDoor, read_body: ReadBody) -> list[Route]:
    """Return the route by which OpenTelemetry exporters send metrics."""

    async def post_metrics(request: Request) -> Response:
        wire: _Wire = _Json()
        try:
            wire = _wire_of(request)
            body = await read_body(request)
            taken = await run_in_threadpool(lambda: door.take(wire.read(body)))
        except Failure as failure:
            return _failed(wire, failure)
        except ClientDisconnect:
            return Response(status_code=400)
        return Response(wire.answer(taken), media_type=wire.media_type)

    return [Route(PATH, post_metrics, methods=["POST"])]


def _wire_of(request: Request) -> _Wire:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON:
        return _Json()
    if media_type == PROTOBUF:
        return _Protobuf()
    raise Rejected(
        "capture.unsupported_content_type",
        f"OTLP comes as {PROTOBUF} or {JSON}; this is {media_type or 'without a content type'}.",
    )


def _failed(wire: _Wire, failure: Failure) -> Response:
    if isinstance(failure, Transient):
        content = wire.failure(_UNAVAILABLE, str(failure))
        headers = {"retry-after": str(failure.retry_after_seconds or 1)}
        return Response(content, 503, media_type=wire.media_type, headers=headers)
    content = wire.failure(_INVALID_ARGUMENT, str(failure))
    return Response(content, _STATUS.get(failure.code, 400), media_type=wire.media_type)


class _Json:
    media_type = JSON

    def read(self, body: bytes) -> Any:
        try:
            return _JSON.decode(body)
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise _bad(str(error)) from None

    def answer(self, taken: PointsTaken) -> bytes:
        if not taken.refused:
            return b"{}"
        partial = {"rejectedDataPoints": str(taken.refused), "errorMessage": _message(taken)}
        return json.dumps({"partialSuccess": partial}).encode()

    def failure(self, code: int, message: str) -> bytes:
        return json.dumps({"code": code, "message": message}).encode()


class _Protobuf:
    media_type = PROTOBUF

    def __init__(self) -> None:
        try:
            self._messages: Any = importlib.import_module(_MODULE)
            self._refusal: Any = importlib.import_module("google.protobuf.message").DecodeError
        except ModuleNotFoundError as error:
            raise Blocked(
                "config.extra_missing",
                "OTLP in protobuf needs more where Tollbook runs: pip install 'tollbook[otlp]'. Or "
                "send OTLP in JSON.",
            ) from error

    def read(self, body: bytes) -> Any:
        try:
            request = self._messages.ExportMetricsServiceRequest.FromString(body)
        except self._refusal as error:
            raise _bad(str(error)) from None
        return _plain(request)

    def answer(self, taken: PointsTaken) -> bytes:
        response = self._messages.ExportMetricsServiceResponse()
        if taken.refused:
            response.partial_success.rejected_data_points = taken.refused
            response.partial_success.error_message = _message(taken)
        written: bytes = response.SerializeToString()
        return written

    def failure(self, code: int, message: str) -> bytes:
        # google.rpc.Status: code is field 1, a small number; message is field 2.
        text = message.encode()[:MESSAGE_CHARACTERS_MAX]
        length = len(text)
        size = bytes([length]) if length < 128 else bytes([length % 128 | 128, length // 128])
        return bytes([0x08, code, 0x12]) + size + text


def _plain(message: Any) -> dict[str, Any]:
    """Turn a message into what OTLP's JSON would decode to; a double becomes what it is printed as."""
    return {
        field.json_name: _value(value)
        for field, value in message.ListFields()
        if field.name != "exemplars"
    }


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, Real):
        # A double of protobuf: what it prints is what the sender meant.
        number = Decimal(repr(value))
        return number if number.is_finite() else None
    if isinstance(value, Sequence):
        return [_value(item) for item in value]
    return _plain(value)


def _message(taken: PointsTaken) -> str:
    return taken.message[:MESSAGE_CHARACTERS_MAX]


def _bad(why: str) -> Rejected:
    return Rejected("capture.bad_otlp", f"This is no OTLP metrics request: {why}.")
