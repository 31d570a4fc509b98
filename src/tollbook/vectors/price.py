"""Vectors of one price: a quantity at a price comes to an amount, with its working."""

from collections.abc import Mapping
from typing import Any

from tollbook.flow.rate.evaluate import evaluate
from tollbook.records.charge import ChargePart
from tollbook.values.money import settle
from tollbook.values.quantity import plain
from tollbook.vectors.given import mapping, only, text


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Rate a quantity; `amount` is exact, `payable` what an invoice line shows, both major units."""
    only(given, "price", "quantity")
    charge = evaluate(mapping(given, "price"), text(given, "quantity"))
    settled = settle(charge.amount, charge.rounding)
    return {
        "amount": charge.amount.value,
        "payable": settled.money.major,
        "residue": settled.residue,
        "parts": [written(part) for part in charge.parts],
    }


def written(part: ChargePart) -> str:
    """Write a part of the working: `up to 100: 50 x 0.10 = 5`, with `/ 1000` for a price per 1000."""
    per = "" if part.per == 1 else f" / {plain(part.per)}"
    sides = f"{plain(part.quantity)} x {plain(part.unit_price)}{per} = {plain(part.amount)}"
    return f"{part.label}: {sides}"
