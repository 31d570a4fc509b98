"""Every price model against a slow one, the laws of splitting, and the lines of a cloud bill."""

from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from commercial.drawn_prices import MODELS, drawn_price, drawn_usage
from commercial.slow_price import Unsaid, amount, given_slices, payable, use_of
from tollbook.errors import Rejected
from tollbook.flow.rate.accumulate import joined
from tollbook.flow.rate.evaluate import evaluate, price_of, slices
from tollbook.flow.rate.price import detail_parts, multiplied_out, slice_parts
from tollbook.flow.rate.ruled import commitment_of
from tollbook.flow.rate.used import detail_of
from tollbook.flow.rate.working import total
from tollbook.records.charge import PriceVersion
from tollbook.values.codec import ABSENT, content_hash, from_json, to_json
from tollbook.values.money import Precise, settle
from tollbook.values.proration import part_amount

PRICES, USAGES = 250, 40


@pytest.mark.parametrize("model", MODELS)
def test_ten_thousand_cases_of_each_model_agree_with_the_slow_one(model: str) -> None:
    random = Random(f"prices of {model}")
    for _ in range(PRICES):
        written = drawn_price(random, model)
        price = price_of(written)
        for _ in range(USAGES):
            used = drawn_usage(random, written)

            parts = detail_parts(detail_of(used), price)

            exact = total(part.amount for part in parts)
            wanted = amount(written, use_of(used))
            assert Fraction(exact) == wanted, (written, used)
            settled = settle(Precise(exact, price.currency), price.rounding)
            assert Fraction(settled.money.major) == payable(wanted, written), (written, used)
            for one in parts:
                assert one.amount == part_amount(one.quantity, one.unit_price, one.per)


@pytest.mark.parametrize("model", MODELS)
def test_any_split_of_a_span_sums_to_the_whole(model: str) -> None:
    random = Random(f"splits of {model}")
    for _ in range(40):
        written = drawn_price(random, model)
        usages = [drawn_usage(random, written) for _ in range(random.randint(1, 5))]
        if any("-" in str(usage) for usage in usages):
            continue

        found = slices(written, usages)

        price = price_of(written)
        whole = detail_of(usages[0])
        for usage in usages[1:]:
            whole = joined(whole, detail_of(usage))
        exact = total(part.amount for part in detail_parts(whole, price))
        assert total(one.charge.amount.value for one in found) == exact, (written, usages)
        payables = total(one.payable.major for one in found)
        assert payables == settle(Precise(exact, price.currency), price.rounding).money.major
        assert all(multiplied_out(one.charge) == one.charge for one in found)
        sliced = given_slices({"price": written, "split": usages})
        assert [Fraction(one.charge.amount.value) for one in found] == sliced, (written, usages)


def test_windows_come_to_what_is_utilised_beyond_and_missing() -> None:
    random = Random("windows")
    seen = 0
    while seen < 500:
        written = drawn_price(random, random.choice(("unit", "graduated", "package")))
        bare = {k: v for k, v in written.items() if k in {"currency", "model", "tiers", "per"}}
        bare |= {k: written[k] for k in ("unit_price", "commitment") if k in written}
        if "commitment" not in written:
            continue
        seen += 1
        used = detail_of(drawn_usage(random, written | {"negative_usage": "refuse"}))

        found = commitment_of(used, price_of(bare))

        assert found is not None
        charge = total(part.amount for part in detail_parts(used, price_of(bare)))
        assert charge == found.utilised + found.overage + found.true_up, (bare, used)


def test_a_slice_shows_only_the_tiers_that_were_passed_in_it() -> None:
    price = price_of(
        {
            "currency": "USD",
            "model": "graduated",
            "tiers": [{"up_to": "100", "unit_price": "1"}, {"unit_price": "0.5"}],
        }
    )

    parts = slice_parts(detail_of("60"), price, before=detail_of("90"))
    later = slice_parts(detail_of("60"), price, before=detail_of("150"))

    assert {one.label: int(one.quantity) for one in parts} == {"up to 100": 10, "above 100": 50}
    assert {one.label: int(one.quantity) for one in later} == {"above 100": 60}


def test_a_price_without_rules_hashes_to_what_it_always_did() -> None:
    price = price_of({"currency": "USD", "model": "unit", "unit_price": "0.1"})

    assert price.rules is ABSENT
    assert content_hash(price) == (
        "1b0a0d102ab4509fff5fed189637421bea744375326b3b70ac84f5a948371154"
    )
    assert from_json(to_json(price), PriceVersion) == price


def test_a_price_with_rules_is_stored_and_read_again() -> None:
    random = Random("stored")
    for model in MODELS:
        price = price_of(drawn_price(random, model))

        assert from_json(to_json(price), PriceVersion) == price


def test_the_slow_model_refuses_what_cannot_be_known() -> None:
    price: dict[str, Any] = {"currency": "USD", "model": "unit", "unit_price": "1"}

    with pytest.raises(Unsaid):
        amount(price, use_of("-1"))


def test_each_row_of_a_cloud_bill_is_quantity_times_list_price() -> None:
    """974 rows, as the bill of a cloud has them: quantities and prices with up to 11 decimals."""
    random = Random("a cloud bill")
    for _ in range(974):
        quantity = _decimal(random, digits=random.randint(1, 7))
        list_price = _decimal(random, digits=random.randint(0, 3))
        price = {"currency": "USD", "model": "unit", "unit_price": str(list_price)}

        charge = evaluate(price, str(quantity))

        exact = Fraction(quantity) * Fraction(list_price)
        assert Fraction(charge.amount.value) == exact
        settled = settle(charge.amount, charge.rounding)
        assert Fraction(settled.money.major) + Fraction(settled.residue) == exact


def _decimal(random: Random, *, digits: int) -> Decimal:
    decimals = random.randint(0, 11)
    whole = random.randrange(10**digits)
    return (
        Decimal(f"{whole}.{random.randrange(10**decimals):0{decimals}d}")
        if decimals
        else (Decimal(whole))
    )


def test_the_longest_formula_with_every_step_stays_exact() -> None:
    steps: list[Any] = ["price", *({"factor": "1.000000000001"} for _ in range(19))]
    price = {
        "currency": "USD",
        "model": "expression",
        "expression": " * ".join(["quantity"] * 9),
        "steps": steps,
    }

    exact = evaluate(price, "99999999999999999999999999.999999999999")

    assert Fraction(exact.amount.value) == amount(
        price, use_of("99999999999999999999999999.999999999999")
    )


def test_a_bill_in_a_price_book_for_any_unit_is_the_same_to_the_last_digit() -> None:
    price = {"currency": "USD", "model": "unit", "unit_price": "0.00000000001", "per": "1000000"}

    charge = evaluate(price, "1.23456789012")

    assert Fraction(charge.amount.value) == Fraction("1.23456789012") / 10**17


def test_an_amount_with_more_digits_than_are_kept_is_refused_and_not_rounded() -> None:
    steps: list[Any] = [*({"convert": {"divide_by": str(2**49)}} for _ in range(19)), "price"]
    price = {"currency": "USD", "model": "expression", "expression": "quantity * quantity"}

    with pytest.raises(Rejected, match="not_exact"):
        evaluate(price | {"steps": steps}, "0.000000000001")
