"""The register of work item codes: who owns each, whether it stops the close, what to do."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, cast

from tollbook.records.control import Stage


@dataclass(frozen=True, slots=True)
class Code:
    """A stable code with its routing. `action` tells a finance person what closes it."""

    code: str
    owner: str
    blocks_close: bool
    action: str

    @property
    def stage(self) -> Stage:
        """The stage that raises it: the first word of the code."""
        return cast("Stage", self.code.partition(".")[0])


def _read() -> dict[str, Code]:
    text = files("tollbook.worklist").joinpath("codes.toml").read_text()
    return {code: Code(code, **routing) for code, routing in tomllib.loads(text).items()}


CODES: Final = _read()
