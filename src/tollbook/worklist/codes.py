"""The register of work item codes: who owns each, whether it stops the close, what to do."""

from dataclasses import dataclass
from typing import Final

from tollbook.records.control import Stage


@dataclass(frozen=True, slots=True)
class Code:
    """A stable code with its routing. `action` tells a finance person what closes it."""

    code: str
    stage: Stage
    owner: str
    blocks_close: bool
    action: str


_ALL: Final = (
    Code(
        "capture.malformed_json",
        "capture",
        "engineering",
        False,
        "Correct the event's JSON and replay it, or discard it with a reason.",
    ),
)

CODES: Final[dict[str, Code]] = {code.code: code for code in _ALL}
