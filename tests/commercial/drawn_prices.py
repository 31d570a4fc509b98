"""Prices and usages drawn from one seed, as people write them: every model, step and policy."""

from collections.abc import Callable
from random import Random
from typing import Any

ROUNDINGS = ("half_even", "half_up", "half_down", "up", "down", "floor", "ceiling")
TIERED = ("graduated", "volume", "graduated_package", "volume_package")
SHARES = ("graduated_percentage", "volume_percentage")
MODELS = (
    *("flat", "unit", "package", *TIERED, "percentage", *SHARES),
    *("dynamic", "cost_plus", "matrix", "expression"),
)
FORMULAS = (
    "quantity * 0.25 + events * 0.1",
    "max(quantity - 10, 0) * 1.5",
    "if(quantity > 20, 5 + quantity * 0.01, quantity / 8)",
    "round(quantity * 0.333, 2) + floor(amount / 4)",
    "min(ceil(quantity / 10) * 3, 100)",
)


def drawn_price(random: Random, model: str) -> dict[str, Any]:
    """Draw a price of a model."""
    price: dict[str, Any] = {"currency": random.choice(("USD", "JPY", "KWD")), "model": model}
    price.update(_MODEL.get(model, _tiered)(random, model))
    if random.random() < 0.3:
        price["rounding"] = random.choice(ROUNDINGS)
    if random.random() < 0.25:
        price["round_parts"] = random.choice(
            (
                random.choice(ROUNDINGS),
                {"rounding": random.choice(ROUNDINGS), "decimals": str(random.randint(0, 5))},
            )
        )
    if random.random() < 0.3:
        price["negative_usage"] = random.choice(("credit", "zero"))
    if random.random() < 0.3:
        price["minimum_due"] = random.choice(("at_start", "at_end"))
    if random.random() < 0.3:
        price["minimum_at_zero"] = random.choice(("skip", "bill"))
    return price | _around(random, price)


def drawn_usage(random: Random, price: dict[str, Any]) -> dict[str, Any]:
    """Draw a usage that a price can be applied to; often an edge of it."""
    can_be_negative = price.get("negative_usage", "refuse") != "refuse"
    if price["model"] == "matrix":
        return {
            "cells": [
                {
                    "when": {"region": random.choice(("eu", "us", "cn"))},
                    "quantity": _quantity(random, is_signed=False),
                }
                for _ in range(random.randint(1, 4))
            ]
        }
    commitment = price.get("commitment", {})
    if commitment.get("window", "period") != "period":
        return {
            "windows": [_quantity(random, is_signed=False) for _ in range(random.randint(0, 5))],
        }
    if price["model"] == "percentage":
        return {
            "events": [_amount(random, 0, 300) for _ in range(random.randint(0, 6))],
        }
    usage: dict[str, Any] = {"quantity": _quantity(random, is_signed=can_be_negative)}
    if random.random() < 0.3:
        usage["events"] = str(random.randint(0, 9))
    return usage


def _quantity(random: Random, *, is_signed: bool) -> str:
    sign = "-" if is_signed and random.random() < 0.2 else ""
    draw = random.random()
    if draw < 0.15:
        return "0"
    if draw < 0.6:
        return sign + random.choice(("1", "9", "10", "11", "20", "50", "99", "100", "101", "1000"))
    return sign + f"{random.randint(0, 300)}.{random.randint(0, 999999):06d}"


def _amount(random: Random, low: int, high: int) -> str:
    return f"{random.randint(low, high)}.{random.randint(0, 9999):04d}"


def _tiered(random: Random, model: str) -> dict[str, Any]:
    edges = sorted(random.sample((10, 20, 50, 99, 100), random.randint(0, 3)))
    tiers: list[dict[str, str]] = []
    for edge in [*edges, None]:
        tier = {"up_to": str(edge)} if edge is not None else {}
        if model in SHARES:
            tier["rate"] = random.choice(("1 %", "0.025", "0"))
        else:
            tier["unit_price"] = _amount(random, 0, 5)
        if random.random() < 0.5:
            tier["flat_amount"] = _amount(random, 0, 20)
        if model.endswith("_package") and random.random() < 0.6:
            tier["per"] = random.choice(("3", "7", "10", "0.5"))
        tiers.append(tier)
    price: dict[str, Any] = {"tiers": tiers}
    if model not in SHARES and random.random() < 0.3:
        price["per"] = "10"
    for key, words in (
        ("tier_edge", ("inclusive", "exclusive")),
        ("tier_flat", ("entered", "reached")),
        ("tier_flat_at_zero", ("skip", "bill")),
    ):
        if random.random() < 0.4:
            price[key] = random.choice(words)
    return price


