"""Checks of discounts, minimums and maximums: what each needs, and what means nothing beside it."""

from collections.abc import Iterator
from decimal import Decimal

from tollbook.masterdata.alone import read_sound
from tollbook.masterdata.problems import Finding, Path
from tollbook.records.adjustment import Adjustment

_HUNDRED = Decimal(100)


def check_adjustments(rules: tuple[Adjustment, ...], path: Path) -> Iterator[Finding]:
    """Check the adjustments of a contract, each alone and their names together."""
    seen: set[str] = set()
    for at, rule in enumerate(rules):
        where = (*path, at)
        if rule.adjustment_id in seen:
            message = f"{rule.adjustment_id} is the id of two adjustments: give each its own."
            yield Finding("duplicate", message, where)
        seen.add(rule.adjustment_id)
        for problem in adjustment_problems(rule):
            yield Finding("adjustment", problem, where)


def adjustment_of(written: object) -> Adjustment:
    """Read a rule as production reads a contract's; Rejected `masterdata.adjustment`."""
    return read_sound(
        Adjustment,
        written,
        "adjustments",
        adjustment_problems,
        code="masterdata.adjustment",
        name="adjustment",
    )


def adjustment_problems(rule: Adjustment) -> list[str]:
    """Return what is wrong with an adjustment on its own, a sentence each."""
    return [*_amounts(rule), *(_discount(rule) if rule.kind == "discount" else _limit(rule))]


def _amounts(rule: Adjustment) -> Iterator[str]:
    if rule.percent is not None and not 0 < rule.percent <= _HUNDRED:
        yield f"percent is {rule.percent}: it is more than 0 and at most 100 (10 is 10 %)."
    if rule.amount is not None and rule.amount < 0:
        yield f"amount is {rule.amount}: it must not be negative."


def _discount(rule: Adjustment) -> Iterator[str]:
    if (rule.percent is None) == (rule.amount is None):
        yield "a discount has `percent:` or `amount:`, one of them."
    if (rule.duration == "repeating") != (rule.periods is not None):
        yield "`duration: repeating` and `periods:` go together."
    if rule.periods is not None and rule.periods < 1:
        yield f"periods is {rule.periods}: it must be 1 or more."
    if rule.unused == "carry" and rule.amount is None:
        yield "`unused: carry` is for a discount of an amount."
    if rule.product_id:
        yield "`product:` is the line that a minimum adds; a discount has `products:`."


def _limit(rule: Adjustment) -> Iterator[str]:
    if rule.amount is None or rule.percent is not None:
        yield f"a {rule.kind} has `amount:` and no percent."
    if rule.periods is not None or rule.duration != "forever" or rule.starts_on is not None:
        yield f"a {rule.kind} holds while the contract does: end it by an amendment."
    if rule.kind == "maximum" and rule.product_id:
        yield "`product:` is the line that a minimum adds; a maximum adds none."
