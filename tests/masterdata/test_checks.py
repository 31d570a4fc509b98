"""Every rule of master data has a document that breaks it, in tests/vectors/masterdata."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tollbook.masterdata.plan import Plan
from tollbook.masterdata.problems import Problem

VECTORS = Path(__file__).parents[1] / "vectors" / "masterdata"


def _cases() -> list[Any]:
    return [
        pytest.param(
            case["yaml"],
            case["problems"],
            case.get("warnings", []),
            id=f"{file.stem}: {case['why']}",
        )
        for file in sorted(VECTORS.glob("*.yaml"))
        if file.stem != "base"
        for case in yaml.safe_load(file.read_text())
    ]


def named(problems: Iterable[Problem]) -> list[str]:
    return sorted(
        f"{p.code.removeprefix('masterdata.')}:{p.place.line if p.place.source == 'case' else 'base'}"
        for p in problems
    )


@pytest.mark.parametrize(("text", "problems", "warnings"), _cases())
def test_a_document_has_exactly_the_problems_that_its_vector_names(
    text: str, problems: list[str], warnings: list[str], plan_on_nothing: Callable[[str], Plan]
) -> None:
    planned = plan_on_nothing(text)

    assert named(planned.problems) == sorted(problems), [str(p) for p in planned.problems]
    assert named(planned.warnings) == sorted(warnings), [str(p) for p in planned.warnings]


def test_every_problem_is_a_sentence_that_names_its_record(
    plan_on_nothing: Callable[[str], Plan],
) -> None:
    planned = plan_on_nothing(
        "customers: [{id: bob, name: Bob, jurisdiction: DE, subjects: [ada]}]"
    )

    (problem,) = planned.problems

    assert str(problem.place) == "case:1"
    assert problem.message.startswith("customer bob: subject 'ada' also means customer ada")


def test_a_misspelled_key_comes_with_the_key_that_was_meant(
    plan_on_nothing: Callable[[str], Plan],
) -> None:
    planned = plan_on_nothing("meters: [{id: m, event_type: call, agregation: count, unit: call}]")

    messages = [p.message for p in planned.problems if p.code == "masterdata.unknown_key"]

    assert messages == ["'agregation' is not known here. Did you mean 'aggregation'?"]
