"""Discounts, minimums and maximums over the settled lines of a billing period, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.records.adjustment import Adjustment, AdjustmentKind
from tollbook.records.charge import ChargePart
from tollbook.values.money import EXACT, Money, Precise, settle, split

HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Due:
    """A line before what is agreed for several lines: what the customer sees, settled."""

    product_id: str
    kind: Literal["usage", "fixed"]
    amount: Money


@dataclass(frozen=True, slots=True)
class Share:
    """What one rule changes: one line by its position, or, for a minimum, a line of its own (None).

    Lines that minimums add are counted on after the others, in the order of their minimums.
    `amount` is negative for discounts and maximums; `parts` multiply out to it.
    """

    rule_id: str
    kind: AdjustmentKind
    product_id: str
    line: int | None
    amount: Money
    parts: tuple[ChargePart, ...]


@dataclass(slots=True)
class _State:
    """The lines while rules are applied one after the other, in minor units."""

    lines: list[Due]
    currency: str
    net: list[int]

    def scope(self, rule: Adjustment) -> list[int]:
        return [
            at
            for at, line in enumerate(self.lines)
            if (not rule.products or line.product_id in rule.products)
            and rule.applies_to in {"all", line.kind}
        ]


def adjust(
    lines: Sequence[Due],
    rules: Sequence[Adjustment],
    *,
    currency: str,
    used_before: Mapping[str, Money] | None = None,
) -> list[Share]:
    """Return what rules change, in the order of the rules and, within one, of the lines.

    No line falls below nothing; a line that a minimum adds is one of the lines of the rules after
    it. `used_before` is what discounts of an amount gave in earlier
    periods, for those that carry what is unused.
    """
    state = _State(list(lines), currency, [line.amount.minor for line in lines])
    shares: list[Share] = []
    for rule in rules:
        match rule.kind:
            case "discount":
                shares += _discount(state, rule, (used_before or {}).get(rule.adjustment_id))
            case "maximum":
                shares += _maximum(state, rule)
            case "minimum":
                shares += _minimum(state, rule)
    return shares


def is_in_force(rule: Adjustment, *, periods_before: int) -> bool:
    """Tell whether a rule holds in a period; `periods_before` began since it started."""
    if periods_before < 0:
        return False
    match rule.duration:
        case "once":
            # An amount that is not used up goes on until it is.
            return periods_before == 0 or rule.unused == "carry"
        case "repeating":
            return periods_before < (rule.periods or 0)
        case "forever":
            return True


def _discount(state: _State, rule: Adjustment, used: Money | None) -> list[Share]:
    scope = [at for at in state.scope(rule) if state.net[at] > 0]
    base = {
        at: state.net[at] if rule.base == "remaining" else state.lines[at].amount.minor
        for at in scope
    }
    if not scope:
        return []
    if rule.percent is not None:
        wanted = _percentages(rule, rule.percent, base, state.currency)
    else:
        assert rule.amount is not None, "a discount is a percentage or an amount"
        left = settle(Precise(rule.amount, state.currency), rule.rounding).money.minor
        if rule.unused == "carry" and used is not None:
            left += used.minor
        wanted = _spread(min(left, sum(state.net[at] for at in scope)), state, scope)
    return [
        _cut(state, rule.adjustment_id, "discount", at, min(wanted[at], state.net[at]), rule, base)
        for at in scope
        if min(wanted[at], state.net[at]) > 0
    ]


def _percentages(
    rule: Adjustment, percent: Decimal, base: Mapping[int, int], currency: str
) -> dict[int, int]:
    """Return minor units off each line: rounded each, or once and divided by largest remainder."""
    if rule.rounded == "line":
        return {at: _of(minor, percent, rule, currency) for at, minor in base.items()}
    total = Money(_of(sum(base.values()), percent, rule, currency), currency)
    shares = split(total, list(base.values()))
    return {at: share.minor for at, share in zip(base, shares, strict=True)}


def _of(minor: int, percent: Decimal, rule: Adjustment, currency: str) -> int:
    rate = EXACT.divide(percent, HUNDRED)
    exact = Precise(EXACT.multiply(Money(minor, currency).major, rate), currency)
    return settle(exact, rule.rounding).money.minor


def _maximum(state: _State, rule: Adjustment) -> list[Share]:
    scope = [at for at in state.scope(rule) if state.net[at] > 0]
    excess = sum(state.net[at] for at in scope) - _limit(rule, state.currency).minor
    if excess <= 0:
        return []
    wanted = _spread(excess, state, scope)
    return [
        _cut(state, rule.adjustment_id, "maximum", at, wanted[at], None, {})
        for at in scope
        if wanted[at] > 0
    ]


def _minimum(state: _State, rule: Adjustment) -> list[Share]:
    scope = state.scope(rule)
    least = _limit(rule, state.currency)
    so_far = sum(state.net[at] for at in scope)
    missing = Money(least.minor - so_far, state.currency)
    if missing.minor <= 0 or (so_far == 0 and rule.without_usage == "skip"):
        return []
    charged = Money(so_far, state.currency)
    parts = (part("minimum", ONE, least.major), part("charged", charged.major, -ONE))
    product = rule.product_id or next(iter(rule.products), "")
    product = product or next((line.product_id for line in state.lines), "")
    state.lines.append(Due(product, "fixed" if rule.applies_to == "fixed" else "usage", missing))
    state.net.append(missing.minor)
    return [Share(rule.adjustment_id, "minimum", product, None, missing, parts)]


def _limit(rule: Adjustment, currency: str) -> Money:
    assert rule.amount is not None, "a minimum and a maximum are amounts"
    return settle(Precise(rule.amount, currency), rule.rounding).money


def _spread(minor: int, state: _State, scope: Sequence[int]) -> dict[int, int]:
    if minor <= 0:
        return dict.fromkeys(scope, 0)
    shares = split(Money(minor, state.currency), [state.net[at] for at in scope])
    return {at: share.minor for at, share in zip(scope, shares, strict=True)}


def _cut(
    state: _State,
    rule_id: str,
    kind: AdjustmentKind,
    at: int,
    minor: int,
    discount: Adjustment | None,
    base: Mapping[int, int],
) -> Share:
    amount = Money(-minor, state.currency)
    parts: tuple[ChargePart, ...]
    if discount is not None and discount.percent is not None:
        of = Money(base[at], state.currency).major
        rate = EXACT.divide(discount.percent, HUNDRED)
        exact = part(f"{_number(discount.percent)} % of the line", of, EXACT.minus(rate))
        rest = EXACT.subtract(amount.major, exact.amount)
        parts = (exact, part("rounding", ONE, rest)) if rest != ZERO else (exact,)
    else:
        label = "discount" if kind == "discount" else "above the maximum"
        parts = (part(label, EXACT.minus(amount.major), -ONE),)
    state.net[at] -= minor
    return Share(rule_id, kind, state.lines[at].product_id, at, amount, parts)


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"
