"""Failures as problem details (RFC 9457): a stable code and a sentence, never a stack trace."""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tollbook.errors import Blocked, Failure, Rejected, Transient, Unknown
from tollbook.observe.log import logger

PROBLEM_JSON: Final = "application/problem+json"
RETRY_SECONDS: Final = 1

_LOG: Final = logger("api")
_STATUS: Final[Mapping[type[Failure], int]] = {
    Rejected: 422,
    Blocked: 409,
    Transient: 503,
    Unknown: 502,
}
# Codes that mean "there is no such thing".
_MISSING: Final = frozenset(
    {
        "capture.no_such_backfill",
        "capture.no_such_conflict",
        "capture.no_such_object",
        "capture.no_such_event",
        "capture.no_such_mapping",
        "capture.no_such_refusal",
        "config.no_such_source",
        "invoice.no_such_entity",
        "invoice.unknown",
        "masterdata.unknown",
        "meter.unknown",
        "post.unknown",
        "rerate.no_such_run",
        "rate.unknown_customer",
        "trace.unknown_id",
        "worklist.unknown",
        "api.unknown_key",
    }
)
# Codes that mean "this caller may not".
_FORBIDDEN: Final = frozenset({"api.scope_missing", "api.source_not_allowed"})

# How the OpenAPI document describes every refusal.
PROBLEM_RESPONSE: Final[dict[str, Any]] = {
    "description": "Refused: a problem (RFC 9457) with a stable code.",
    "content": {
        PROBLEM_JSON: {
            "schema": {
                "type": "object",
                "required": ["title", "status", "code", "detail"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "code": {"type": "string", "examples": ["invoice.unknown"]},
                    "detail": {"type": "string", "description": "What happened, what to do."},
                },
            }
        }
    },
}


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Build a problem response; `more` are further members of the object."""
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    return JSONResponse(
        {**body, **more}, status_code=status, media_type=PROBLEM_JSON, headers=dict(headers or {})
    )


def of_failure(failure: Failure) -> JSONResponse:
    """Answer with what a failure says, and the status that tells what to do next."""
    status = _status_of(failure)
    headers = {}
    if isinstance(failure, Transient):
        headers["Retry-After"] = str(failure.retry_after_seconds or RETRY_SECONDS)
    return problem(status, failure.code, failure.message, headers=headers, ids=failure.ids)


def _status_of(failure: Failure) -> int:
    if failure.code in _FORBIDDEN:
        return 403
    return 404 if failure.code in _MISSING else _STATUS[type(failure)]


def install(app: FastAPI) -> None:
    """Make every failure a problem: ours, of validation, of routing, of the database, and bugs."""
    app.add_exception_handler(Failure, _on_failure)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(psycopg.OperationalError, _on_database_away)
    app.add_exception_handler(psycopg.DataError, _on_not_storable)
    # Half of a surrogate pair, which JSON can write and UTF-8 cannot.
    app.add_exception_handler(UnicodeEncodeError, _on_not_storable)
    app.add_exception_handler(Exception, _on_bug)


_HTTP_WORDS: Final = {
    404: "There is no such route: /openapi.json names all of them.",
    405: "This route does not take that method: /openapi.json says which it takes.",
}


async def _on_failure(_request: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, Failure)
    return of_failure(failure)


async def _on_invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [
        {"field": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()
    ]
    return problem(422, "api.invalid_request", "Some fields are wrong: see errors.", errors=found)


async def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    words = _HTTP_WORDS.get(error.status_code, error.detail)
    return problem(error.status_code, f"api.http_{error.status_code}", words, headers=error.headers)


async def _on_database_away(request: Request, error: Exception) -> JSONResponse:
    _LOG.warning("database_away", path=request.url.path, reason=str(error))
    return problem(
        503,
        "storage.unavailable",
        "The database does not answer: try again in a few seconds. Repeating a request is safe.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )


async def _on_not_storable(request: Request, error: Exception) -> JSONResponse:
    _LOG.warning("not_storable", path=request.url.path, reason=str(error))
    return problem(
        422, "api.not_storable", f"The database cannot hold a value of this request: {error}."
    )


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("request_met_a_bug", path=request.url.path, exc_info=error)
    return problem(500, "api.bug", "Tollbook met a bug of its own; its log has the trace.")
