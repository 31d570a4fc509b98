"""Invoice lines: what a charge bills after what was billed before, and what it is called."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from books import SUPPORT, TOKENS, charge
from tollbook.flow.invoice.describe import description
from tollbook.flow.invoice.numbering import document_number
from tollbook.flow.invoice.settlement import Billed, Settlement, settle_in_turn
from tollbook.flow.invoice.states import TRANSITIONS, Signal, State, accepts, advance
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.values.ids import ChargeId
from tollbook.values.money import Money, Precise, settle
from tollbook.values.period import Period, midnight

VECTORS = Path(__file__).parents[1] / "vectors" / "invoice"
PRODUCTS = {product.product_id: product for product in (TOKENS, SUPPORT)}

small_amounts = st.decimals(min_value=-1000, max_value=1000, places=6, allow_nan=False)


def cases(name: str) -> list[Any]:
    found = yaml.safe_load((VECTORS / f"{name}.yaml").read_text())
    return [pytest.param(case, id=case["why"]) for case in found]


def billed_one_by_one(charges: list[RatedCharge]) -> list[Settlement]:
    """Settle each charge on its own document, after those before it were issued."""
    billed: dict[Obligation, Billed] = {}
    settled = []
    for one in charges:
        [settlement] = settle_in_turn([one], billed)
        before = billed.get(obligation_key(one))
        exact = before.exact + one.charge.amount if before else one.charge.amount
        money = before.money + settlement.amount if before else settlement.amount
        billed[obligation_key(one)] = Billed(exact, money)
        settled.append(settlement)
    return settled


@pytest.mark.parametrize("case", cases("settlement"))
def test_a_line_bills_what_brings_the_obligation_to_its_settled_truth(case: dict[str, Any]) -> None:
    charges = [
        charge(
            amount,
            currency=case.get("currency", "USD"),
            rounding=case.get("rounding", "half_even"),
        )
        for amount in case["charges"]
    ]

    settled = billed_one_by_one(charges)

    assert [f"{one.amount.major:f}" for one in settled] == case["lines"]
    assert [one.residue for one in settled] == [Decimal(text) for text in case["residues"]]


@given(st.lists(small_amounts, min_size=1, max_size=8))
def test_lines_always_sum_to_the_settled_sum_of_their_charges(amounts: list[Decimal]) -> None:
    charges = [charge(str(amount)) for amount in amounts]

    one_document = settle_in_turn(charges, {})
    many_documents = billed_one_by_one(charges)

    truth = settle(Precise(sum(amounts, Decimal(0)), "USD")).money
    assert sum(one.amount.minor for one in one_document) == truth.minor
    assert [one.amount for one in many_documents] == [one.amount for one in one_document]
    for one in one_document:
        assert one.charge.amount.value == one.amount.major + one.residue


def test_two_obligations_are_settled_apart() -> None:
    halves = [charge("0.005", product_id="tokens"), charge("0.005", product_id="seats")]

    settled = settle_in_turn(halves, {})

    assert [one.amount for one in settled] == [Money(0, "USD"), Money(0, "USD")]


@pytest.mark.parametrize("case", cases("description"))
def test_a_line_says_what_how_much_and_when(case: dict[str, Any]) -> None:
    start, end = (midnight(day) for day in case["days"])
    rated = charge(
        "1",
        kind=case["kind"],
        product_id=case["product"],
        quantity=case["quantity"],
        period=Period(start, end),
        corrects=ChargeId("chg_first") if case.get("corrects") else None,
    )

    text = description(rated.charge, PRODUCTS.get(case["product"]))

    assert text == case["text"]


def test_numbers_name_the_entity_and_the_series() -> None:
    assert document_number("US", "invoice", 1) == "US-000001"
    assert document_number("US", "credit_memo", 42) == "US-CM-000042"
    assert document_number("DE", "invoice", 1_000_000) == "DE-1000000"


def test_an_issued_document_accepts_no_signal() -> None:
    assert [signal for signal in Signal if accepts(State.ISSUED, signal)] == []


def test_every_other_state_leads_to_issued() -> None:
    reached = {State.ISSUED}
    for _ in State:
        reached |= {state for (state, _), target in TRANSITIONS.items() if target in reached}

    assert reached == set(State)


def test_a_signal_that_means_nothing_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="issue means nothing for a document that is draft"):
        advance(State.DRAFT, Signal.ISSUE)
