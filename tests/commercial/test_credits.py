"""Prepaid credits against an independent model: every vector, and random histories."""

import random
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from commercial.slow_credits import Slow
from tollbook.errors import Rejected
from tollbook.vectors import credits as production
from tollbook.vectors.case import Case, read_paths

VECTORS = Path(__file__).parent.parent / "vectors" / "commercial" / "credits"
CASES = [case for case in read_paths([VECTORS]) if "error" not in case.expect]
RANDOM_CASES = 10_000
BUNDLES = 20
START = date(2024, 1, 1)
ORDERS = [
    "priority", "priority_highest", "expires", "expires_latest", "promotional_first", "paid_first",
    "free_first", "cost_lowest", "cost_highest", "granted", "granted_latest", "rolled_first",
    "rolled_last", "scoped_first", "fewest_products", "smallest", "largest", "listed", "id",
]  # fmt: skip
SAME = (
    "balance", "balances", "blocks", "paid", "rest", "tax", "draws", "order", "kinds", "overdraft",
    "used_cost", "breakage", "refunded", "cost_left",
)  # fmt: skip


def _id(case: Case) -> str:
    return f"{Path(case.file).stem}:{case.line} {case.name}"


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_the_slow_model_agrees_with_every_vector(case: Case) -> None:
    assert _agree(case.given)


@pytest.mark.parametrize("bundle", range(BUNDLES))
def test_the_slow_model_agrees_on_random_histories(bundle: int) -> None:
    chance = random.Random(bundle)
    histories = [_random_case(chance) for _ in range(RANDOM_CASES // BUNDLES)]

    ran = sum(1 for history in histories if _agree(history))

    assert ran > len(histories) * 4 // 5, "few are refused, as a refund of what was given"


def _agree(given: Any) -> bool:
    """Compare both; False when production refuses what happens."""
    try:
        found = production.run(given)
    except Rejected:
        return False
    slow = Slow(given).run()
    for key in SAME:
        assert _plain(found[key]) == _plain(slow[key]), (key, given)
    names = ("kind", "grant", "amount", "cost")
    moved = [{name: one[name] for name in names} for one in found["movements"]]
    assert _plain(moved) == _plain(slow["movements"]), given
    return True


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str) else Fraction(value)


def _random_case(chance: random.Random) -> dict[str, Any]:
    policy = _random_policy(chance)
    return {
        "currency": "USD",
        "zone": chance.choice(["UTC", "America/New_York", "Europe/Berlin"]),
        "policy": policy,
        "grants": [_random_grant(chance, f"g{n}") for n in range(chance.randint(0, 4))],
        "happenings": [_random_happening(chance, policy) for _ in range(chance.randint(1, 7))],
        "until": _day(chance, 0, 150),
    }


def _random_policy(chance: random.Random) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "order": chance.sample(ORDERS, chance.randint(0, 4)),
        "draw": chance.choice(["as_used", "as_used", "at_invoice", "for_period"]),
        "lines": chance.choice(["in_order", "spread"]),
        "tax": chance.choice(["untouched", "before", "after"]),
        "overdraft": chance.choice(["0", "0", "25.50", "1000"]),
        "overdraft_at_period_end": chance.choice(["kept", "forgiven", "billed"]),
        "rounding": chance.choice(["half_even", "half_up", "down", "up"]),
    }
    if chance.random() < 0.3:
        rule = {chance.choice(["below", "at_or_below"]): chance.choice(["0", "5", "20.25"])}
        rule[chance.choice(["amount", "target"])] = chance.choice(["30", "12.34", "50"])
        if chance.random() < 0.5:
            rule["during_draw"] = "yes"
        if chance.random() < 0.5:
            rule["times"] = str(chance.randint(1, 3))
        if chance.random() < 0.3:
            rule |= {"every_months": "1", "starts_on": _day(chance, 0, 60)}
        if chance.random() < 0.3:
            rule["valid_days"] = str(chance.randint(1, 40))
        policy["top_up"] = rule
    return policy


def _random_grant(chance: random.Random, name: str) -> dict[str, Any]:
    grant: dict[str, Any] = {
        "id": name,
        "amount": f"{chance.randint(1, 9999) / 100:.2f}",
        "granted_on": _day(chance, -20, 60),
        "priority": str(chance.randint(0, 2)),
        "kind": chance.choice(["paid", "promotional"]),
    }
    if chance.random() < 0.5:
        grant["products"] = chance.sample(["api", "db", "gpu"], chance.randint(1, 2))
    if chance.random() < 0.3:
        grant["rate"] = chance.choice(["0.5", "3", "0.07", "1.5"])
    if grant["kind"] == "paid" and chance.random() < 0.5:
        grant["cost"] = f"{chance.randint(0, 5000) / 100:.2f}"
    if chance.random() < 0.4:
        grant["every_" + chance.choice(["months", "days"])] = str(chance.randint(1, 2))
        grant["times"] = str(chance.randint(1, 4))
        if chance.random() < 0.5:
            grant["until_next"] = "yes"
    if chance.random() < 0.6:
        grant["valid_" + chance.choice(["months", "days"])] = str(chance.randint(1, 3))
        if chance.random() < 0.5:
            grant["roll_over"] = _random_roll_over(chance)
    elif chance.random() < 0.3:
        grant["roll_over"] = {**_random_roll_over(chance), "at": "period_end"}
    if chance.random() < 0.1:
        grant["voided_on"] = _day(chance, 0, 90)
    return grant


def _random_roll_over(chance: random.Random) -> dict[str, str]:
    rule = {"percent": str(chance.choice([0, 33, 50, 100])), "times": str(chance.randint(0, 3))}
    if chance.random() < 0.3:
        rule["maximum"] = "20"
    if chance.random() < 0.3:
        rule["minimum"] = "7.5"
    if chance.random() < 0.5:
        rule["apply"] = chance.choice(["first", "last"])
    if chance.random() < 0.5:
        rule["valid_days"] = str(chance.randint(1, 40))
    return rule


def _random_happening(chance: random.Random, policy: dict[str, Any]) -> dict[str, Any]:
    one: dict[str, Any] = {"on": _day(chance, -5, 100)}
    product = chance.choice(["api", "db", "gpu"])
    amount = f"{chance.randint(1, 6000) / 100:.{chance.choice([0, 2, 3])}f}"
    what = chance.choice(["use", "use", "use", "back", "lines", "used", "end", "more", "void"])
    if what in {"use", "back"}:
        return one | {"use": amount if what == "use" else f"-{amount}", "product": product}
    if what in {"lines", "used"}:
        if policy["draw"] == "for_period":
            first = date.fromisoformat(one["on"]) - timedelta(days=chance.randint(1, 40))
            one |= {"from": str(first), "until": one["on"]}
        rates = ["0", "20 %", "0.075"]
        lines = [
            {"product": name, "amount": amount, "tax": chance.choice(rates)}
            for name in chance.sample(["api", "db", "gpu"], chance.randint(1, 3))
        ]
        return one | {"invoice": lines if what == "lines" else "used"}
    if what == "end":
        return one | {"period_end": "yes"}
    if what == "void":
        return one | {chance.choice(["void", "expire", "refund"]): "g0"}
    return one | {"top_up": {"id": f"more{chance.random()}", "amount": "15.55", "valid_days": "9"}}


def _day(chance: random.Random, first: int, last: int) -> str:
    return str(START + timedelta(days=chance.randint(first, last)))
