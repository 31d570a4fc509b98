"""Vectors of tax: net amounts at rates, rounded by a policy, sum to the tax of the document."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from tollbook.flow.tax.apply import TaxPolicy, TaxRounding, tax_amounts
from tollbook.flow.tax.determine import AppliedRate
from tollbook.values.money import ROUNDINGS, Money, Rounding, money_of, sum_money
from tollbook.vectors.given import choice, invalid, mapping, number, only, text

LEVELS = ("line", "document", "total")


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Tax amounts; `lines` are the taxes of each line summed, `by_rate` those of each rate."""
    only(given, "currency", "net", "gross", "rates", "tax_rounding", "tax_rounding_mode")
    currency = text(given, "currency")
    name = "gross" if "gross" in given else "net"
    written = given.get(name)
    if not isinstance(written, list) or {"net", "gross"} <= set(given):
        raise invalid("amounts are a list, `net:` without tax or `gross:` with it")
    try:
        bases = [money_of(number({name: one}, name), currency) for one in written]
    except ValueError as error:
        raise invalid(str(error)) from error
    rates = tuple(
        AppliedRate("", name, number(mapping(given, "rates"), name), 1)
        for name in mapping(given, "rates")
    )
    policy = replace(policy_in(given), is_included=name == "gross")
    taxes = tax_amounts(bases, [rates] * len(bases), policy)
    by_rate = zip(*taxes, strict=True)
    tax = sum_money([one for line in taxes for one in line], currency)
    net = sum_money(bases, currency) - (tax if policy.is_included else Money(0, currency))
    return {
        "lines": [sum_money(line, currency).major for line in taxes],
        "by_rate": {
            rate.tax_code: sum_money(amounts, currency).major
            for rate, amounts in zip(rates, by_rate, strict=False)
        },
        "net": net.major,
        "tax": tax.major,
        "total": (net + tax).major,
    }


def policy_in(given: Mapping[str, Any]) -> TaxPolicy:
    """Read where and how tax is rounded."""
    level = choice(given, "tax_rounding", LEVELS, "line")
    mode = choice(given, "tax_rounding_mode", ROUNDINGS, "half_up")
    return TaxPolicy(cast("TaxRounding", level), cast("Rounding", mode))
