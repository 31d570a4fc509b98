"""What an invoice line says to the customer."""

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Final

from tollbook.records.charge import Charge, ChargeKind
from tollbook.records.commercial import Product
from tollbook.values.period import Month, Period
from tollbook.values.quantity import plain

_SEPARATOR: Final = " · "

# Not from the locale of the machine: the same invoice says the same everywhere.
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

_TITLES: Final[dict[ChargeKind, str]] = {
    "discount": "Discount",
    "maximum": "Above the agreed maximum",
    "minimum": "Up to the agreed minimum",
    "commitment_shortfall": "Commitment shortfall",
    "overage": "Usage beyond the commitment",
    "credit_purchase": "Prepaid credits",
    "credit_applied": "Prepaid credits applied",
    "credit_discount": "Credits without cost applied",
}


def description(charge: Charge, product: Product | None) -> str:
    """Return a line's text: what, how much of it, and when."""
    title = _TITLES.get(charge.kind) or (product.name if product else charge.product_id)
    if charge.rule_id:
        title = f"{title} {charge.rule_id}"
    parts = ["Correction: " + title if charge.corrects else title]
    if _shows_quantity(charge):
        quantity, unit = grouped(charge.quantity), product.unit if product else ""
        parts.append(f"{quantity} {unit}" if unit else f"quantity {quantity}")
    return _SEPARATOR.join([*parts, period_text(charge.period)])


def grouped(quantity: Decimal) -> str:
    """Write a quantity as people read it: 4,130,389 or 0.25."""
    return f"{Decimal(plain(quantity)):,f}"


def period_text(period: Period) -> str:
    """Write a period by its days: `November 2023`, or first and last day."""
    first = period.start.astimezone(UTC).date()
    last = (period.end.astimezone(UTC) - timedelta(microseconds=1)).date()
    if period == Month.of(first).period:
        return f"{_MONTHS[first.month - 1]} {first.year}"
    return f"{_day_text(first)} to {_day_text(last)}"


def _shows_quantity(charge: Charge) -> bool:
    if charge.kind == "usage":
        return True
    return charge.kind == "fixed" and charge.quantity not in {0, 1}


def _day_text(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
