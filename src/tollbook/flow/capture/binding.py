"""The CloudEvents HTTP binding: finds the events in a request, whatever mode they came in."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import BYTE_ORDER_MARK, canonical

EVENTS_MAX: Final = 100_000
# What is kept of a line that is longer, to show what it was: more than any event may have.
KEPT_BYTES_MAX: Final = 2_000_000
# Values between commas, or lines, in a request: each takes memory before events can be counted.
VALUES_MAX: Final = 2_000_000
# A broken batch that is nested deeper is not split any more: each mark would cost time.
SPLIT_DEPTH_MAX: Final = 250_000
# Of the ce- headers of an event in binary mode, all together.
HEADERS_MAX: Final = 64
HEADER_BYTES_MAX: Final = 32_000

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = frozenset({"application/x-ndjson", "application/jsonl", "application/x-jsonlines"})

_HEADER_PREFIX: Final = "ce-"
_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_TEXT: Final = rb'"(?:[^"\\]++|\\.)*+"'


def _group(inner: bytes) -> bytes:
    """Write a pattern of what stands between two brackets, possessive so that it never tries again."""
    return rb'[\[{](?:[^"\[\]{}]++|' + _TEXT + inner + rb")*+[\]}]"


# A whole event with its data is one match, as nearly all are no deeper; what is deeper is matched
# mark by mark.
_GROUPS_AND_MARKS: Final = re.compile(
    _group(b"|" + _group(b"|" + _group(b""))) + b"|" + _TEXT + rb'|["\[\]{},]', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The events of one request, each as structured JSON.

    `single` when it was one event, or a batch that could not be split and stands as one.
    """

    raws: Sequence[bytes]
    single: bool


def read_delivery(headers: Iterable[tuple[str, str]], body: bytes) -> Delivery:
    """Split a request into events; header names are in lower case.

    Rejected with `capture.unsupported_content_type` or `capture.too_many` when the request as a
    whole cannot be taken, `capture.headers_too_large` when its attributes are too many; what is
    wrong inside an event is left to admission.
    """
    pairs = list(headers)
    fields = dict(pairs)
    media_type, charset = _content_type(fields.get("content-type", ""))
    if charset not in {"utf-8", "us-ascii"}:
        raise _unsupported(f"the character set {charset}")
    if media_type == STRUCTURED:
        return Delivery([_kept(body)], single=True)
    if media_type == BATCH:
        return _read_batch(body)
    if media_type in LINES:
        _limit_values(body.count(b"\n") + body.count(b"\r"))
        return _limited([line for line in body.splitlines() if line.strip()])
    if any(name.startswith(_HEADER_PREFIX) for name in fields):
        attributes = [pair for pair in pairs if pair[0].startswith(_HEADER_PREFIX)]
        _limit_headers(attributes)
        raw = structured(fields, body)
        repeated = len(attributes) - len(dict(attributes))
        return Delivery([_repeating(raw, attributes) if repeated else raw], single=True)
    if media_type == "application/json":
        if body.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"[":
            return _read_batch(body)
        return Delivery([_kept(body)], single=True)
    raise _unsupported(media_type or "a request without a content type")


def structured(fields: dict[str, str], body: bytes) -> bytes:
    """Write an event in binary mode (attributes in ce- headers, data as body) as structured JSON."""
    event: dict[str, Any] = {
        name.removeprefix(_HEADER_PREFIX): _header_text(value)
        for name, value in fields.items()
        if name.startswith(_HEADER_PREFIX)
    }
    if fields.get("content-type"):
        event["datacontenttype"] = fields["content-type"]
    return with_data(event, body)


def with_data(attributes: Mapping[str, str], body: bytes) -> bytes:
    """Write an event whose attributes came beside its data, already decoded, as structured JSON."""
    event: dict[str, Any] = dict(attributes)
    event.pop("data", None)
    event.pop("data_base64", None)
    if not body:
        return canonical(event)
    try:
        event["data"] = _RAW.decode(body)
    except (ValueError, RecursionError):
        event["data_base64"] = base64.b64encode(body).decode()
    return canonical(event)


def _limit_headers(attributes: Sequence[tuple[str, str]]) -> None:
    size = sum(len(name) + len(value) for name, value in attributes)
    if len(attributes) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        raise Rejected(
            "capture.headers_too_large",
            f"An event has at most {HEADERS_MAX} ce- headers of {HEADER_BYTES_MAX} bytes together.",
        )


def _repeating(raw: bytes, attributes: Iterable[tuple[str, str]]) -> bytes:
    # Two headers of one name become two members of one name: admission refuses to choose.
    members = [
        canonical(name.removeprefix(_HEADER_PREFIX)) + b":" + canonical(_header_text(value))
        for name, value in attributes
    ]
    return b"{" + b",".join(members) + b"," + raw[1:]


def _content_type(text: str) -> tuple[str, str]:
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "charset":
            return media_type, value.strip().strip('"')
    return media_type, "utf-8"


def _header_text(value: str) -> str:
    # CloudEvents HTTP binding 3.1.3.2: percent-encoded UTF-8, and quotes are taken off.
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    # What is no UTF-8 becomes U+FFFF, which admission refuses as unreadable text.
    return unquote_to_bytes(text).decode(errors="replace").replace("\ufffd", "\uffff")


def _read_batch(body: bytes) -> Delivery:
    text = body.removeprefix(BYTE_ORDER_MARK)
    _limit_values(text.count(b","))
    try:
        return _limited([bytes(item) for item in _RAW_LIST.decode(text)])
    except (ValueError, RecursionError):
        # One event with a broken token must not take its neighbours with it.
        items = _split_by_brackets(text)
        return Delivery([_kept(body)], single=True) if items is None else _limited(items)


def _limited(raws: list[bytes]) -> Delivery:
    if len(raws) > EVENTS_MAX:
        raise Rejected(
            "capture.too_many", f"A request takes at most {EVENTS_MAX} events: send several."
        )
    return Delivery([_kept(raw) for raw in raws], single=False)


def _limit_values(count: int) -> None:
    if count > VALUES_MAX:
        raise Rejected(
            "capture.too_many_values",
            f"A request takes at most {VALUES_MAX} values or lines: send several.",
        )


def _kept(raw: bytes) -> bytes:
    # Of an event that is far too large, so much is kept as shows what it was.
    return raw if len(raw) <= KEPT_BYTES_MAX else raw[:KEPT_BYTES_MAX]


def _split_by_brackets(text: bytes) -> list[bytes] | None:
    # Where strings end and brackets match, the items of the array are certain.
    begin = len(text) - len(text.lstrip())
    if text[begin : begin + 1] != b"[":
        return None
    items: list[bytes] = []
    depth, start = 1, begin + 1
    for match in _GROUPS_AND_MARKS.finditer(text, start):
        mark = match[0]
        if mark == b'"' or depth > SPLIT_DEPTH_MAX:
            return None
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if depth == 0 or (mark == b"," and depth == 1):
            items.append(text[start : match.start()].strip())
            start = match.end()
        if depth == 0:
            is_array = mark == b"]" and not text[start:].strip()
            return items if is_array else None
        if len(items) > EVENTS_MAX:
            return items
    return None


def _unsupported(what: str) -> Rejected:
    return Rejected(
        "capture.unsupported_content_type",
        f"Events come as {STRUCTURED}, {BATCH}, one a line as application/x-ndjson, or with ce- headers; "
        f"this is {what}.",
    )
