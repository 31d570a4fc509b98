"""A share of an amount: a rate, a fee an event, free events, bounds of what one event costs."""

from decimal import Decimal

from tollbook.errors import Rejected
from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.masterdata.check_prices import looks_at_events
from tollbook.records.charge import ChargePart, PriceRules, PriceVersion
from tollbook.records.usage import EventUse, UsageDetail
from tollbook.values.money import EXACT


def percentage_parts(
    detail: UsageDetail, _price: PriceVersion, rules: PriceRules
) -> list[ChargePart]:
    """Return the working of `percentage`: free amount, rate, fee an event, what bounds change."""
    rate = rules.rate or ZERO
    if not looks_at_events(rules):
        free = min(detail.money, rules.free_amount or ZERO)
        return _parts(rules, rate, free, EXACT.subtract(detail.money, free), detail.events)
    if detail.each is None and (detail.events or detail.money):
        raise Rejected(
            "rate.detail_missing",
            "This price looks at each event, but only their sum is known: give the events.",
        )
    free = charged = raised = lowered = ZERO
    paid = 0
    for at, event in enumerate(detail.each or ()):
        without = _free_of(event, at, EXACT.add(free, charged), rules)
        rest = EXACT.subtract(event.amount, without)
        free, charged = EXACT.add(free, without), EXACT.add(charged, rest)
        if _is_free(at, EXACT.add(free, charged), rules):
            continue
        paid += 1
        cost = EXACT.add(EXACT.multiply(rest, rate), rules.fixed_fee)
        bounded = _bounded(cost, rules)
        raised = EXACT.add(raised, max(EXACT.subtract(bounded, cost), ZERO))
        lowered = EXACT.add(lowered, min(EXACT.subtract(bounded, cost), ZERO))
    parts = _parts(rules, rate, free, charged, paid)
    bounds = {
        "raised to the minimum of an event": raised,
        "cut to the maximum of an event": lowered,
    }
    return parts + [part(label, ONE, amount) for label, amount in bounds.items() if amount != ZERO]


def _fee(rules: PriceRules, events: int) -> list[ChargePart]:
    fee = part("events", Decimal(events), rules.fixed_fee)
    return [fee] if events and rules.fixed_fee != ZERO else []


def _parts(
    rules: PriceRules, rate: Decimal, free: Decimal, charged: Decimal, events: int
) -> list[ChargePart]:
    parts = [part("free amount", free, ZERO)] if free != ZERO else []
    if charged != ZERO:
        parts.append(part("amount", charged, rate))
    return parts + _fee(rules, events)


def _free_of(event: EventUse, at: int, before: Decimal, rules: PriceRules) -> Decimal:
    """Return what of an event's amount is free: both allowances end when the first one does."""
    if rules.free_events is None and rules.free_amount is None:
        return ZERO
    if rules.free_events is not None and at >= rules.free_events:
        return ZERO
    if rules.free_amount is None:
        return event.amount
    return min(event.amount, max(EXACT.subtract(rules.free_amount, before), ZERO))


def _is_free(at: int, through: Decimal, rules: PriceRules) -> bool:
    """Tell whether an event costs nothing at all; `through` is the amount with it."""
    if rules.free_events is None and rules.free_amount is None:
        return False
    if rules.free_events is not None and at >= rules.free_events:
        return False
    if rules.free_amount is None:
        return True
    return through < rules.free_amount or (
        through == rules.free_amount and rules.free_edge == "inclusive"
    )


def _bounded(cost: Decimal, rules: PriceRules) -> Decimal:
    if rules.event_minimum is not None:
        cost = max(cost, rules.event_minimum)
    if rules.event_maximum is not None:
        cost = min(cost, rules.event_maximum)
    return cost
