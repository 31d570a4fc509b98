"""Usage as people write it: a quantity, or events, amounts, cells and windows beside it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.rate.working import ONE, ZERO, total
from tollbook.records.usage import CellUse, EventUse, UsageDetail
from tollbook.values.quantity import parse_quantity

KEYS: Final = ("quantity", "events", "amount", "cells", "windows")
_EVENT_KEYS: Final = ("quantity", "amount")
_CELL_KEYS: Final = ("when", "quantity", "events", "amount")


def detail_of(written: object) -> UsageDetail:
    """Read a usage: a number, or a mapping with `quantity`, `events`, `amount`, `cells`, `windows`.

    What is not said follows from what is: the quantity is that of the events, cells or windows.
    Raises Rejected `price.invalid_quantity`.
    """
    if not isinstance(written, Mapping):
        return UsageDetail(_number(written, "Quantity"))
    _only(written, KEYS, "usage")
    each, count = _events(written.get("events"))
    cells = tuple(_cell(one) for one in _list(written.get("cells"), "cells"))
    windows = None
    if written.get("windows") is not None:
        windows = tuple(_number(one, "Window") for one in _list(written["windows"], "windows"))
    amount = _amount(written, each, cells)
    return UsageDetail(
        quantity=_quantity(written, each, cells, windows, amount),
        events=count or sum(cell.events for cell in cells),
        amount=amount,
        each=each,
        cells=cells,
        windows=windows,
    )


def _quantity(
    written: Mapping[str, Any],
    each: Sequence[EventUse] | None,
    cells: Sequence[CellUse],
    windows: Sequence[Decimal] | None,
    amount: Decimal | None,
) -> Decimal:
    if written.get("quantity") is not None:
        return _number(written["quantity"], "Quantity")
    if windows is not None:
        return total(windows)
    if cells:
        return total(cell.quantity for cell in cells)
    if each is not None:
        return total(event.quantity for event in each)
    if amount is not None:
        return amount
    raise _invalid("Say the `quantity:`, or `events:`, `amount:`, `cells:` or `windows:`.")


def _amount(
    written: Mapping[str, Any], each: Sequence[EventUse] | None, cells: Sequence[CellUse]
) -> Decimal | None:
    if written.get("amount") is not None:
        return _number(written["amount"], "Amount")
    if each is not None:
        return total(event.amount for event in each)
    amounts = [cell.amount for cell in cells if cell.amount is not None]
    return total(amounts) if amounts else None


def _events(value: object) -> tuple[tuple[EventUse, ...] | None, int]:
    """Read how many events there were, or each of them."""
    if value is None:
        return None, 0
    if not isinstance(value, list):
        return None, _count(value)
    each = tuple(_event(one) for one in value)
    return each, len(each)


def _event(written: object) -> EventUse:
    """Read one event: a number is both its quantity and its amount."""
    if not isinstance(written, Mapping):
        number = _number(written, "Event")
        return EventUse(number, number)
    _only(written, _EVENT_KEYS, "event")
    quantity, amount = written.get("quantity"), written.get("amount")
    if quantity is None and amount is None:
        raise _invalid("An event has a `quantity:` or an `amount:`.")
    counted = ONE if quantity is None else _number(quantity, "Quantity")
    return EventUse(counted, counted if amount is None else _number(amount, "Amount"))


def _cell(written: object) -> CellUse:
    if not isinstance(written, Mapping) or not isinstance(written.get("when"), Mapping):
        raise _invalid("A cell has `when:` with its dimensions, and a `quantity:`.")
    _only(written, _CELL_KEYS, "cell")
    amount = written.get("amount")
    quantity = written.get("quantity", amount)
    return CellUse(
        values={str(name): str(value) for name, value in written["when"].items()},
        quantity=_number(quantity if quantity is not None else ZERO, "Quantity"),
        events=_count(written.get("events", 0)),
        amount=None if amount is None else _number(amount, "Amount"),
    )


def _count(value: object) -> int:
    number = _number(value, "Events")
    if number < ZERO or number != int(number):
        raise _invalid(f"Events {value!r}: it must be a whole number.")
    return int(number)


def _list(value: object, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _invalid(f"`{name}:` is a list.")
    return value


def _number(value: object, name: str) -> Decimal:
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise _invalid(f"{name} {value!r}: {error}.") from error


def _only(written: Mapping[str, Any], names: Iterable[str], what: str) -> None:
    for key in written:
        if key not in names:
            raise _invalid(f"{key!r} is not known of a {what}: there are {', '.join(names)}.")


def _invalid(message: str) -> Rejected:
    return Rejected("price.invalid_quantity", message)
