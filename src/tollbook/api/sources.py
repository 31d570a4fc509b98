"""Refuses events of a source that a caller may not speak for, before anything is stored."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tollbook.access.keys import Caller
from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import BYTE_ORDER_MARK


class _Said(msgspec.Struct):
    source: Any = None


_DECODER: Final = msgspec.json.Decoder(_Said)


def require_sources(caller: Caller, raws: Sequence[bytes]) -> None:
    """Refuse structured events unless the caller may send those of their sources.

    An event that cannot be read, or has no source that is text, passes: admission refuses it.
    """
    for index, raw in enumerate(raws):
        source = _source(raw)
        if isinstance(source, str) and not source.startswith(caller.sources):
            raise Rejected(
                "api.source_not_allowed",
                f"Event {index} is of source {source[:100]!r}; {caller.name!r} may send those that "
                f"start with {', '.join(caller.sources)[:500]}. Nothing of this request was stored.",
                index=str(index),
            )


def _source(raw: bytes) -> object:
    try:
        return _DECODER.decode(raw.removeprefix(BYTE_ORDER_MARK)).source
    except (ValueError, RecursionError):
        return None
