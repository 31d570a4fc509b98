"""One price as people write it, one quantity: the production rating, without anything stored."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.rate.price import price_usage
from tollbook.masterdata.catalog import SINCE_EVER
from tollbook.masterdata.check_prices import price_problems
from tollbook.masterdata.documents import documents_to_versions
from tollbook.records.charge import Charge, PriceVersion
from tollbook.records.commercial import PriceBook
from tollbook.records.usage import MeteredUsage
from tollbook.values.ids import CustomerId, MeterId, UsageId
from tollbook.values.money import settle
from tollbook.values.period import Period
from tollbook.values.quantity import parse_quantity, plain

# The working of a price does not depend on when: any period will do.
_PERIOD: Final = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 2, 1, tzinfo=UTC))


def evaluate(written: object, quantity: object, *, name: str = "price") -> Charge:
    """Rate a quantity against a price written as in a price book, with its currency.

    Numbers are text, integers or decimals. Raises Rejected `price.invalid`,
    `price.invalid_quantity`.
    """
    return price_usage(_usage(_quantity(quantity)), price_of(written, name=name))


def price_of(written: object, *, name: str = "price") -> PriceVersion:
    """Read a price as production reads a price book; Rejected `price.invalid` names the field."""
    if not isinstance(written, Mapping):
        raise _invalid("it must be one price: `model: unit`, `unit_price: 0.10` and so on")
    keys = {"product": "product", **written}
    currency = keys.pop("currency", None)
    if not isinstance(currency, str):
        raise _invalid("currency: it must say in which currency the price is")
    book = {"id": name, "currency": currency, "effective_from": SINCE_EVER, "prices": [keys]}
    wanted = documents_to_versions({"price_books": [book]})
    if wanted.problems:
        raise _invalid(*(problem.message.rstrip(".") for problem in wanted.problems))
    (version,) = wanted.versions
    assert isinstance(version.record, PriceBook)
    (price,) = version.record.prices
    problems = price_problems(price)
    if problems:
        raise _invalid(*problems)
    return price


def shown(charge: Charge) -> dict[str, Any]:
    """Return a charge as JSON shows it: the working, the exact and the payable amount, as text."""
    settled = settle(charge.amount, charge.rounding)
    return {
        "quantity": plain(charge.quantity),
        "currency": charge.amount.currency,
        "amount": plain(charge.amount.value),
        "payable": f"{settled.money.major:f}",
        "residue": plain(settled.residue),
        "rounding": charge.rounding,
        "price_version_id": charge.price_version_id,
        "parts": [
            {
                "label": part.label,
                "quantity": plain(part.quantity),
                "unit_price": plain(part.unit_price),
                "per": plain(part.per),
                "amount": plain(part.amount),
            }
            for part in charge.parts
        ],
    }


def _quantity(value: object) -> Decimal:
    try:
        quantity = parse_quantity(value)
    except ValueError as error:
        raise Rejected("price.invalid_quantity", f"Quantity {value!r}: {error}.") from error
    if quantity < 0:
        raise Rejected("price.invalid_quantity", f"Quantity {value}: it must not be negative.")
    return quantity


def _usage(quantity: Decimal) -> MeteredUsage:
    return MeteredUsage(
        usage_id=UsageId("use_eval"),
        customer_id=CustomerId("eval"),
        meter_id=MeterId("eval"),
        period=_PERIOD,
        quantity=quantity,
        event_count=0,
    )


def _invalid(*problems: str) -> Rejected:
    return Rejected("price.invalid", f"The price cannot be used: {'; '.join(problems)}.")
