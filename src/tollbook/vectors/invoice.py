"""Vectors of a document: lines, what is agreed over several of them, tax, and the totals."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal, cast

from tollbook.flow.rate.adjust import Due, Share, adjust
from tollbook.flow.rate.evaluate import evaluate
from tollbook.flow.rate.used import KEYS
from tollbook.flow.tax.apply import TaxPolicy, tax_amounts
from tollbook.flow.tax.determine import AppliedRate
from tollbook.masterdata.check_adjustments import adjustment_of
from tollbook.values.money import ROUNDINGS, Money, Precise, Rounding, settle, sum_money
from tollbook.vectors.given import choice, exact, invalid, items, mapping, number, only, text, yes
from tollbook.vectors.tax import policy_in


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Compute a document; all found amounts are in major units, as a document shows them."""
    only(given, "currency", "lines", "adjustments", "taxes", "tax_rounding", "tax_rounding_mode",
         "discounts_used", "prices_include_tax")  # fmt: skip
    currency = text(given, "currency")
    lines = [_line(line, currency) for line in items(given, "lines")]
    rules = [adjustment_of(exact(rule)) for rule in items(given, "adjustments")]
    shares = adjust(lines, rules, currency=currency, used_before=_used(given, currency))
    own = [share for share in shares if share.line is None]
    grosses = [*(line.amount for line in lines), *(share.amount for share in own)]
    nets = [_net(at, gross, shares) for at, gross in enumerate(grosses)]
    taxes = _taxes(given, nets, len(own))
    if yes(given, "prices_include_tax"):
        nets = [net - sum_money(tax, currency) for net, tax in zip(nets, taxes, strict=True)]
    return {
        "lines": [_shown(line, nets[at], taxes[at], at, shares) for at, line in enumerate(lines)],
        "added": [
            {
                "rule": share.rule_id,
                "kind": share.kind,
                "product": share.product_id,
                "gross": share.amount.major,
                "net": net.major,
                "tax": sum_money(tax, currency).major,
            }
            for share, net, tax in zip(own, nets[len(lines) :], taxes[len(lines) :], strict=True)
        ],
        **_totals(lines, nets, taxes, shares, currency),
    }


def _totals(
    lines: Sequence[Due],
    nets: Sequence[Money],
    taxes: Sequence[Sequence[Money]],
    shares: Sequence[Share],
    currency: str,
) -> dict[str, Any]:
    net = sum_money(nets, currency)
    tax = sum_money([one for taxed in taxes for one in taxed], currency)
    cuts = sum_money([share.amount for share in shares if share.kind == "discount"], currency)
    return {
        "gross": sum_money([line.amount for line in lines], currency).major,
        "discount": (-cuts).major,
        "net": net.major,
        "tax": tax.major,
        "total": (net + tax).major,
    }


def _line(given: Mapping[str, Any], currency: str) -> Due:
    only(given, "product", "kind", "amount", "price", "rounding", "taxes", *KEYS)
    kind = choice(given, "kind", ("usage", "fixed"), "usage")
    if "price" in given:
        price = {"currency": currency, **mapping(given, "price")}
        used = {key: given[key] for key in KEYS if key in given}
        charge = evaluate(price, used or "1")
        amount = settle(charge.amount, charge.rounding).money
    else:
        mode = cast("Rounding", choice(given, "rounding", ROUNDINGS, "half_even"))
        amount = settle(Precise(number(given, "amount"), currency), mode).money
    return Due(text(given, "product", ""), cast("Literal['usage', 'fixed']", kind), amount)


def _used(given: Mapping[str, Any], currency: str) -> dict[str, Money]:
    used = mapping(given, "discounts_used")
    return {name: -settle(Precise(number(used, name), currency)).money for name in used}


def _net(at: int, gross: Money, shares: Sequence[Share]) -> Money:
    cuts = [share.amount for share in shares if share.line == at]
    return gross + sum_money(cuts, gross.currency)


def _taxes(given: Mapping[str, Any], nets: Sequence[Money], own: int) -> list[tuple[Money, ...]]:
    known = {name: _rate(name, given) for name in mapping(given, "taxes")}
    named = [line.get("taxes", list(known)) for line in items(given, "lines")]
    rates = []
    for names in [*named, *([list(known)] * own)]:
        if not isinstance(names, list) or any(name not in known for name in names):
            raise invalid(f"taxes of a line are a list of {', '.join(known) or 'none'}")
        rates.append(tuple(known[name] for name in names))
    return tax_amounts(nets, rates, _policy(given))


def _policy(given: Mapping[str, Any]) -> TaxPolicy:
    return replace(policy_in(given), is_included=yes(given, "prices_include_tax"))


def _rate(name: str, given: Mapping[str, Any]) -> AppliedRate:
    return AppliedRate("", name, number(mapping(given, "taxes"), name), 1)


def _shown(
    line: Due, net: Money, taxes: Sequence[Money], at: int, shares: Sequence[Share]
) -> dict[str, Any]:
    def taken(kind: str) -> Decimal:
        found = [share.amount for share in shares if share.line == at and share.kind == kind]
        return (-sum_money(found, net.currency)).major

    tax = sum_money(taxes, net.currency)
    return {
        "product": line.product_id,
        "gross": line.amount.major,
        "discount": taken("discount"),
        "above_maximum": taken("maximum"),
        "net": net.major,
        "tax": tax.major,
        "taxes": [one.major for one in taxes],
        "total": (net + tax).major,
    }
