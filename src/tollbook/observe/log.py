"""Structured logs on standard error; secrets never reach them."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

HIDDEN: Final = "(hidden)"

_SECRET_WORDS: Final = ("password", "secret", "token", "authorization", "api_key")
# What secrets look like inside a text: user:password@host, and `password=...` of a database.
_SECRET_IN_TEXT: Final = re.compile(
    r"(?P<before>://[^\s:/@]*:|\bpassword=|\bBearer |\btbk_)(?P<secret>'[^']*'|[^\s@]+)",
    re.IGNORECASE,
)


def configure(log_format: str) -> None:
    """Send log lines to standard error, as `json` for machines or as `text` for people."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_to_standard_error,
    )


def logger(name: str) -> Any:
    """Return the logger of a part of the program."""
    return structlog.get_logger(part=name)


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace what a field's name or its look tells to be secret, however deep it lies."""
    return {key: _hidden(key, value) for key, value in event.items()}


def _hidden(key: str, value: Any) -> Any:
    if any(word in key.lower() for word in _SECRET_WORDS):
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_IN_TEXT.sub(rf"\g<before>{HIDDEN}", value)
    if isinstance(value, Mapping):
        return {inner: _hidden(str(inner), one) for inner, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(key, one) for one in value]
    return value


def _to_standard_error(*_: object) -> structlog.PrintLogger:
    # Asked for at each line: whoever replaced the stream meanwhile gets the line.
    return structlog.PrintLogger(sys.stderr)
