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
    """Return the CloudEvents attributes among the headers of a message.

    `prefix` is what the binding puts before their names. A structured event is in the body, whole:
    then, as for a message that is no CloudEvent at all, only `datacontenttype` is returned, if
    there is one. Other headers are left out.

    Rejected when an attribute is there twice: which one is meant is not for us to guess.
    """
    attributes: dict[str, str] = {}
    if not content_type.lower().startswith(STRUCTURED):
        for header, value in pairs:
            name = header.removeprefix(prefix)
            if not (header.startswith(prefix) and NAME.fullmatch(name)):
                continue
            if name in attributes:
                raise Rejected(
                    "capture.invalid_attribute",
                    f"The message carries the attribute {name} twice: have the sender write it "
                    "once.",
                )
            attributes[name] = value
    if "specversion" not in attributes:
        attributes = {}
    if content_type:
        attributes["datacontenttype"] = content_type
    return attributes
