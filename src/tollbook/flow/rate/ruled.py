"""Prices with steps, policies or a rare model; the common ones do not come here."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, Inexact
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.rate.committed import Committed, committed
from tollbook.flow.rate.expression import expression_parts
from tollbook.flow.rate.flat import flat_parts
from tollbook.flow.rate.matrix import matrix_parts
from tollbook.flow.rate.package import package_parts
from tollbook.flow.rate.passed_on import cost_plus_parts, dynamic_parts
from tollbook.flow.rate.percentage import percentage_parts
from tollbook.flow.rate.steps import OF_AMOUNT, Model, run_steps
from tollbook.flow.rate.tier_rules import tiered_parts
from tollbook.flow.rate.tiers import unit_parts
from tollbook.flow.rate.working import ZERO, part
from tollbook.records.charge import ChargePart, PriceModel, PriceRules, PriceStep, PriceVersion
from tollbook.records.usage import EventUse, UsageDetail
from tollbook.values.money import DIGITS_MAX

NO_RULES: Final = PriceRules()

_Ruled = Callable[[UsageDetail, PriceVersion, PriceRules], list[ChargePart]]

_MODELS: Final[dict[PriceModel, _Ruled]] = {
    "flat": lambda _detail, price, _rules: flat_parts(price),
    "unit": lambda detail, price, _rules: unit_parts(detail.quantity, price),
    "package": lambda detail, price, _rules: package_parts(detail.quantity, price),
    "graduated": tiered_parts,
    "volume": tiered_parts,
    "graduated_package": tiered_parts,
    "volume_package": tiered_parts,
    "graduated_percentage": tiered_parts,
    "volume_percentage": tiered_parts,
    "percentage": percentage_parts,
    "dynamic": dynamic_parts,
    "cost_plus": cost_plus_parts,
    "expression": expression_parts,
}


def rules_of(price: PriceVersion) -> PriceRules:
    """Return the rules of a price; the defaults when it states none."""
    return price.rules if isinstance(price.rules, PriceRules) else NO_RULES


def before_the_end(price: PriceVersion) -> PriceVersion:
    """Return a price as it is before the last part of a span: without what is only due there."""
    rules = rules_of(price)
    if rules.minimum_due == "at_start":
        return price
    steps = tuple(step for step in rules.steps if step.kind != "minimum")
    commitment = rules.commitment
    if commitment is not None:
        commitment = replace(commitment, true_up=False)
    return replace(price, minimum=None, rules=replace(rules, steps=steps, commitment=commitment))


def ruled_parts(
    detail: UsageDetail, price: PriceVersion, *, currency: str = "", model: Model | None = None
) -> list[ChargePart]:
    """Return the working of any price; `model` stands in for the price's own.

    Raises Rejected `rate.negative_usage`, `rate.detail_missing`, `rate.no_cell`, `rate.not_exact`.
    """
    try:
        return _ruled_parts(detail, price, currency, model)
    except Inexact as error:
        raise Rejected(
            "rate.not_exact",
            f"The amount has more than {DIGITS_MAX} digits: round the quantity in a step before "
            "the price.",
        ) from error


def _ruled_parts(
    detail: UsageDetail, price: PriceVersion, currency: str, model: Model | None
) -> list[ChargePart]:
    rules = rules_of(price)
    currency = currency or price.currency
    rate = model or _model_of(price, rules, currency)
    if _measure(detail, price) >= ZERO:
        return run_steps(detail, price, rules, rate, currency=currency)
    if rules.negative_usage == "zero":
        return run_steps(_nothing(detail), price, rules, rate, currency=currency)
    if rules.negative_usage == "credit":
        bare = replace(rules, maximum=None, steps=_without_bounds(rules))
        unbound = replace(price, minimum=None, rules=bare)
        parts = run_steps(_reversed(detail), unbound, bare, rate, currency=currency)
        return [part(one.label, -one.quantity, one.unit_price, one.per) for one in parts]
    raise Rejected(
        "rate.negative_usage",
        f"The usage is {_measure(detail, price)}: void the events that take more away than there "
        "is, or say in the price what negative usage means.",
    )


def commitment_of(detail: UsageDetail, price: PriceVersion) -> Committed | None:
    """Return what a price's windows come to; None when it has no commitment."""
    rules = rules_of(price)
    if rules.commitment is None:
        return None
    return committed(detail, rules.commitment, _of_quantity(price, rules))


def _model_of(price: PriceVersion, rules: PriceRules, currency: str) -> Model:
    if price.model == "matrix":

        def nested(use: UsageDetail, cell: PriceVersion) -> list[ChargePart]:
            return ruled_parts(use, cell, currency=currency)

        return lambda detail: matrix_parts(detail, rules, nested)
    if rules.commitment is not None:
        commitment, of_quantity = rules.commitment, _of_quantity(price, rules)
        return lambda detail: list(committed(detail, commitment, of_quantity).parts)
    return lambda detail: _MODELS[price.model](detail, price, rules)


def _of_quantity(price: PriceVersion, rules: PriceRules) -> Callable[[Decimal], list[ChargePart]]:
    return lambda quantity: _MODELS[price.model](UsageDetail(quantity), price, rules)


def _measure(detail: UsageDetail, price: PriceVersion) -> Decimal:
    if price.model == "matrix":
        # Each cell's price says itself what negative usage means.
        return ZERO
    return detail.money if price.model in OF_AMOUNT else detail.quantity


def _nothing(detail: UsageDetail) -> UsageDetail:
    windows = None if detail.windows is None else tuple(ZERO for _ in detail.windows)
    return UsageDetail(ZERO, each=(), windows=windows)


def _reversed(detail: UsageDetail) -> UsageDetail:
    each = detail.each
    if each is not None:
        each = tuple(EventUse(-one.quantity, -one.amount) for one in each)
    amount = None if detail.amount is None else -detail.amount
    return replace(detail, quantity=-detail.quantity, amount=amount, each=each)


def _without_bounds(rules: PriceRules) -> tuple[PriceStep, ...]:
    return tuple(step for step in rules.steps if step.kind not in {"minimum", "maximum"})
