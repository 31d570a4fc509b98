"""The steps of a price in their order: what changes the quantity, the price, what changes the amount."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal, Inexact
from fractions import Fraction
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.rate.minimum import top_up
from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.records.charge import (
    ChargePart,
    PriceModel,
    PriceRules,
    PriceStep,
    PriceVersion,
    RoundParts,
)
from tollbook.records.usage import UsageDetail
from tollbook.values.money import EXACT, minor_exponent
from tollbook.values.quantity import plain
from tollbook.values.rounding import to_decimals, to_multiple

# Models whose quantity is an amount of money: their steps before the price change that amount.
OF_AMOUNT: Final[frozenset[PriceModel]] = frozenset(
    {"percentage", "graduated_percentage", "volume_percentage", "dynamic", "cost_plus"}
)

Model = Callable[[UsageDetail], list[ChargePart]]


def steps_of(price: PriceVersion, rules: PriceRules) -> tuple[PriceStep, ...]:
    """Return the steps of a price; without `steps:` those that its shorthands mean, in order."""
    if rules.steps:
        return rules.steps
    steps = [PriceStep("price")]
    if price.included > ZERO:
        steps.insert(0, PriceStep("include", quantity=price.included))
    if rules.maximum is not None:
        steps.append(PriceStep("maximum", amount=rules.maximum))
    if price.minimum is not None:
        steps.append(PriceStep("minimum", amount=price.minimum))
    return tuple(steps)


@dataclass(slots=True)
class _Run:
    """A price on its way through its steps: what is left to be priced, and the working so far."""

    detail: UsageDetail
    is_of_amount: bool
    has_use: bool
    parts: list[ChargePart] = field(default_factory=list)

    @property
    def measure(self) -> Decimal:
        return self.detail.money if self.is_of_amount else self.detail.quantity

    @property
    def total(self) -> Decimal:
        return total(one.amount for one in self.parts)

    def measures(self, value: Decimal) -> None:
        if self.is_of_amount:
            self.detail = replace(self.detail, amount=value)
        else:
            self.detail = replace(self.detail, quantity=value)


def run_steps(
    detail: UsageDetail, price: PriceVersion, rules: PriceRules, model: Model, *, currency: str
) -> list[ChargePart]:
    """Take a usage through every step; each leaves a line in the working where it did something."""
    is_of_amount = price.model in OF_AMOUNT
    run = _Run(detail, is_of_amount, has_use=_has_use(detail))
    for step in steps_of(price, rules):
        found = model(run.detail) if step.kind == "price" else _APPLY[step.kind](run, step, rules)
        run.parts += _rounded(found, rules.round_parts, currency) if rules.round_parts else found
    return run.parts


def converted(quantity: Decimal, step: PriceStep) -> Decimal:
    """Return a quantity in another unit, rounded once; ValueError when it has no exact value."""
    exact = Fraction(quantity) * Fraction(step.multiply_by or ONE) / Fraction(step.divide_by or ONE)
    if step.rounding != "none":
        multiple = step.multiple_of or ONE.scaleb(-(step.decimals or 0), EXACT)
        return to_multiple(exact, multiple, step.rounding)
    try:
        product = EXACT.multiply(quantity, step.multiply_by or ONE)
        return EXACT.divide(product, step.divide_by or ONE)
    except Inexact:
        raise ValueError(f"{quantity} / {step.divide_by} has no end: say how to round it") from None


def _has_use(detail: UsageDetail) -> bool:
    return bool(detail.quantity or detail.events or detail.money or detail.cells)


def _convert(run: _Run, step: PriceStep, _rules: PriceRules) -> list[ChargePart]:
    before = run.measure
    try:
        after = converted(before, step)
    except ValueError as error:
        raise Rejected("rate.not_exact", f"The unit cannot be converted: {error}.") from error
    run.measures(after)
    return [part(_conversion(step), after, ZERO)] if before != ZERO else []


def _conversion(step: PriceStep) -> str:
    words = ["converted"]
    if step.multiply_by is not None:
        words.append(f"x {plain(step.multiply_by)}")
    if step.divide_by is not None:
        words.append(f"/ {plain(step.divide_by)}")
    if step.rounding != "none":
        words.append(step.rounding)
    if step.multiple_of is not None:
        words.append(f"to {plain(step.multiple_of)}")
    elif step.decimals:
        words.append(f"to {step.decimals} decimals")
    return " ".join(words)


def _include(run: _Run, step: PriceStep, _rules: PriceRules) -> list[ChargePart]:
    return _taken_off(run, "included", step.quantity or ZERO)


def _discount_usage(run: _Run, step: PriceStep, _rules: PriceRules) -> list[ChargePart]:
    if step.rate is None:
        return _taken_off(run, "usage discount", step.quantity or ZERO)
    label = f"usage discount {_percent(step.rate)}"
    return _taken_off(run, label, EXACT.multiply(run.measure, step.rate))


def _taken_off(run: _Run, label: str, quantity: Decimal) -> list[ChargePart]:
    free = min(run.measure, quantity)
    if free <= ZERO:
        return []
    run.measures(EXACT.subtract(run.measure, free))
    return [part(label, free, ZERO)]


def _discount(run: _Run, step: PriceStep, _rules: PriceRules) -> list[ChargePart]:
    if run.total <= ZERO:
        return []
    if step.rate is not None:
        return [part(f"discount {_percent(step.rate)}", run.total, -step.rate)]
    return [part("discount", ONE, -min(step.amount or ZERO, run.total))]


def _factor(run: _Run, step: PriceStep, _rules: PriceRules) -> list[ChargePart]:
    factor = step.multiply_by or ZERO
    if run.total == ZERO or factor == ONE:
        return []
    return [part(f"factor {plain(factor)}", run.total, EXACT.subtract(factor, ONE))]


def _maximum(run: _Run, step: PriceStep, _rules: PriceRules) -> list[ChargePart]:
    beyond = EXACT.subtract(run.total, step.amount or ZERO)
    return [part("maximum", ONE, -beyond)] if beyond > ZERO else []


def _minimum(run: _Run, step: PriceStep, rules: PriceRules) -> list[ChargePart]:
    if not run.has_use and rules.minimum_at_zero == "skip":
        return []
    return top_up(run.parts, step.amount)


def _percent(rate: Decimal) -> str:
    return f"{plain(rate.scaleb(2, EXACT))} %"


_APPLY: Final[dict[str, Callable[[_Run, PriceStep, PriceRules], list[ChargePart]]]] = {
    "convert": _convert,
    "include": _include,
    "discount_usage": _discount_usage,
    "discount": _discount,
    "factor": _factor,
    "maximum": _maximum,
    "minimum": _minimum,
}


def _rounded(parts: list[ChargePart], policy: RoundParts, currency: str) -> list[ChargePart]:
    """Add to each line what rounds it; a line of its own, so that every line multiplies out."""
    decimals = minor_exponent(currency) if policy.decimals is None else policy.decimals
    result: list[ChargePart] = []
    for one in parts:
        result.append(one)
        wanted = to_decimals(one.amount, decimals, policy.rounding)
        rest = EXACT.subtract(wanted, one.amount)
        if rest != ZERO:
            result.append(part(f"rounding of {one.label}", ONE, rest))
    return result
