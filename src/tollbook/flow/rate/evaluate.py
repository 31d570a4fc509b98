"""One price as people write it, one usage: the production rating, without anything stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.rate.accumulate import joined
from tollbook.flow.rate.committed import Committed
from tollbook.flow.rate.price import price_usage
from tollbook.flow.rate.ruled import commitment_of, rules_of
from tollbook.flow.rate.steps import OF_AMOUNT
from tollbook.flow.rate.used import detail_of
from tollbook.flow.rate.working import ZERO
from tollbook.masterdata.catalog import SINCE_EVER
from tollbook.masterdata.check_prices import price_problems
from tollbook.masterdata.documents import documents_to_versions
from tollbook.records.charge import Charge, PriceVersion
from tollbook.records.commercial import PriceBook
from tollbook.records.usage import MeteredUsage, UsageDetail
from tollbook.values.ids import CustomerId, MeterId, UsageId
from tollbook.values.money import Money, Precise, settle
from tollbook.values.period import Period
from tollbook.values.quantity import plain

# The working of a price does not depend on when: any period will do.
_PERIOD: Final = Period(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 2, 1, tzinfo=UTC))


def evaluate(
    written: object,
    quantity: object,
    *,
    before: object = None,
    is_last: bool = True,
    name: str = "price",
) -> Charge:
    """Rate a usage against a price written as in a price book, with its currency.

    `quantity` is a number, or a usage with events, amounts, cells or windows (`used.py`); `before`
    is what was measured earlier in the same span, `is_last` whether that ends with this usage.
    Numbers are text, integers or decimals. Raises Rejected `price.invalid`, `price.invalid_quantity`, and what the price itself refuses.
    """
    price = price_of(written, name=name)
    earlier = None if before is None else _detail(before, price)
    now = _detail(quantity, price) if earlier is None else detail_of(quantity)
    return price_usage(_usage(now), price, detail=now, before=earlier, is_last=is_last)


def commitment(written: object, quantity: object) -> Committed | None:
    """Return what the windows of a usage come to; None when the price has no commitment."""
    return commitment_of(detail_of(quantity), price_of(written))


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a span that is billed in parts; `payable` is what is owed now, beside the rest."""

    charge: Charge
    payable: Money


def slices(written: object, usages: Sequence[object]) -> list[Slice]:
    """Rate usages one after the other, each as what it adds to those before it."""
    price = price_of(written)
    found: list[Slice] = []
    before: UsageDetail | None = None
    charged, paid = Precise(ZERO, price.currency), Money(0, price.currency)
    for at, usage in enumerate(usages):
        now = _detail(usage, price) if before is None else detail_of(usage)
        is_last = at == len(usages) - 1
        charge = price_usage(_usage(now), price, detail=now, before=before, is_last=is_last)
        charged = charged + charge.amount
        payable = settle(charged, price.rounding).money
        found.append(Slice(charge, payable - paid))
        paid = payable
        before = now if before is None else joined(before, now)
    return found


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


def _detail(written: object, price: PriceVersion) -> UsageDetail:
    detail = detail_of(written)
    measured = detail.money if price.model in OF_AMOUNT else detail.quantity
    if measured < ZERO and rules_of(price).negative_usage == "refuse":
        raise Rejected("price.invalid_quantity", f"Quantity {measured}: it must not be negative.")
    return detail


def _usage(detail: UsageDetail) -> MeteredUsage:
    return MeteredUsage(
        usage_id=UsageId("use_eval"),
        customer_id=CustomerId("eval"),
        meter_id=MeterId("eval"),
        period=_PERIOD,
        quantity=detail.quantity,
        event_count=detail.events,
    )


def _invalid(*problems: str) -> Rejected:
    return Rejected("price.invalid", f"The price cannot be used: {'; '.join(problems)}.")
