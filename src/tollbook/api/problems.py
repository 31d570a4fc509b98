"""Failures as problem details (RFC 9457): a stable code and a sentence, never a stack trace."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tollbook.errors import Blocked, Failure, Rejected, Transient, Unknown

PROBLEM_JSON: Final = "application/problem+json"

_STATUS: Final[Mapping[type[Failure], int]] = {
    Rejected: 422,
    Blocked: 409,
    Transient: 503,
    Unknown: 502,
}
# Codes that mean "there is no such thing".
_MISSING: Final = (
    ".unknown",
    ".no_such_event",
    ".no_such_refusal",
    ".unknown_id",
    ".no_such_conflict",
)


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
    status = _STATUS[type(failure)]
    if isinstance(failure, Rejected) and failure.code.endswith(_MISSING):
        status = 404
    headers = {}
    if isinstance(failure, Transient) and failure.retry_after_seconds is not None:
        headers["Retry-After"] = str(failure.retry_after_seconds)
    return problem(status, failure.code, failure.message, headers=headers, ids=failure.ids)


def install(app: FastAPI) -> None:
    """Make every failure of ours, of validation and of routing a problem."""

    async def on_failure(_request: Request, failure: Exception) -> JSONResponse:
        assert isinstance(failure, Failure)
        return of_failure(failure)

    async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        found = [
            {"field": ".".join(map(str, one["loc"])), "message": one["msg"]}
            for one in error.errors()
        ]
        return problem(422, "api.invalid_request", "Some fields are wrong.", errors=found)

    async def on_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem(
            error.status_code, f"api.http_{error.status_code}", error.detail, headers=error.headers
        )

    app.add_exception_handler(Failure, on_failure)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
