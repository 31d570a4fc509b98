"""Vectors of commitments: what is owed beside the usage of one or more periods."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tollbook.flow.rate.commit import beyond_parts, missing_parts
from tollbook.flow.rate.working import total
from tollbook.values.money import Money, Precise, money_of, settle
from tollbook.vectors.given import choice, invalid, number, only, text
from tollbook.vectors.price import written


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Compare usage with a committed amount; all amounts in major units.

    `used` are the settled usage charges of the periods of one span, in their order.
    """
    only(given, "currency", "amount", "overage_factor", "used", "true_up", "rounding")
    currency = text(given, "currency")
    amount, factor = number(given, "amount"), number(given, "overage_factor", Decimal(1))
    each = choice(given, "true_up", ("each_period", "end"), "each_period") == "each_period"
    used = _used(given, currency)
    before = owed = Money(0, currency)
    periods = []
    for at, one in enumerate(used):
        is_end = each or at == len(used) - 1
        missing = missing_parts(amount, before + one) if is_end else []
        beyond = beyond_parts(amount, factor, before, one)
        shortfall = _money(total(part.amount for part in missing), currency)
        overage = _money(total(part.amount for part in beyond), currency)
        owed += one + shortfall + overage
        periods.append(
            {
                "used": one.major,
                "shortfall": shortfall.major,
                "overage": overage.major,
                "owed": (one + shortfall + overage).major,
                "parts": [written(part) for part in [*missing, *beyond]],
            }
        )
        before = Money(0, currency) if each else before + one
    return {"periods": periods, "owed": owed.major}


def _used(given: Mapping[str, Any], currency: str) -> list[Money]:
    used = given.get("used")
    if not isinstance(used, list):
        raise invalid("`used:` is a list, the usage charged in each period")
    try:
        return [money_of(number({"used": one}, "used"), currency) for one in used]
    except ValueError as error:
        raise invalid(str(error)) from error


def _money(amount: Decimal, currency: str) -> Money:
    return settle(Precise(amount, currency)).money
