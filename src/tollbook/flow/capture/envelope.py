"""The CloudEvents 1.0 envelope: which attributes an event must carry, and how they are read.

Nearly every event takes the short way (`Quick`): a typed decode that accepts only what is surely
right. Everything else takes the long way, which knows every rule and says what is wrong.
"""

import base64
import binascii
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from re import compile as compile_pattern
from typing import Annotated, Any, Final, Literal

import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import (
    canonical,
    holds_nul,
    read_object,
    refuse_repeated_names,
)

EVENT_BYTES_MAX: Final = 1_000_000
ATTRIBUTE_BYTES_MAX: Final = 1024
SPEC_VERSION: Final = "1.0"
_BACKSLASH: Final = ord("\\")
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Cn"})
# Zero-width, bidirectional and other format characters, line separators, and characters of private
# use, which have no shape: two ids that differ in them look alike.
_INVISIBLE_CATEGORIES: Final = frozenset({"Cf", "Co", "Zl", "Zp"})
# So do those that differ in a joiner, a filler, a blank or a variation selector, which Unicode counts
# as marks, letters and symbols.
_BLANK: Final = compile_pattern(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


_ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=ATTRIBUTE_BYTES_MAX // 4)]


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What an event says, read and checked. `occurred_at` is in UTC; `data_json` is canonical."""

    source: str
    id: str
    type: str
    subject: str
    occurred_at: datetime
    data: dict[str, Any]
    data_json: bytes


class Quick(msgspec.Struct, gc=False):
    """An event of the usual form, of which nothing was checked yet but the form."""

    specversion: Literal["1.0"]
    id: _ShortText
    source: _ShortText
    type: _ShortText
    subject: _ShortText
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] | None = None


def is_wholly_read(raw: bytes, event: Quick, data_json: bytes) -> bool:
    """Tell whether an event says nothing but what was read of it, each name once.

    Without escapes every string has two quotes. More quotes than those we read are attributes we
    did not read, or a name that stands twice.
    """
    quotes = _QUOTES_OF_NAMES + data_json.count(b'"')
    if event.datacontenttype is not None:
        quotes += _QUOTES_OF_CONTENT_TYPE
    return raw.count(b'"') == quotes and _BACKSLASH not in raw


def read_any(raw: bytes) -> Envelope:
    """Read an event by all the rules; Rejected names the one that it breaks.

    Its ids hold the source and id of the event as far as these could be read.
    """
    event = read_object(raw)
    try:
        refuse_repeated_names(raw)
        return _read_attributes(event)
    except Rejected as refusal:
        refusal.ids.update(_identity_hint(event))
        raise


def _read_attributes(event: Mapping[str, Any]) -> Envelope:
    if event.get("specversion") != SPEC_VERSION:
        raise Rejected(
            "capture.unsupported_specversion",
            f"specversion must be {SPEC_VERSION!r}; it is {_shown(event.get('specversion'))}.",
        )
    _refuse_sampled(event)
    data = _read_data(event)
    data_json = canonical(data)
    if holds_nul(data_json):
        raise Rejected("capture.text_invalid", "data holds the character U+0000: remove it.")
    return Envelope(
        source=_attribute(event, "source"),
        id=_attribute(event, "id"),
        type=_attribute(event, "type"),
        subject=_attribute(event, "subject"),
        occurred_at=_read_time(_attribute(event, "time")),
        data=data,
        data_json=data_json,
    )


def _identity_hint(event: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value
        for name in ("source", "id")
        if isinstance(value := event.get(name), str) and _is_plain(value)
    }


def _attribute(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if value is None or value == "":
        raise Rejected(f"capture.missing_{name}", f"The event has no {name}: send it with one.")
    if not isinstance(value, str):
        raise Rejected(
            "capture.invalid_attribute", f"{name} must be a string, {_shown(value)} is not."
        )
    if len(value) > ATTRIBUTE_BYTES_MAX or len(value.encode()) > ATTRIBUTE_BYTES_MAX:
        raise Rejected(
            "capture.too_long", f"{name} is longer than {ATTRIBUTE_BYTES_MAX} bytes: shorten it."
        )
    if not _is_plain(value):
        raise Rejected(
            "capture.text_invalid", f"{name} holds a control character: send readable text."
        )
    if (hidden := _invisible(value)) is not None:
        raise Rejected(
            "capture.invisible_character",
            f"{name} holds U+{ord(hidden):04X}, which nobody sees: send it without.",
        )
    return value


def _is_plain(text: str) -> bool:
    # isprintable() is the fast answer for nearly all; it also refuses some spaces, which we take.
    return text.isprintable() or not any(
        unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in text
    )


def _invisible(text: str) -> str | None:
    if text.isascii():
        return None
    if (blank := _BLANK.search(text)) is not None:
        return blank[0]
    if text.isprintable():
        return None
    return next((c for c in text if unicodedata.category(c) in _INVISIBLE_CATEGORIES), None)


def _read_time(text: str) -> datetime:
    try:
        moment = msgspec.convert(text, datetime)
        if moment.tzinfo is UTC:
            return moment
        if moment.tzinfo is None:
            raise ValueError("it has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(
            "capture.invalid_time",
            f"time must be an RFC 3339 instant with its zone, like 2023-11-16T18:17:03Z, "
            f"not {_shown(text)}.",
        ) from None


def _read_data(event: Mapping[str, Any]) -> dict[str, Any]:
    if "datacontenttype" in event and not is_json_type(event["datacontenttype"]):
        raise Rejected(
            "capture.unsupported_content_type",
            f"data must be JSON; datacontenttype says {_shown(event['datacontenttype'])}.",
        )
    if event.get("data_base64") is not None:
        return _read_base64(event)
    data = event.get("data")
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Rejected(
            "capture.schema_mismatch", f"data must be a JSON object, {_shown(data)} is not."
        )
    return data


def is_json_type(content_type: object) -> bool:
    """Tell whether a media type is JSON: application/json or any type that ends in +json."""
    if not isinstance(content_type, str):
        return False
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in {"application/json", "text/json"} or media_type.endswith("+json")


def _read_base64(event: Mapping[str, Any]) -> dict[str, Any]:
    encoded = event["data_base64"]
    if event.get("data") is not None or not isinstance(encoded, str):
        raise Rejected(
            "capture.invalid_attribute", "An event has either data or data_base64, which is text."
        )
    try:
        return read_object(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        raise Rejected("capture.invalid_attribute", "data_base64 is not valid base64.") from None


def _refuse_sampled(event: Mapping[str, Any]) -> None:
    # CloudEvents sampling extension: one event stands for N. Billing it as one would be wrong, and
    # as N a guess.
    rate = event.get("sampledrate")
    if rate is not None and str(rate) != "1":
        raise Rejected(
            "capture.sampled",
            f"sampledrate is {_shown(rate)}: sampled events are not billable, send every event.",
        )


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:100]


# The names and values of the six attributes, and the name of data.
_QUOTES_OF_NAMES: Final = 6 * 4 + 2
_QUOTES_OF_CONTENT_TYPE: Final = 4

QUICK: Final = msgspec.json.Decoder(Quick)
