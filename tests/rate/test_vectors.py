"""Every amount rule against its vectors: `tests/vectors/rate/*.yaml`, readable by finance."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from rate.vectors import NOVEMBER, cases
from tollbook.flow.rate.commit import overage_parts, shortfall_parts
from tollbook.flow.rate.difference import Earlier, decide
from tollbook.flow.rate.price import multiplied_out
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.working import total
from tollbook.records.charge import Charge, ChargePart, PriceVersion
from tollbook.records.commercial import Commitment
from tollbook.values.ids import ChargeId, CustomerId, EntityId
from tollbook.values.money import Precise, money_of
from tollbook.values.quantity import plain


@pytest.mark.parametrize("case", cases("commit"))
def test_a_commitment_owes_what_the_vector_says(case: dict[str, Any]) -> None:
    commitment = Commitment(**{k: Decimal(v) for k, v in case["commitment"].items()})
    used = money_of(Decimal(case["used"]), "USD")

    shortfall = total(part.amount for part in shortfall_parts(commitment, used))
    overage = total(part.amount for part in overage_parts(commitment, used))

    assert (shortfall, overage) == (Decimal(case["shortfall"]), Decimal(case["overage"]))
    # Independent: usage + what is added is never below the commitment.
    missing = Fraction(case["commitment"]["monthly_amount"]) - Fraction(case["used"])
    assert Fraction(shortfall) == max(missing, Fraction(0))


@pytest.mark.parametrize("case", cases("difference"))
def test_a_truth_told_again_writes_what_the_vector_says(case: dict[str, Any]) -> None:
    history: list[Earlier] = []
    for telling in case["tellings"]:
        truth = Decimal(telling["truth"])

        decision = decide(_rated(truth), history)

        assert _amount(decision.write) == telling["writes"]
        assert bool(decision.supersede) == (telling["replaces"] == "yes")
        history = [
            replace(one, is_superseded=True)
            if one.rated.charge.charge_id in decision.supersede
            else one
            for one in history
        ]
        if decision.write is not None:
            history.append(Earlier(decision.write))
        counting = [one.rated.charge for one in history if not one.is_superseded]
        assert total(charge.amount.value for charge in counting) == truth
        assert all(multiplied_out(charge) == charge for charge in counting)
        if telling.get("billed") == "yes":
            history = [replace(one, is_billed=not one.is_superseded) for one in history]
    ids = [one.rated.charge.charge_id for one in history]
    assert len(ids) == len(set(ids))


def _rated(truth: Decimal) -> RatedCharge:
    parts = (ChargePart("units", truth, Decimal(1), truth),)
    charge = Charge(
        charge_id=ChargeId(f"chg_{plain(truth)}"),
        customer_id=CustomerId("acme"),
        price_version_id="p@1",
        period=NOVEMBER.period,
        amount=Precise(truth, "USD"),
        parts=parts,
        quantity=truth,
    )
    return RatedCharge(charge, EntityId("us"), NOVEMBER, PriceVersion("p@1", "USD"))


def _amount(rated: RatedCharge | None) -> str:
    return "none" if rated is None else plain(rated.charge.amount.value)
