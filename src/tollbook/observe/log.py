"""Structured logs on standard error; secrets never reach them."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_SECRET_WORDS: Final = ("password", "secret", "token", "authorization", "api_key")


def configure(*, is_json: bool) -> None:
    """Send log lines to standard error, as JSON for machines or as text for people."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def logger(name: str) -> Any:
    """Return the logger of a part of the program."""
    return structlog.get_logger(part=name)


def hide_secrets(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace the value of any field whose name tells that it is secret."""
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "(hidden)"
    return event
