"""Proration: the slow model agrees with every vector and on random ones; laws of fractions."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commercial import slow_proration as slow
from commercial.slow_calendar import starts
from rate.slow_model import payable
from tollbook.masterdata.check_billing import proration_of
from tollbook.values.money import EXACT, minor_exponent
from tollbook.values.period import Period
from tollbook.values.proration import (
    Proration,
    part_amount,
    prorated_parts,
    rounded,
    share_served,
)
from tollbook.vectors.case import Case, read_paths

VECTORS = Path(__file__).parent.parent / "vectors" / "commercial" / "proration"
CASES = [case for case in read_paths([VECTORS]) if "error" not in case.expect]
RANDOM_CASES = 10_000
ZONES = ["UTC", "Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia"]
BASES = [
    *(
        "second",
        "minute",
        "hour",
        "day_elapsed",
        "day",
        "day",
        "day_inclusive",
        "day_30_360_us",
        "day_30_360_eu",
    ),
    *("month_day", "full_period", "none"),
]


def _id(case: Case) -> str:
    return f"{Path(case.file).stem}:{case.line} {case.name}"


def _terms(said: Any) -> tuple[Fraction, Fraction]:
    if "amount" in said:
        return Fraction(1), Fraction(said["amount"])
    return Fraction(said.get("quantity", 1)), Fraction(said["unit_price"])


def _span(said: Any, zone: str) -> slow.Span:
    return slow.moment(said["from"], zone), slow.moment(said["until"], zone)


@pytest.mark.parametrize("case", [c for c in CASES if "change" not in c.given], ids=_id)
def test_the_slow_model_of_proration_agrees_with_every_vector(case: Case) -> None:
    zone = case.given.get("zone", "UTC")
    policy = slow.policy_of(case.given.get("proration", {}))
    served, whole = slow.spans(case.given, policy, zone)

    share = slow.counts(served, whole, policy, zone)

    exact = slow.amount(*share, policy, *_terms(case.given))
    cents = payable(
        exact,
        minor_exponent(case.given.get("currency", "USD")),
        case.given.get("rounding", "half_even"),
    )
    found = {"amount": exact, "payable": cents, "residue": exact - cents}
    found |= {"served": share[0], "whole": share[1], "fraction": share[0] / share[1]}
    found["factor"] = found["fraction"]
    twelve = {"decimals": 12, "rounding": "half_even"}
    for name in found.keys() & case.expect.keys():
        wanted = Fraction(case.expect[name])
        assert wanted in {found[name], slow.rounded(found[name], twelve)}, name


@pytest.mark.parametrize("case", [c for c in CASES if "change" in c.given], ids=_id)
def test_the_slow_model_agrees_with_every_change(case: Case) -> None:
    zone, change = case.given.get("zone", "UTC"), case.given["change"]
    policy = slow.policy_of(case.given["proration"])
    whole = _span(case.given["period"], zone)
    (old_quantity, old), (new_quantity, new) = _terms(case.given), _terms(change)
    timing = policy.get("credit", "now")

    credit = charge = Fraction(0)
    if new_quantity * new >= old_quantity * old or timing == "now":
        share = slow.counts((slow.moment(change["at"], zone), whole[1]), whole, policy, zone)
        credit = slow.amount(*share, policy, old_quantity, -old)
        rest = _span(change["period"], zone) if "period" in change else whole
        share = slow.counts((slow.moment(change["at"], zone), rest[1]), rest, policy, zone)
        charge = slow.amount(*share, policy, new_quantity, new)

    cents = [payable(one, 2, "half_even") for one in (credit, charge)]
    found = {"credit": credit, "charge": charge, "net": sum(cents), "net_amount": credit + charge}
    found |= {"credit_payable": cents[0], "charge_payable": cents[1]}
    for name in found.keys() & case.expect.keys():
        assert Fraction(case.expect[name]) == found[name], name


def _random_policy(dice: random.Random) -> dict[str, Any]:
    policy: dict[str, Any] = {"by": dice.choice(BASES)}
    if policy["by"] not in {"full_period", "none", *slow.SECONDS}:
        choices = ["period", "period", "30", "31", "360"]
        policy["of"] = dice.choice(choices + (["year"] if policy["by"] != "month_day" else []))
    policy["cap"] = dice.random() < 0.7
    policy["full_is_whole"] = dice.random() < 0.7
    policy["whole_units"] = dice.choice(["up", "down", "nearest"])
    for name in ("factor", "quantity", "amount"):
        if dice.random() < 0.2:
            rounding = dice.choice(["half_even", "half_up", "down", "floor", "ceiling"])
            policy[name] = {"decimals": dice.randint(0, 8), "rounding": rounding}
    return policy


def _random_spans(dice: random.Random, by: str) -> tuple[slow.Span, slow.Span, str]:
    zone = dice.choice(ZONES)
    start = date(2010, 1, 1) + timedelta(days=dice.randint(0, 6000))
    months = dice.choice([1, 1, 3, 12])
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    until = date(year, month + 1, min(start.day, 28))
    if by == "month_day":
        start = start.replace(day=min(start.day, 28))
    whole = starts(start, zone), starts(until, zone)
    length = int((whole[1] - whole[0]).total_seconds())
    cuts = sorted([dice.randint(-length // 5, length * 6 // 5) for _ in range(2)])
    if dice.random() < 0.3:
        cuts[0] = 0
    if dice.random() < 0.3:
        cuts[1] = length
    cuts[1] = max(cuts[1], cuts[0] + 1)
    served = [whole[0] + timedelta(seconds=one) for one in cuts]
    return (served[0], served[1]), whole, zone


def test_the_slow_model_agrees_on_ten_thousand_random_prorations() -> None:
    dice = random.Random(5)
    for _ in range(RANDOM_CASES):
        said = _random_policy(dice)
        served, whole, zone = _random_spans(dice, said["by"])
        quantity = Decimal(dice.randint(0, 5000)).scaleb(-dice.randint(0, 3))
        price = Decimal(dice.randint(-(10**7), 10**7)).scaleb(-dice.randint(0, 5))
        policy = proration_of(said)

        share = share_served(policy, Period(*served), Period(*whole), zone)
        parts = prorated_parts(policy, share, label="fee", quantity=quantity, unit_price=price)

        wanted = slow.counts(served, whole, said, zone)
        assert share.fraction == wanted[0] / wanted[1], (said, served, whole, zone)
        exact = slow.amount(*wanted, said, Fraction(quantity), Fraction(price))
        assert Fraction(sum(part.amount for part in parts)) == exact, (said, served, whole, zone)
        for part in parts:
            assert part.amount == part_amount(part.quantity, part.unit_price, part.per)


@settings(max_examples=300, deadline=None)
@given(
    by=st.sampled_from(["second", "day", "day_30_360_eu", "month_day"]),
    zone=st.sampled_from(ZONES),
    year=st.integers(2010, 2030),
    cuts=st.lists(st.integers(1, 364 * 24), max_size=6, unique=True),
)
def test_the_parts_of_a_year_are_the_year(by: str, zone: str, year: int, cuts: list[int]) -> None:
    policy = proration_of({"by": by})
    whole = Period(starts(date(year, 1, 1), zone), starts(date(year + 1, 1, 1), zone))
    edges = [whole.start, *(whole.start + timedelta(hours=h) for h in sorted(cuts)), whole.end]

    shares = [
        share_served(policy, Period(start, end), whole, zone)
        for start, end in itertools.pairwise(edges)
    ]

    assert sum(share.fraction for share in shares) == 1


@given(
    value=st.fractions(min_value=-1000, max_value=1000, max_denominator=1000),
    decimals=st.integers(0, 6),
    rounding=st.sampled_from(["half_even", "half_up", "down", "floor", "ceiling"]),
)
def test_rounding_goes_where_the_rule_says(value: Fraction, decimals: int, rounding: Any) -> None:
    to = {"decimals": decimals, "rounding": rounding}
    policy = proration_of({"by": "day", "factor": to})
    assert policy.factor is not None

    assert Fraction(rounded(value, policy.factor)) == slow.rounded(value, to)


def test_what_has_no_finite_decimal_still_multiplies_out() -> None:
    amount = part_amount(Decimal(1), Decimal(1), Decimal(3))

    assert amount == Decimal("0.333333333333")
    assert EXACT.multiply(amount, Decimal(3)) == Decimal("0.999999999999")
    assert part_amount(Decimal(17), Decimal(100), Decimal(32)) == Decimal("53.125")


def test_a_moment_without_days_is_nothing_served() -> None:
    whole = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    later = Period(whole.end, whole.end + timedelta(days=1))

    assert share_served(Proration(), later, whole).fraction == 0
