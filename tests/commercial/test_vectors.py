"""Every commercial vector through the production code, and the checking of vectors itself."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from commercial.slow_price import given_amount, given_slices, payable
from tollbook.cli import cli
from tollbook.errors import Rejected
from tollbook.vectors.case import Case, read_cases, read_paths
from tollbook.vectors.check import check

VECTORS = Path(__file__).parent.parent / "vectors" / "commercial"
CASES = read_paths([VECTORS])
SIMPLE = read_paths([VECTORS / "price"])

ONE = """
kind: price
given:
  price: {currency: USD, model: unit, unit_price: 0.10}
cases:
  - why: thirty times ten cents
    given: {quantity: 30}
    expect: {amount: AMOUNT, payable: 3.00, parts: ["units: 30 x 0.1 = 3"]}
"""


def _id(case: Case) -> str:
    return f"{Path(case.file).stem}:{case.line} {case.name}"


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_production_comes_to_what_the_vector_says(case: Case) -> None:
    [outcome] = check([case])

    assert outcome.problems == ()


@pytest.mark.parametrize("case", SIMPLE, ids=_id)
def test_the_slow_model_of_prices_agrees_with_every_vector(case: Case) -> None:
    if "error" in case.expect:
        return
    assert "amount" in case.expect or "slices" in case.expect

    exact = given_amount(case.given)

    if "amount" in case.expect:
        assert exact == Fraction(case.expect["amount"])
    if "payable" in case.expect:
        assert payable(exact, case.given["price"]) == Fraction(case.expect["payable"])
    if "slices" in case.expect:
        assert given_slices(case.given) == [Fraction(one) for one in case.expect["slices"]]


@pytest.mark.parametrize("written", ["3", "3.0", "3.00"])
def test_numbers_are_compared_by_their_value(written: str) -> None:
    [outcome] = check(read_cases(ONE.replace("AMOUNT", written), "one.yaml"))

    assert outcome.is_right


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ONE.replace("AMOUNT", "3.01"), "amount is 3, not 3.01"),
        (ONE.replace("AMOUNT", "3").replace("30 x", "31 x"), "parts[0] is units: 30 x 0.1 = 3"),
        (ONE.replace("AMOUNT", "3, total: 3"), "total is not there: there are amount"),
        (ONE.replace("AMOUNT", "3, error: price.invalid"), "it is not refused with price.invalid"),
        (ONE.replace("AMOUNT", "3").replace("unit,", "unti,"), "it is refused: "),
        (ONE.replace("AMOUNT", "3").replace("quantity", "quanity"), "'quanity' is not known here"),
        (ONE.replace("AMOUNT", "3").replace("kind: price", "kind: prise"), "Did you mean 'price'?"),
    ],
)
def test_a_vector_that_does_not_agree_says_what_is_found(text: str, problem: str) -> None:
    [outcome] = check(read_cases(text, "one.yaml"))

    assert problem in " ".join(outcome.problems)


def test_a_refusal_that_is_expected_is_right() -> None:
    text = """
- kind: price
  why: no usage can be negative
  given: {price: {currency: USD, model: unit, unit_price: 1}, quantity: -1}
  expect: {error: price.invalid_quantity}
"""
    [outcome] = check(read_cases(text, "one.yaml"))

    assert outcome.is_right


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cases: [", "not YAML"),
        ("cases: {}", "a list of cases"),
        ("- given: {}\n  expect: {}", "has `why:`"),
        ("- why: x\n  given: {}\n  expect: {}", "has a `kind:`"),
        ("- why: x\n  why: y", "'why' is written twice"),
        ("- why: x\n  wyh: y", "'wyh' is not known here"),
    ],
)
def test_a_file_that_is_no_vectors_is_refused_by_its_line(text: str, reason: str) -> None:
    with pytest.raises(Rejected, match=r"\[vectors\.malformed\]") as refused:
        list(read_cases(text, "bad.yaml"))

    assert reason in refused.value.message
    assert "bad.yaml:" in refused.value.message


def test_the_command_line_tells_right_from_wrong(tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.yaml", tmp_path / "wrong.yaml"
    right.write_text(ONE.replace("AMOUNT", "3"))
    wrong.write_text(ONE.replace("AMOUNT", "4"))

    good = CliRunner().invoke(cli, ["vectors", "check", str(right)])
    bad = CliRunner().invoke(cli, ["vectors", "check", str(tmp_path)])
    told = CliRunner().invoke(cli, ["vectors", "check", "--json", str(wrong)])

    assert (good.exit_code, good.output) == (0, "1 vectors (1 price): 1 right, 0 wrong\n")
    assert bad.exit_code == 1
    assert f"WRONG  {wrong}:6  thirty times ten cents" in bad.output
    assert json.loads(told.output)[0]["problems"] == ["amount is 3, not 4"]
