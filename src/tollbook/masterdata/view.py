"""Versions and plans as JSON shows them, for the API and the command line."""

from typing import Any

from tollbook.masterdata.catalog import Version
from tollbook.masterdata.plan import Plan
from tollbook.masterdata.problems import Problem
from tollbook.values.codec import to_builtins


def version_view(version: Version, *, is_whole: bool = False) -> dict[str, Any]:
    """Return what identifies a version; with its record when asked for the whole."""
    shown = {
        "kind": version.kind,
        "key": version.key,
        "version": version.version,
        "effective_from": str(version.effective_from),
        "content_hash": version.content_hash,
    }
    return {**shown, "record": to_builtins(version.record)} if is_whole else shown


def plan_view(planned: Plan) -> dict[str, Any]:
    """Return what a plan would change, what it leaves, and what is wrong with it."""
    return {
        "changes": [
            {
                "action": change.action,
                **version_view(change.version),
                "place": str(change.place),
                "differences": to_builtins(change.differences),
            }
            for change in planned.changes
        ],
        "unchanged": planned.unchanged,
        "problems": [_problem_view(problem) for problem in planned.problems],
        "warnings": [_problem_view(warning) for warning in planned.warnings],
    }


def _problem_view(problem: Problem) -> dict[str, str]:
    return {"place": str(problem.place), "code": problem.code, "message": problem.message}
