"""Amounts that are not ours to set: named by the events, or a cost that is passed on with a markup."""

from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.records.charge import ChargePart, PriceRules, PriceVersion
from tollbook.records.usage import UsageDetail


def dynamic_parts(
    detail: UsageDetail, _price: PriceVersion, _rules: PriceRules
) -> list[ChargePart]:
    """Return the working of `dynamic`: what the events say that they cost."""
    return [part("amount", detail.money, ONE)] if detail.money != ZERO else []


def cost_plus_parts(
    detail: UsageDetail, _price: PriceVersion, rules: PriceRules
) -> list[ChargePart]:
    """Return the working of `cost_plus`; the cost and the markup are always apart."""
    if detail.money == ZERO:
        return []
    cost = "cost passed through" if rules.role == "agent" else "cost"
    return [
        part(cost, detail.money, ONE),
        part("markup", detail.money, rules.markup or ZERO),
    ]
