"""Shows what a correction would do to the money: every step is done for real, then rolled back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Generic, TypeVar

import psycopg

from tollbook.errors import Transient
from tollbook.flow.meter.step import meter
from tollbook.flow.meter.store import latest_usages
from tollbook.flow.rate.step import rate
from tollbook.flow.rate.store import load_charges
from tollbook.masterdata.catalog import Catalog
from tollbook.runtime.street import summarize_swept
from tollbook.storage.database import Connection, Database
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.clock import Clock
from tollbook.values.period import Month

ATTEMPTS_MAX: Final = 3
ZERO: Final = Decimal(0)

T = TypeVar("T")
CatalogOf = Callable[[Connection], Catalog]


@dataclass(frozen=True, slots=True)
class Change:
    """What a customer used of a product and owes for it in a month, before and after.

    `kind` is that of the charge (usage, commitment, ...). Amounts are exact, in major units of the
    currency, without tax; what was billed already is part of both. Quantities are of metered usage
    and 0 for charges that are not usage.
    """

    month: str
    customer_id: str
    product_id: str
    kind: str
    currency: str
    quantity_before: Decimal
    quantity_after: Decimal
    amount_before: Decimal
    amount_after: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more the customer would owe; negative when it is less."""
        return self.amount_after - self.amount_before


@dataclass(frozen=True, slots=True)
class Effect:
    """What differs afterwards, by month, customer and product, and the sum per currency."""

    months: tuple[str, ...]
    changes: tuple[Change, ...]
    difference: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Previewed(Generic[T]):
    """What an act would have answered, and its effect; nothing of it is stored."""

    result: T
    effect: Effect


@dataclass(frozen=True, slots=True)
class _State:
    quantities: Mapping[tuple[str, str, str], Decimal]
    amounts: Mapping[tuple[str, str, str, str, str], Decimal]


def preview(
    database: Database,
    act: Callable[[Connection], tuple[T, Iterable[date]]],
    *,
    catalog_of: CatalogOf,
    clock: Clock,
) -> Previewed[T]:
    """Do an act, meter and rate the months of the days it touched, and undo all of it.

    `act` returns its result and those days. The same months are metered and rated without the act
    too, so that the effect is that of the act alone. Summaries wait while a preview runs, so it is
    done at once. Transient when other work was in the way each time.
    """
    for _ in range(ATTEMPTS_MAX):
        try:
            with database.transaction() as connection, connection.transaction(force_rollback=True):
                return _preview(connection, act, catalog_of, clock.now())
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
            continue
    raise Transient(
        "capture.preview_busy", "Other work was in the way of the preview: ask again in a moment."
    )


def _preview(
    connection: Connection,
    act: Callable[[Connection], tuple[T, Iterable[date]]],
    catalog_of: CatalogOf,
    at: datetime,
) -> Previewed[T]:
    # First of all, so that no summary waits for our receipts with the door shut behind it.
    hold_lock(connection, Lock.SUMMARIZE)
    hold_lock(connection, Lock.DECIDE_CHARGES)
    with connection.transaction(force_rollback=True):
        result, days = act(connection)
        catalog = catalog_of(connection)
        months = catalog.months_billing(days)
        after = _state(connection, catalog, months, at)
    with connection.transaction(force_rollback=True):
        before = _state(connection, catalog_of(connection), months, at)
    return Previewed(result, _effect(months, before, after))


def _state(
    connection: Connection, catalog: Catalog, months: Sequence[Month], at: datetime
) -> _State:
    quantities: dict[tuple[str, str, str], Decimal] = {}
    amounts: dict[tuple[str, str, str, str, str], Decimal] = {}
    if months:
        summarize_swept(connection, catalog, at)
    for month in months:
        meter(connection, catalog=catalog, month=month, at=at)
        rate(connection, catalog=catalog, month=month, at=at)
        for usage in latest_usages(connection, month):
            used = (str(month), usage.customer_id, usage.product_id)
            quantities[used] = quantities.get(used, ZERO) + usage.quantity
        for charge in (rated.charge for rated in load_charges(connection, month)):
            amount = charge.amount
            key = (
                str(month),
                charge.customer_id,
                charge.product_id,
                charge.kind,
                amount.currency,
            )
            amounts[key] = amounts.get(key, ZERO) + amount.value
    return _State(quantities, amounts)


def _effect(months: Sequence[Month], before: _State, after: _State) -> Effect:
    changes = []
    priced = before.amounts.keys() | after.amounts.keys()
    unpriced = {
        (*used, "usage", "")
        for used in before.quantities.keys() | after.quantities.keys()
        if not any(key[:4] == (*used, "usage") for key in priced)
    }
    for key in sorted(priced | unpriced):
        month, customer, product, kind, currency = key
        used = (month, customer, product)
        is_usage = kind == "usage"
        change = Change(
            month,
            customer,
            product,
            kind,
            currency,
            quantity_before=before.quantities.get(used, ZERO) if is_usage else ZERO,
            quantity_after=after.quantities.get(used, ZERO) if is_usage else ZERO,
            amount_before=before.amounts.get(key, ZERO),
            amount_after=after.amounts.get(key, ZERO),
        )
        if change.difference or change.quantity_before != change.quantity_after:
            changes.append(change)
    difference: dict[str, Decimal] = {}
    for change in changes:
        if change.currency:
            difference[change.currency] = difference.get(change.currency, ZERO) + change.difference
    return Effect(tuple(map(str, months)), tuple(changes), difference)
