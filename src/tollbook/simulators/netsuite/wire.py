"""Bytes in and out: exact JSON, requests, replies, and the problem bodies NetSuite sends."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

SINGULAR = "application/vnd.oracle.resource+json; type=singular"
COLLECTION = "application/vnd.oracle.resource+json; type=collection"
ERROR = "application/vnd.oracle.resource+json; type=error"
PLAIN_JSON = "application/json"

RECORD_PATH = "/services/rest/record/v1/"
SUITEQL_PATH = "/services/rest/query/v1/suiteql"
TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path, not a secret

_RFC_9110 = "https://www.rfc-editor.org/rfc/rfc9110.html#section-15."
_PROBLEMS = {
    400: ("Bad Request", _RFC_9110 + "5.1"),
    401: ("Unauthorized", _RFC_9110 + "5.2"),
    404: ("Not Found", _RFC_9110 + "5.5"),
    405: ("Method Not Allowed", _RFC_9110 + "5.6"),
    411: ("Length Required", _RFC_9110 + "5.12"),
    413: ("Content Too Large", _RFC_9110 + "5.14"),
    415: ("Unsupported Media Type", _RFC_9110 + "5.16"),
    429: ("Too Many Requests", "https://www.rfc-editor.org/rfc/rfc6585.html#section-4"),
    500: ("Internal Server Error", _RFC_9110 + "6.1"),
    503: ("Service Unavailable", _RFC_9110 + "6.4"),
}


@dataclass(frozen=True)
class Request:
    """One HTTP request, read completely."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    origin: str

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, or nothing."""
        return self.headers.get(name, "")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = SINGULAR
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """The decision to end the connection without a single byte of answer."""

    is_reset: bool = False


class Refusal(Exception):
    """A well-formed refusal, answered as a problem body."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        where: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Hold what the problem body will say; `where` is an `o:errorPath` or one of its kin."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.where = dict(where or {})
        self.headers = dict(headers or {})


def user_error(detail: str, path: str | None = None) -> Refusal:
    """Make the refusal NetSuite uses for nearly everything an accountant can get wrong."""
    return Refusal(400, "USER_ERROR", detail, where={"o:errorPath": path} if path else None)


def invalid_content(detail: str, path: str | None = None) -> Refusal:
    """Make the refusal for a value that cannot be in that field."""
    return Refusal(400, "INVALID_CONTENT", detail, where={"o:errorPath": path} if path else None)


def missing(label: str, path: str) -> Refusal:
    """Make the refusal for a mandatory field without a value."""
    detail = f"Error while accessing a resource. Please enter value(s) for: {label}."
    return user_error(detail, path)


def problem(refusal: Refusal) -> Reply:
    """Turn a refusal into the answer NetSuite would send."""
    title, link = _PROBLEMS[refusal.status]
    detail = {"detail": refusal.detail, **refusal.where, "o:errorCode": refusal.code}
    body = {"type": link, "title": title, "status": refusal.status, "o:errorDetails": [detail]}
    return Reply(refusal.status, dump(body).encode(), ERROR, refusal.headers)


def json_reply(value: object, content_type: str = SINGULAR, status: int = 200) -> Reply:
    """Wrap a value as a JSON answer."""
    return Reply(status, dump(value).encode(), content_type)


def parse(data: bytes) -> Any:
    """Read JSON with exact decimals; anything malformed is a ValueError."""
    try:
        text = data.decode()
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
        if "\\u" in text:  # an escaped lone surrogate parses, but no database can keep it
            json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def parse_object(data: bytes) -> JsonObject:
    """Read a JSON object, or refuse the request as NetSuite does."""
    try:
        value = parse(data)
    except ValueError as problem_found:
        detail = f"Invalid content in the request body: {problem_found}"
        raise invalid_content(detail) from None
    if not isinstance(value, dict):
        raise invalid_content("Invalid content in the request body: an object is expected")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def dump(value: object) -> str:
    """Write JSON; decimals become JSON numbers digit for digit, floats are refused."""
    if value is None or isinstance(value, str | int):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(k))}:{dump(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dump(item) for item in value) + "]"
    raise TypeError(f"no exact JSON for {type(value).__name__}")


def number(value: Decimal) -> str:
    """Write a decimal as a JSON number, with at least one decimal place as a Java server does."""
    text = plain(value)
    return text if "." in text else text + ".0"


def plain(value: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def instant() -> str:
    """Return the present second as NetSuite writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def epoch_seconds() -> int:
    """Return the present second as a number."""
    return time.time_ns() // 1_000_000_000