def _percentage(random: Random, _model: str) -> dict[str, Any]:
    price: dict[str, Any] = {"rate": random.choice(("2.9 %", "0.015", "1 %"))}
    if random.random() < 0.5:
        price["fixed_fee"] = _amount(random, 0, 1)
    if random.random() < 0.4:
        price["free_events"] = str(random.randint(0, 4))
    if random.random() < 0.4:
        price["free_amount"] = random.choice(("50", "100.5", "500"))
        price["free_edge"] = random.choice(("inclusive", "exclusive"))
    if random.random() < 0.4:
        price["event_minimum"] = _amount(random, 0, 1)
    if random.random() < 0.4:
        price["event_maximum"] = _amount(random, 2, 4)
    return price


def _matrix(random: Random, _model: str) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {"when": {"region": "eu"}, "unit_price": _amount(random, 0, 5)},
        {
            "when": {"region": "us"},
            "price": {"model": "graduated", **_tiered(random, "graduated")},
        },
    ]
    default = random.choice((_amount(random, 0, 3), {"unit_price": "2", "minimum": "5"}))
    return {"dimensions": ["region"], "cells": cells, "default": default}


_MODEL: dict[str, Callable[[Random, str], dict[str, Any]]] = {
    "flat": lambda random, _model: {"amount": _amount(random, 0, 50)},
    "unit": lambda random, _model: {
        "unit_price": _amount(random, 0, 5),
        "per": random.choice(("1", "1000", "8")),
    },
    "package": lambda random, _model: {
        "unit_price": _amount(random, 0, 5),
        "per": random.choice(("1", "7", "1.5", "100")),
    },
    "percentage": _percentage,
    "dynamic": lambda _random, _model: {},
    "cost_plus": lambda random, _model: {
        "markup": random.choice(("20 %", "0.125")),
        "role": random.choice(("principal", "agent")),
    },
    "matrix": _matrix,
    "expression": lambda random, _model: {"expression": random.choice(FORMULAS)},
}


def _around(random: Random, price: dict[str, Any]) -> dict[str, Any]:
    """Draw steps, shorthands or a commitment, as the model allows them."""
    by_event = {"free_events", "free_amount", "event_minimum", "event_maximum"} & price.keys()
    has_quantity = price["model"] not in {"flat", "matrix"} and not by_event
    more: dict[str, Any] = {}
    if price["model"] in {"unit", "package", *TIERED} and random.random() < 0.25:
        more["commitment"] = _commitment(random)
        price.pop("round_parts", None)
        has_quantity = more["commitment"]["window"] == "period"
    draw = random.random()
    if draw < 0.4:
        more["steps"] = _steps(random, has_quantity=has_quantity)
    elif draw < 0.8:
        if has_quantity and random.random() < 0.5:
            more["included"] = random.choice(("5", "10", "99.5"))
        if random.random() < 0.5:
            more["minimum"] = _amount(random, 0, 20)
        if random.random() < 0.5:
            more["maximum"] = _amount(random, 21, 90)
    return more


def _commitment(random: Random) -> dict[str, str]:
    what = random.choice(({"quantity": "20"}, {"amount": "15.5"}))
    return {
        "window": random.choice(("hour", "day", "period")),
        "overage_factor": random.choice(("1", "1.5", "0.8", "0")),
        "true_up": random.choice(("yes", "no")),
        **what,
    }


def _steps(random: Random, *, has_quantity: bool) -> list[Any]:
    before: list[Any] = [
        {"include": random.choice(("5", "12.25"))},
        {"discount_usage": random.choice(("10 %", "3"))},
        {
            "convert": {
                "divide_by": random.choice(("3", "10")),
                "rounding": random.choice(ROUNDINGS),
                random.choice(("decimals", "multiple_of")): random.choice(("2", "1")),
            }
        },
        {"convert": {"multiply_by": "1.5", "divide_by": "8"}},
    ]
    after: list[Any] = [
        {"discount": random.choice(("10 %", "7.5", "33.3 %"))},
        {"factor": random.choice(("1.2", "0.5"))},
        {"maximum": random.choice(("40", "75.5"))},
        {"minimum": random.choice(("1", "12"))},
    ]
    first = random.sample(before, random.randint(0, 3)) if has_quantity else []
    return [*first, "price", *random.sample(after, random.randint(0, 4))]
