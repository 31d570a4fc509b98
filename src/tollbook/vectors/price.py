"""Vectors of one price: a usage at a price comes to an amount, with its working."""

import re
from collections.abc import Mapping
from typing import Any, Final

from tollbook.flow.rate.evaluate import commitment, evaluate, slices
from tollbook.flow.rate.used import KEYS
from tollbook.records.charge import ChargePart
from tollbook.values.money import settle, sum_money, sum_precise
from tollbook.values.quantity import plain
from tollbook.vectors.given import invalid, mapping, only, yes

_NUMBER: Final = re.compile(r"-?[0-9]+(?:_[0-9]+)+(?:[.][0-9]+)?")


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Rate a usage; `amount` is exact, `payable` what an invoice line shows, both major units."""
    only(given, "price", "before", "ends", "split", *KEYS)
    price = _plain(mapping(given, "price"))
    if "split" in given:
        return _split(price, given)
    used = {key: item for key, item in _plain(given).items() if key in KEYS}
    is_last = yes(given, "ends", default=True)
    charge = evaluate(price, used, before=_plain(given.get("before")), is_last=is_last)
    settled = settle(charge.amount, charge.rounding)
    found = {
        "amount": charge.amount.value,
        "payable": settled.money.major,
        "residue": settled.residue,
        "quantity": charge.quantity,
        "parts": [written(part) for part in charge.parts],
    }
    windows = commitment(price, used)
    if windows is not None:
        found["utilised"] = windows.utilised
        found["overage"] = windows.overage
        found["true_up"] = windows.true_up
    return found


def _split(price: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Rate a span in parts: `slices` are exact, `payables` what each part shows, beside the whole."""
    only(given, "price", "split")
    if not isinstance(given["split"], list):
        raise invalid("`split:` is a list of usages")
    found = slices(price, _plain(given["split"]))
    charges = [one.charge for one in found]
    amount = sum_precise([charge.amount for charge in charges])
    payable = sum_money([one.payable for one in found], amount.currency)
    return {
        "slices": [charge.amount.value for charge in charges],
        "payables": [one.payable.major for one in found],
        "workings": [[written(part) for part in charge.parts] for charge in charges],
        "amount": amount.value,
        "payable": payable.major,
    }


def _plain(value: Any) -> Any:
    """Take the underscores out of numbers: 1_000 is 1000."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return value.replace("_", "")
    return value


def written(part: ChargePart) -> str:
    """Write a part of the working: `up to 100: 50 x 0.10 = 5`, with `/ 1000` for a price per 1000."""
    per = "" if part.per == 1 else f" / {plain(part.per)}"
    sides = f"{plain(part.quantity)} x {plain(part.unit_price)}{per} = {plain(part.amount)}"
    return f"{part.label}: {sides}"
