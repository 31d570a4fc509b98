"""Runs vectors through the production code and says where it comes to something else."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tollbook.errors import Failure, Rejected
from tollbook.masterdata.problems import suggestion
from tollbook.vectors.case import Case
from tollbook.vectors.compare import differences
from tollbook.vectors.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Outcome:
    """A vector with what the production code made of it; `problems` is empty when it agrees."""

    case: Case
    problems: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether production code and vector agree."""
        return not self.problems


def check(cases: Iterable[Case]) -> list[Outcome]:
    """Run each case on its own; one that cannot be run has a problem like any other."""
    return [Outcome(case, tuple(_problems(case))) for case in cases]


def _problems(case: Case) -> list[str]:
    try:
        found = compute(case)
    except Failure as failure:
        wanted = case.expect.get("error")
        if wanted == failure.code:
            return []
        return [f"it is refused: {failure}" + (f", not with {wanted}" if wanted else "")]
    if "error" in case.expect:
        return [f"it is not refused with {case.expect['error']}"]
    return differences(case.expect, found)


def compute(case: Case) -> dict[str, Any]:
    """Return all that the production code finds for a case; Failure when it refuses."""
    run = KINDS.get(case.kind)
    if run is None:
        hint = suggestion(case.kind, sorted(KINDS)) or f" There are {', '.join(sorted(KINDS))}."
        raise Rejected("vectors.unknown_kind", f"{case.kind!r} is not a kind of vector.{hint}")
    return run(case.given)
