"""Checks of what only some prices state: their steps, policies and the figures of rare models."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from decimal import Decimal, Inexact
from typing import Any, Final

from tollbook.masterdata.problems import Finding, Path
from tollbook.records.charge import PriceModel, PriceRules, PriceStep, PriceVersion
from tollbook.values.formula import parse_price_formula
from tollbook.values.money import EXACT

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

# A 38-digit quantity times a price below this fits the digits of exact arithmetic.
AMOUNT_MAX: Final = Decimal(10) ** 15
# Each step may add twelve decimals to an amount, which has to fit as well.
STEPS_MAX: Final = 20
DECIMALS_MAX: Final = 12

_TIERED: Final[frozenset[PriceModel]] = frozenset(
    {
        "graduated",
        "volume",
        "graduated_package",
        "volume_package",
        "graduated_percentage",
        "volume_percentage",
    }
)
_OF_AMOUNT: Final[frozenset[PriceModel]] = frozenset(
    {"percentage", "graduated_percentage", "volume_percentage", "dynamic", "cost_plus"}
)
_PERCENTAGE: Final[frozenset[PriceModel]] = frozenset({"percentage"})
_MATRIX: Final[frozenset[PriceModel]] = frozenset({"matrix"})

# The models of which a key is understood; those not named here are for all.
_ONLY_FOR: Final[Mapping[str, frozenset[PriceModel]]] = {
    "tier_edge": _TIERED,
    "tier_flat": _TIERED,
    "tier_flat_at_zero": _TIERED,
    "due": frozenset({"flat"}),
    "rate": _PERCENTAGE,
    "fixed_fee": _PERCENTAGE,
    "free_events": _PERCENTAGE,
    "free_amount": _PERCENTAGE,
    "free_edge": _PERCENTAGE,
    "event_minimum": _PERCENTAGE,
    "event_maximum": _PERCENTAGE,
    "markup": frozenset({"cost_plus"}),
    "role": frozenset({"cost_plus"}),
    "expression": frozenset({"expression"}),
    "dimensions": _MATRIX,
    "cells": _MATRIX,
    "default": _MATRIX,
    "amount_meter": _OF_AMOUNT | {"expression", "matrix"},
    "commitment": frozenset(
        {"unit", "graduated", "volume", "package", "graduated_package", "volume_package"}
    ),
}

_BEFORE: Final = frozenset({"convert", "include", "discount_usage"})

# Which figures a step has: at least one of these, and nothing else.
_FIGURES: Final[Mapping[str, tuple[str, ...]]] = {
    "convert": ("multiply_by", "divide_by", "rounding", "decimals", "multiple_of"),
    "include": ("quantity",),
    "discount_usage": ("quantity", "rate"),
    "price": (),
    "discount": ("amount", "rate"),
    "maximum": ("amount",),
    "minimum": ("amount",),
    "factor": ("multiply_by",),
}


def check_rules(price: PriceVersion, path: Path) -> Iterator[Finding]:
    """Check that a price states what its model needs and nothing that it does not understand."""
    rules = price.rules if isinstance(price.rules, PriceRules) else PriceRules()
    for name, models in _ONLY_FOR.items():
        if getattr(rules, name) != _DEFAULTS[name] and price.model not in models:
            message = f"a {price.model} price has no `{name}:`."
            yield Finding("price_model", message, (*path, name))
    yield from _needed(price, rules, path)
    yield from _figures(rules, path)
    yield from _matrix(rules, path)
    if rules.expression is not None:
        try:
            parse_price_formula(rules.expression)
        except ValueError as error:
            yield Finding("expression", f"{error}.", (*path, "expression"))
    if rules.round_parts is not None and not 0 <= (rules.round_parts.decimals or 0) <= DECIMALS_MAX:
        message = f"round_parts: decimals is 0 to {DECIMALS_MAX}."
        yield Finding("wrong_rounding", message, (*path, "round_parts"))
    yield from _bounds(price, rules, path)
    yield from _commitment(rules, path)


def check_steps(price: PriceVersion, path: Path) -> Iterator[Finding]:
    """Check the steps of a price: one `price`, the quantity before it, the amount after it."""
    rules = price.rules if isinstance(price.rules, PriceRules) else PriceRules()
    steps = rules.steps
    if not steps:
        if price.included and price.model != "flat":
            yield from _changes_quantity(price, rules, (*path, "included"))
        return
    if price.included or price.minimum is not None or rules.maximum is not None:
        message = "`included:`, `minimum:` and `maximum:` are steps: write them among `steps:`."
        yield Finding("steps_twice", message, (*path, "steps"))
    if len(steps) > STEPS_MAX:
        yield Finding("steps_too_many", f"there are at most {STEPS_MAX} steps.", (*path, "steps"))
    kinds = [step.kind for step in steps]
    if kinds.count("price") != 1:
        message = "`price` is one of the steps, once."
        yield Finding("step_order", message, (*path, "steps"))
        return
    for at, step in enumerate(steps):
        where = (*path, "steps", at)
        is_before = at < kinds.index("price")
        if step.kind != "price" and is_before != (step.kind in _BEFORE):
            side = "before" if step.kind in _BEFORE else "after"
            yield Finding("step_order", f"{step.kind} stands {side} `price`.", where)
        if step.kind in _BEFORE:
            yield from _changes_quantity(price, rules, where)
        yield from _step(step, where)


def _changes_quantity(price: PriceVersion, rules: PriceRules, where: Path) -> Iterator[Finding]:
    is_by_event = price.model == "percentage" and (
        rules.free_events is not None
        or rules.free_amount is not None
        or rules.event_minimum is not None
        or rules.event_maximum is not None
    )
    if is_by_event:
        yield Finding("step_order", "a price by event has its own free events and amount.", where)
    elif price.model == "matrix":
        yield Finding("step_order", "state what is before the price in the cells.", where)
    elif price.model == "flat":
        yield Finding("step_order", "a flat price has no quantity.", where)
    elif rules.commitment is not None and rules.commitment.window != "period":
        message = "a commitment by hour or day has the usage of each window as it was measured."
        yield Finding("step_order", message, where)


def _step(step: PriceStep, where: Path) -> Iterator[Finding]:
    stated = {
        one.name
        for one in fields(step)
        if one.name != "kind" and getattr(step, one.name) != one.default
    }
    allowed = set(_FIGURES[step.kind])
    for name in sorted(stated - allowed):
        yield Finding("wrong_step", f"{step.kind} has no `{name}:`.", where)
    one_of = allowed - {"rounding", "decimals", "multiple_of"}
    if one_of and not stated & one_of and "rounding" not in stated:
        yield Finding("wrong_step", f"{step.kind} needs {' or '.join(sorted(one_of))}.", where)
    if {"amount", "rate"} <= stated or {"quantity", "rate"} <= stated:
        yield Finding("wrong_step", f"{step.kind} has one figure, not two.", where)
    for name in ("quantity", "amount", "multiply_by"):
        yield from _not_negative(getattr(step, name), name, where)
    if step.rate is not None and not ZERO <= step.rate <= ONE:
        yield Finding("wrong_step", "a discount is from 0 % to 100 %.", where)
    if step.kind == "convert":
        yield from _conversion(step, where)


def _conversion(step: PriceStep, where: Path) -> Iterator[Finding]:
    for name in ("multiply_by", "divide_by", "multiple_of"):
        value = getattr(step, name)
        if value is not None and not ZERO < value < AMOUNT_MAX:
            yield Finding("wrong_step", f"{name} is {value}: it must be above 0.", where)
            return
    if step.decimals is not None and not 0 <= step.decimals <= DECIMALS_MAX:
        yield Finding("wrong_step", f"decimals is 0 to {DECIMALS_MAX}.", where)
    if step.decimals is not None and step.multiple_of is not None:
        yield Finding("wrong_step", "round to decimals or to a multiple, not to both.", where)
    if step.rounding == "none":
        if step.decimals is not None or step.multiple_of is not None:
            yield Finding("wrong_step", "say by which `rounding:`.", where)
        try:
            EXACT.divide(step.multiply_by or ONE, step.divide_by or ONE)
        except Inexact:
            message = f"dividing by {step.divide_by} has no end: say a `rounding:`."
            yield Finding("per_not_exact", message, where)


def _needed(price: PriceVersion, rules: PriceRules, path: Path) -> Iterator[Finding]:
    needs = {"cost_plus": "markup", "expression": "expression", "matrix": "dimensions"}
    name = needs.get(price.model)
    if name is not None and not getattr(rules, name) and getattr(rules, name) != ZERO:
        yield Finding("no_price", f"a {price.model} price needs `{name}:`.", path)
    if price.model == "percentage" and rules.rate is None and not rules.fixed_fee:
        yield Finding("no_price", "a percentage price needs `rate:` or `fixed_fee:`.", path)
    if price.model == "matrix" and not rules.cells and rules.default is None:
        yield Finding("no_price", "a matrix price needs `cells:` or a `default:`.", path)


def _figures(rules: PriceRules, path: Path) -> Iterator[Finding]:
    names = ("maximum", "rate", "fixed_fee", "free_amount", "event_minimum", "event_maximum")
    for name in (*names, "markup"):
        yield from _not_negative(getattr(rules, name), name, (*path, name))
    if rules.free_events is not None and rules.free_events < 0:
        message = f"free_events is {rules.free_events}: it must not be negative."
        yield Finding("negative_price", message, (*path, "free_events"))


def _not_negative(amount: Decimal | None, name: str, where: Path) -> Iterator[Finding]:
    if amount is not None and not ZERO <= amount < AMOUNT_MAX:
        message = f"{name} is {amount}: it must not be negative, and below 10^15."
        yield Finding("negative_price" if amount < 0 else "price_too_large", message, where)


def _matrix(rules: PriceRules, path: Path) -> Iterator[Finding]:
    seen: list[Mapping[str, str]] = []
    for at, cell in enumerate(rules.cells):
        where = (*path, "cells", at)
        if set(cell.when) != set(rules.dimensions):
            message = f"`when:` has a value for each of {', '.join(rules.dimensions) or 'none'}."
            yield Finding("wrong_cell", message, where)
        elif cell.when in seen:
            yield Finding("duplicate", "this cell is there twice: keep one.", where)
        seen.append(cell.when)


def _bounds(price: PriceVersion, rules: PriceRules, path: Path) -> Iterator[Finding]:
    pairs = [
        (price.minimum, rules.maximum, "minimum"),
        (rules.event_minimum, rules.event_maximum, "event_minimum"),
    ]
    for least, most, name in pairs:
        if least is not None and most is not None and least > most:
            message = f"{name} is {least}, more than the maximum of {most}."
            yield Finding("bounds", message, (*path, name))


def _commitment(rules: PriceRules, path: Path) -> Iterator[Finding]:
    found = rules.commitment
    if found is None:
        return
    where = (*path, "commitment")
    if (found.quantity is None) == (found.amount is None):
        yield Finding("commitment", "commit to a `quantity:` or to an `amount:`.", where)
    if rules.round_parts is not None:
        message = "a price with a commitment is rounded once: `rounding:`, not `round_parts:`."
        yield Finding("commitment", message, (*path, "round_parts"))
    for name in ("quantity", "amount", "overage_factor"):
        yield from _not_negative(getattr(found, name), name, where)


_DEFAULTS: Final[Mapping[str, Any]] = {one.name: one.default for one in fields(PriceRules)}
