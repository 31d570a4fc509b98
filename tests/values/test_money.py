"""Money: one door that rounds, parts that sum to the whole."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tollbook.values.money import ROUNDINGS, Money, Precise, minor_exponent, money_of, settle, split

VECTORS = Path(__file__).parents[1] / "vectors" / "values"

amounts = st.decimals(
    min_value=Decimal(-(10**15)), max_value=Decimal(10**15), allow_nan=False, places=9
)


def cases(name: str) -> list[Any]:
    found = yaml.safe_load((VECTORS / f"{name}.yaml").read_text())
    return [pytest.param(case, id=case["why"]) for case in found]


@pytest.mark.parametrize("case", cases("settle"))
def test_settle(case: dict[str, Any]) -> None:
    precise = Precise(Decimal(case["amount"]), case["currency"])

    settled = settle(precise, case.get("rounding", "half_even"))

    assert settled.money == Money(case["minor"], case["currency"])
    assert settled.residue == Decimal(case["residue"])


@pytest.mark.parametrize("case", cases("split"))
def test_split(case: dict[str, Any]) -> None:
    weights = [Decimal(weight) for weight in case["weights"]]

    parts = split(Money(case["minor"], "USD"), weights)

    assert [part.minor for part in parts] == case["parts"]


@given(amounts, st.sampled_from(ROUNDINGS), st.sampled_from(["USD", "JPY", "KWD"]))
def test_settling_loses_nothing_and_moves_less_than_one_minor_unit(
    value: Decimal, rounding: Any, currency: str
) -> None:
    settled = settle(Precise(value, currency), rounding)

    assert settled.money.major + settled.residue == value
    assert abs(settled.residue) < Decimal(1).scaleb(-minor_exponent(currency))


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any),
)
def test_splitting_loses_nothing_and_is_fair_to_one_unit(minor: int, weights: list[int]) -> None:
    parts = split(Money(minor, "EUR"), weights)

    assert sum(part.minor for part in parts) == minor
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor - Fraction(minor * weight, sum(weights))) < 1


def test_two_currencies_never_meet_in_one_sum() -> None:
    with pytest.raises(ValueError, match="cannot meet in one sum"):
        Money(1, "USD") + Money(1, "EUR")
    with pytest.raises(ValueError, match="cannot meet in one sum"):
        Precise(Decimal(1), "USD") - Precise(Decimal(1), "EUR")


@pytest.mark.parametrize("currency", ["usd", "XXX", "", "EURO"])
def test_a_currency_outside_iso_4217_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="ISO 4217"):
        Money(1, currency)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_an_amount_must_be_finite(value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        Precise(Decimal(value), "USD")


def test_money_of_refuses_to_round() -> None:
    assert money_of(Decimal("1.10"), "USD") == Money(110, "USD")
    with pytest.raises(ValueError, match="more decimals"):
        money_of(Decimal("1.101"), "USD")


@pytest.mark.parametrize("weights", [[], [0, 0], [-1, 2]])
def test_weights_that_cannot_divide_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(Money(100, "USD"), weights)


def test_money_reads_as_people_write_it() -> None:
    assert str(Money(1234567, "USD")) == "12,345.67 USD"
    assert str(Money(1234567, "JPY")) == "1,234,567 JPY"
