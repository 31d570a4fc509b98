"""Tells which CloudEvents attributes a message carries beside its body, in any protocol binding."""

import re
from collections.abc import Iterable
from typing import Final

from tollbook.errors import Rejected

STRUCTURED: Final = "application/cloudevents"
NAME: Final = re.compile("[a-z0-9]+")


def carried(
    pairs: Iterable[tuple[str, str]], *, prefix: str, content_type: str = ""
) -> dict[str, str]:
    """Return the CloudEvents attributes among the headers of a message; empty if it is none.

    `prefix` is what the binding puts before their names; other headers are left out. It is empty
    also for an event in structured mode, which is in the body, whole. `content_type` is that of
    the message, and becomes `datacontenttype`.

    Rejected when an attribute is there twice: which one is meant is not for us to guess.
    """
    if content_type.lower().startswith(STRUCTURED):
        return {}
    attributes: dict[str, str] = {}
    for header, value in pairs:
        name = header.removeprefix(prefix)
        if not (header.startswith(prefix) and NAME.fullmatch(name)):
            continue
        if name in attributes:
            raise Rejected(
                "capture.unreadable_record",
                f"The message carries the attribute {name} twice: have the sender write it once.",
            )
        attributes[name] = value
    if "specversion" not in attributes:
        return {}
    if content_type:
        attributes["datacontenttype"] = content_type
    return attributes
