"""Why a line's amount is what it is, as a page of text."""

import json
from collections.abc import Iterator

from tollbook.reports.why import Why
from tollbook.values.quantity import plain


def why_lines(found: Why) -> Iterator[str]:
    """Yield the text of one line's reasons: at most a screen."""
    yield f"{found.number} line {found.line_no}: {found.description} = {found.amount}"
    for part in found.parts:
        per = "" if part.per == 1 else f" / {plain(part.per)}"
        sides = f"{plain(part.quantity)} x {plain(part.unit_price)}{per}"
        yield f"  {part.label:<32} {sides:>34} = {plain(part.amount):>18}"
    yield f"  {'exact':<32} {'':>34}   {plain(found.exact):>18}"
    yield f"  rounded {found.rounding}; what rounding left over: {plain(found.residue)}"
    yield f"  price {found.price_version_id} ({found.price_model})"
    for name, value in found.policies.items():
        if name != "model":
            yield f"    {name}: {value if isinstance(value, str) else json.dumps(value)}"
    rule = f", rule {found.rule_id}" if found.rule_id else ""
    yield f"  contract {found.contract_id} version {found.contract_version}{rule}"
    if found.corrects:
        yield f"  corrects {found.corrects}: what was charged before is part of the working"
    if found.usage is not None:
        usage = found.usage
        yield (
            f"  usage {plain(usage.quantity)} by meter {usage.meter_id} version "
            f"{usage.meter_version}, {usage.event_count} events, {usage.period.start.date()} to "
            f"{usage.period.end.date()} (excluded) in {usage.zone}"
        )
        yield f"    digest {usage.digest}; the events: tollbook trace {usage.usage_id}"
    for tax in found.taxes:
        yield (
            f"  tax {tax.tax_code} {plain(tax.rate * 100)} % of {tax.base} = {tax.amount} "
            f"(tax table version {tax.tax_version})"
        )
    yield f"  charge {found.charge_id}"
