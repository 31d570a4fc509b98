"""Check amounts that finance wrote down against the code that computes them in production."""

import json
import sys
from collections import Counter
from pathlib import Path

import click

from tollbook.vectors.case import read_paths
from tollbook.vectors.check import Outcome, check
from tollbook.vectors.compare import shown
from tollbook.vectors.kinds import KINDS


@click.group()
def vectors() -> None:
    """Check amounts you wrote down against the production code."""


@vectors.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--only", "kind", help="Only cases of this kind.")
@click.option("--verbose", is_flag=True, help="Show cases that are right too.")
@click.option("--json", "is_json", is_flag=True, help="Write JSON.")
def check_command(
    files: tuple[Path, ...], kind: str | None, *, verbose: bool, is_json: bool
) -> None:
    """Run the vectors in FILES, and in directories of them, through the production code.

    Nothing is stored and no database is needed. The exit code is 1 when a vector does not agree.
    """
    cases = [case for case in read_paths(list(files)) if kind is None or case.kind == kind]
    outcomes = check(cases)
    if is_json:
        click.echo(json.dumps([_written(outcome) for outcome in outcomes], indent=2))
    else:
        click.echo("\n".join(_lines(outcomes, verbose=verbose)))
    sys.exit(0 if all(outcome.is_right for outcome in outcomes) else 1)


@vectors.command("kinds")
def kinds_command() -> None:
    """List the kinds of vectors there are."""
    for name in sorted(KINDS):
        click.echo(name)


def _lines(outcomes: list[Outcome], *, verbose: bool) -> list[str]:
    lines = []
    for outcome in outcomes:
        case = outcome.case
        if outcome.is_right and not verbose:
            continue
        mark = "right" if outcome.is_right else "WRONG"
        lines.append(f"{mark}  {case.file}:{case.line}  {case.name}")
        lines += [f"       {problem}" for problem in outcome.problems]
        if not outcome.is_right:
            lines.append(f"       expected {shown(case.expect)} because: {case.why}")
    kinds = Counter(outcome.case.kind for outcome in outcomes)
    wrong = sum(not outcome.is_right for outcome in outcomes)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
    return [
        *lines,
        f"{len(outcomes)} vectors ({told}): {len(outcomes) - wrong} right, {wrong} wrong",
    ]


def _written(outcome: Outcome) -> dict[str, object]:
    case = outcome.case
    return {
        "file": case.file,
        "line": case.line,
        "name": case.name,
        "kind": case.kind,
        "right": outcome.is_right,
        "problems": list(outcome.problems),
    }
