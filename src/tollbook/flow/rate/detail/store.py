"""Reads what some prices look at beyond a quantity, for the usages that they rate."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from tollbook.flow.meter.detail.store import Value, counted_by, values_of
from tollbook.flow.meter.store import usages_of_windows
from tollbook.flow.rate.detail.need import Key, Known, looks_beyond, needs, sum_before
from tollbook.flow.rate.ruled import rules_of
from tollbook.flow.rate.working import ZERO, total
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.check_prices import looks_at_events
from tollbook.records.charge import PriceRules, PriceVersion
from tollbook.records.usage import CellUse, EventUse, MeteredUsage, UsageDetail
from tollbook.storage.database import Connection
from tollbook.values.money import EXACT
from tollbook.values.period import Month
from tollbook.values.zone import WindowKind, instants, windows_of


def known_of(
    connection: Connection, catalog: Catalog, month: Month, usages: Iterable[MeteredUsage]
) -> dict[Key, Known]:
    """Return what prices look at beyond quantities in a month; empty where none does."""
    found = {(one.contract_id, one.product_id, one.period): one for one in usages}
    wanted = list(needs(catalog, month))
    earlier = {window for need in wanted for window in need.windows_before or ()}
    quantities = {
        (one.contract_id, one.product_id, one.period): one.quantity
        for one in usages_of_windows(connection, sorted(earlier))
    }
    known = {}
    for need in wanted:
        usage = found.get(need.key)
        detail = None if usage is None else detail_of(connection, catalog, usage, need.price)
        before = sum_before(quantities, need.windows_before)
        known[need.key] = Known(detail, before, need.is_last)
    return known


def detail_of(
    connection: Connection, catalog: Catalog, usage: MeteredUsage, price: PriceVersion
) -> UsageDetail | None:
    """Return what a price looks at, as known through the usage's receipt; None if at no more."""
    if not looks_beyond(price):
        return None
    rules = rules_of(price)
    paid = usage if rules.amount_meter is None else replace(usage, meter_id=rules.amount_meter)
    amount = None
    if rules.amount_meter is not None:
        counted = counted_by(connection, catalog, paid, ()).values()
        amount = total(one.quantity for one in counted)
    detail = UsageDetail(usage.quantity, usage.event_count, amount)
    if price.model == "matrix":
        return replace(detail, cells=_cells(connection, catalog, usage, paid, rules))
    if looks_at_events(rules):
        values = values_of(connection, catalog, paid)
        each = tuple(EventUse(one.quantity, one.quantity) for one in values)
        return replace(detail, events=len(each), each=each)
    if rules.commitment is not None and rules.commitment.window != "period":
        values = values_of(connection, catalog, usage)
        return replace(detail, windows=_windows(values, usage, rules.commitment.window))
    return detail


def _cells(
    connection: Connection,
    catalog: Catalog,
    usage: MeteredUsage,
    paid: MeteredUsage,
    rules: PriceRules,
) -> tuple[CellUse, ...]:
    counted = counted_by(connection, catalog, usage, rules.dimensions)
    amounts: dict[tuple[str, ...], Decimal] = {}
    if paid is not usage:
        found = counted_by(connection, catalog, paid, rules.dimensions)
        amounts = {group: one.quantity for group, one in found.items()}
    return tuple(
        CellUse(
            values=dict(zip(rules.dimensions, group, strict=True)),
            quantity=counted[group].quantity if group in counted else ZERO,
            events=counted[group].event_count if group in counted else 0,
            amount=None if paid is usage else amounts.get(group, ZERO),
        )
        for group in sorted(counted.keys() | amounts.keys())
    )


def _windows(values: Iterable[Value], usage: MeteredUsage, kind: WindowKind) -> tuple[Decimal, ...]:
    """Return the quantity of every hour or day of a usage's period, also of those without any."""
    windows = list(windows_of(kind, instants(usage.period, usage.zone), usage.zone))
    quantities = [ZERO for _ in windows]
    at = 0
    for value in values:
        while value.occurred_at >= windows[at].end:
            at += 1
        quantities[at] = EXACT.add(quantities[at], value.quantity)
    return tuple(quantities)
