"""What people write of a price in fewer words, as the record has it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tollbook.values.quantity import parse_quantity

# What a step that is written as `minimum: 5` or `discount: 10 %` means by its value.
_MEANT: Final = {
    "include": "quantity",
    "discount_usage": "quantity",
    "discount": "amount",
    "minimum": "amount",
    "maximum": "amount",
    "factor": "multiply_by",
}


def price(value: Any) -> Any:
    """`unit_price:` alone is one tier without end; `amount:` is the amount of a flat price."""
    if not isinstance(value, Mapping):
        return value
    written = dict(value)
    if "unit_price" in written and "tiers" not in written:
        written["tiers"] = [{"unit_price": written.pop("unit_price")}]
    if "amount" in written and "flat_amount" not in written:
        written["flat_amount"] = written.pop("amount")
    if "default" in written:
        written["default"] = _nested(written["default"])
    return written


def rules(value: Any) -> Any:
    """`rate: 2.9 %` is 0.029, `markup: 20 %` is 0.2."""
    return _fractions(value, "rate", "markup")


def rate(value: Any) -> Any:
    """`rate: 8.875 %` is 0.08875."""
    return _fractions(value, "rate")


def tier(value: Any) -> Any:
    """A tier that has a rate or a flat amount needs no unit price."""
    if not isinstance(value, Mapping):
        return value
    has_other = value.get("rate") is not None or value.get("flat_amount") is not None
    if has_other and value.get("unit_price") is None:
        value = {**value, "unit_price": 0}
    return _fractions(value, "rate")


def step(value: Any) -> Any:
    """`price`, `include: 100`, `discount: 10 %` and `convert: {divide_by: 1000}` are steps.

    `percent: 10` is `rate: 10 %`.
    """
    if isinstance(value, str):
        return {"kind": value}
    if not isinstance(value, Mapping) or len(value) != 1 or "kind" in value:
        return value
    [(kind, what)] = value.items()
    if isinstance(what, Mapping):
        figures = {"rate" if key == "percent" else key: item for key, item in what.items()}
        if "percent" in what:
            figures["rate"] = f"{what['percent']} %"
        return _fractions({"kind": kind, **figures}, "rate")
    if isinstance(what, str) and what.strip().endswith("%"):
        return _fractions({"kind": kind, "rate": what}, "rate")
    return {"kind": kind, _MEANT.get(str(kind), str(kind)): what}


def round_parts(value: Any) -> Any:
    """`round_parts: half_up` rounds to the currency's decimals."""
    return {"rounding": value} if isinstance(value, str) else value


def cell(value: Any) -> Any:
    """A cell with `unit_price:` has a price a unit; one with `price:` has any other."""
    if not isinstance(value, Mapping):
        return value
    if "price" in value:
        return {**value, "price": _nested(value["price"])}
    own = {key: item for key, item in value.items() if key != "when"}
    when = {"when": value["when"]} if "when" in value else {}
    return {**when, "price": _nested(own)} if own else value


def _nested(value: Any) -> Any:
    """Inside a price, `0.05` and `{unit_price: 0.05}` are prices a unit."""
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return {"model": "unit", "unit_price": value}
    if isinstance(value, Mapping) and "model" not in value and "unit_price" in value:
        return {"model": "unit", **value}
    return value


def _fractions(value: Any, *names: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _fraction(item) if key in names else item for key, item in value.items()}


def _fraction(value: Any) -> Any:
    """Read a percentage as a fraction; anything else is left as it is."""
    if not isinstance(value, str) or not value.strip().endswith("%"):
        return value
    try:
        return parse_quantity(value.strip().removesuffix("%").strip()).scaleb(-2)
    except ValueError:
        return value
