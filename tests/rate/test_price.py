"""Laws of prices: what holds for every quantity, checked against a slow model."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rate.slow_model import amount, payable
from rate.vectors import usage
from tollbook.errors import Rejected
from tollbook.flow.rate.evaluate import price_of
from tollbook.flow.rate.package import package
from tollbook.flow.rate.price import price_parts, price_usage
from tollbook.flow.rate.tiers import graduated, unit, volume
from tollbook.masterdata.check_prices import price_problems
from tollbook.records.charge import PriceVersion, Tier
from tollbook.values.money import ROUNDINGS, settle
from tollbook.values.quantity import plain

amounts = st.decimals(0, 1000, places=6, allow_nan=False, allow_infinity=False)
quantities = st.one_of(
    st.integers(0, 300).map(Decimal),
    st.decimals(0, 10**9, places=12, allow_nan=False, allow_infinity=False),
)
edges = st.lists(st.integers(1, 200), unique=True, max_size=4).map(sorted)


@st.composite
def prices(draw: st.DrawFn, *models: str) -> dict[str, Any]:
    """Draw a price as it is written in a file."""
    model = draw(st.sampled_from(models))
    price: dict[str, Any] = {"currency": "USD", "model": model}
    if model == "flat":
        return price | {"amount": plain(draw(amounts))}
    if draw(st.booleans()):
        price["included"] = str(draw(st.integers(0, 50)))
    if draw(st.booleans()):
        price["minimum"] = plain(draw(amounts))
    price["rounding"] = draw(st.sampled_from(ROUNDINGS))
    if model in {"unit", "package"}:
        price["unit_price"] = plain(draw(amounts))
        sizes = ["1", "7", "60", "1.5"] if model == "package" else ["1", "1000", "1024"]
        return price | {"per": draw(st.sampled_from(sizes))}
    tiers = [_tier(draw, str(edge)) for edge in draw(edges)]
    return price | {"tiers": [*tiers, _tier(draw, None)]}


def _tier(draw: st.DrawFn, up_to: str | None) -> dict[str, str]:
    tier = {"unit_price": plain(draw(amounts))}
    if draw(st.booleans()):
        tier["flat_amount"] = plain(draw(amounts))
    return tier if up_to is None else tier | {"up_to": up_to}


@given(prices("flat", "unit", "graduated", "volume", "package"), quantities)
def test_every_model_agrees_with_the_slow_one(price: dict[str, Any], quantity: Decimal) -> None:
    charge = price_usage(usage(quantity), price_of(price, name="p"))

    exact = amount(price, Fraction(quantity))
    assert Fraction(charge.amount.value) == exact
    settled = settle(charge.amount, charge.rounding)
    assert Fraction(settled.money.minor, 100) == payable(exact, 2, charge.rounding)
    assert Fraction(settled.residue) == exact - Fraction(settled.money.minor, 100)


@given(prices("flat", "unit", "graduated", "package"), quantities, quantities)
def test_more_never_costs_less_except_by_volume(
    price: dict[str, Any], one: Decimal, other: Decimal
) -> None:
    version = price_of(price, name="p")
    less, more = sorted([one, other])

    cheaper, dearer = (price_usage(usage(q), version).amount.value for q in (less, more))

    assert cheaper <= dearer


@given(prices("graduated"), quantities, quantities)
def test_graduated_prices_add_up_along_the_quantity(
    price: dict[str, Any], one: Decimal, other: Decimal
) -> None:
    price = {key: value for key, value in price.items() if key not in {"minimum", "included"}}
    version = price_of(price, name="p")
    less, more = sorted([one, other])

    step = [graduated(usage(q), version).amount.value for q in (less, more)]

    between = amount(price, Fraction(more)) - amount(price, Fraction(less))
    assert Fraction(step[1]) - Fraction(step[0]) == between


@given(amounts, st.lists(quantities, max_size=6))
def test_a_unit_price_is_the_same_however_usage_is_split(
    price: Decimal, split: list[Decimal]
) -> None:
    version = PriceVersion("p@1", "USD", (Tier(None, price),), model="unit")

    whole = unit(usage(sum(split, Decimal(0))), version).amount.value

    parts = [Fraction(unit(usage(q), version).amount.value) for q in split]
    assert Fraction(whole) == sum(parts, Fraction(0))


@given(prices("flat", "unit", "graduated", "volume", "package"), quantities)
def test_the_parts_of_a_charge_sum_to_its_amount_and_its_id_repeats(
    price: dict[str, Any], quantity: Decimal
) -> None:
    version = price_of(price, name="p")

    charge, again = (price_usage(usage(quantity), version) for _ in range(2))

    assert charge == again
    parts = [Fraction(part.amount) for part in charge.parts]
    assert sum(parts, Fraction(0)) == Fraction(charge.amount.value)


@given(prices("unit", "graduated", "volume"), st.integers(0, 300))
def test_a_boundary_quantity_is_priced_in_the_tier_it_ends(
    price: dict[str, Any], quantity: int
) -> None:
    version = price_of(price, name="p")

    parts = price_parts(Decimal(quantity), version)

    counted = [part.quantity for part in parts if part.label.startswith(("up to", "above", "unit"))]
    free = min(quantity, int(price.get("included", 0)))
    assert sum(counted, Decimal(0)) == quantity - free


def test_the_id_of_a_charge_names_the_content_of_the_price() -> None:
    cheap = PriceVersion("p@1", "USD", (Tier(None, Decimal(1)),), model="unit")
    dear = PriceVersion("p@1", "USD", (Tier(None, Decimal(2)),), model="unit")

    ids = {price_usage(usage(Decimal(1)), price).charge_id for price in (cheap, dear)}

    assert len(ids) == 2


def test_each_model_has_its_own_door() -> None:
    price = {"currency": "USD", "unit_price": "5", "per": "10"}
    tiers = {"currency": "USD", "tiers": [{"up_to": "10", "unit_price": "2"}, {"unit_price": "1"}]}

    found = [
        unit(usage(Decimal(12)), price_of(price | {"model": "unit"}, name="p")),
        package(usage(Decimal(12)), price_of(price | {"model": "package"}, name="p")),
        graduated(usage(Decimal(12)), price_of(tiers | {"model": "graduated"}, name="p")),
        volume(usage(Decimal(12)), price_of(tiers | {"model": "volume"}, name="p")),
    ]

    assert [charge.amount.value for charge in found] == [6, 10, 22, 12]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"currency": "XXX"}, "currency"),
        ({"per": "3"}, "per"),
        ({"per": "0"}, "per"),
        ({"included": "-1"}, "included"),
        ({"minimum": "-0.01"}, "minimum"),
        ({"unit_price": "1000000000000000"}, "unit_price"),
        ({"flat_amount": "1"}, "flat_amount"),
        ({"model": "flat"}, "tiers"),
        ({"model": "percent"}, "model"),
        ({"unit_price": None, "tiers": []}, "tiers"),
        ({"unit_price": None, "tiers": [{"up_to": "5", "unit_price": "1"}]}, "tiers"),
        ({"unit_price": "a lot"}, "unit_price"),
        ({"unit_prize": "1"}, "unit_prize"),
        ({"rounding": "upwards"}, "rounding"),
    ],
)
def test_an_unsound_price_is_refused_by_the_name_of_its_field(
    changes: dict[str, Any], field: str
) -> None:
    price = {"currency": "USD", "model": "unit", "unit_price": "1"} | changes

    with pytest.raises(Rejected) as refusal:
        price_of({key: value for key, value in price.items() if value is not None}, name="p")

    assert refusal.value.code == "price.invalid"
    assert field in refusal.value.message


@pytest.mark.parametrize(
    ("up_to", "problem"),
    [
        (("10", "10", None), "tiers[1].up_to"),
        (("10", "5", None), "tiers[1].up_to"),
        ((None, "5", None), "tiers[0]"),
        (("0", None), "tiers[0].up_to"),
        (("10", "20"), "tiers[1].up_to"),
    ],
)
def test_tiers_must_rise_and_the_last_has_no_end(
    up_to: tuple[str | None, ...], problem: str
) -> None:
    tiers = tuple(Tier(Decimal(edge) if edge else None, Decimal(1)) for edge in up_to)

    found = price_problems(PriceVersion("p@1", "USD", tiers))

    assert any(sentence.startswith(problem) for sentence in found)


@settings(max_examples=50)
@given(prices("flat", "unit", "graduated", "volume", "package"))
def test_a_sound_price_rates_the_largest_quantity_exactly(price: dict[str, Any]) -> None:
    largest = Decimal("99999999999999999999999999.999999999999")

    charge = price_usage(usage(largest), price_of(price, name="p"))

    assert Fraction(charge.amount.value) == amount(price, Fraction(largest))
