"""A price as a formula of the quantity, the number of events and their amount."""

from decimal import Decimal
from functools import cache

from tollbook.flow.rate.working import ONE, part
from tollbook.records.charge import ChargePart, PriceRules, PriceVersion
from tollbook.records.usage import UsageDetail
from tollbook.values.formula import Node, evaluate, parse_price_formula


def expression_parts(
    detail: UsageDetail, _price: PriceVersion, rules: PriceRules
) -> list[ChargePart]:
    """Return the working of `expression`: one line with what the formula comes to."""
    assert rules.expression is not None, "a price that is checked has its expression"
    known = {
        "quantity": detail.quantity,
        "events": Decimal(detail.events),
        "amount": detail.money,
    }
    found = evaluate(_tree(rules.expression), known.get)
    assert found is not None, "every name of a checked expression has a number"
    return [part("expression", ONE, found)]


@cache
def _tree(text: str) -> Node:
    return parse_price_formula(text)
