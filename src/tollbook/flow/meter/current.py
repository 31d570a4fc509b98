"""Current usage: what is asked, and which windows of which customers and meters answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.meter.definition import Counted
from tollbook.flow.meter.events.store import Group
from tollbook.flow.meter.window import Question, question
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Contract
from tollbook.records.usage import EMPTY_DIGEST
from tollbook.values.ids import CustomerId, MeterId
from tollbook.values.period import Month, Period
from tollbook.values.zone import WindowKind, instants, windows_of, zone_named

WINDOWS_MAX: Final = 3_000


@dataclass(frozen=True, slots=True)
class Ask:
    """What of whose usage is asked: empty customer or meter = all of them.

    The time is a month, or from one instant until another, or else the month that it is now in the
    customer's zone. `window` cuts it; `where` and `group_by` are about the meter's dimensions.
    """

    customer_id: str = ""
    meter_id: str = ""
    month: Month | None = None
    since: datetime | None = None
    until: datetime | None = None
    window: WindowKind | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """What a customer used of a meter in [starts_at, ends_at), instants in UTC.

    `digest` is the order-free sum of the hashes of the events behind it; `dimensions` are those
    that were asked for.
    """

    customer_id: CustomerId
    meter_id: MeterId
    aggregation: str
    unit: str
    starts_at: datetime
    ends_at: datetime
    zone: str
    dimensions: Mapping[str, str]
    quantity: Decimal
    event_count: int
    digest: str


@dataclass(frozen=True, slots=True)
class CurrentUsage:
    """Usage as it was at one moment, with every event that was acknowledged by then.

    The summaries hold all receipts through `complete_through_receipt`; some up to `latest_receipt`
    were added to them on the way. `recount_pending` says that events of these days were voided, or
    are waiting to be counted anew, which the worker does within a second or so. Gauges are cut off
    at `as_of`.
    """

    as_of: datetime
    complete_through_receipt: int
    latest_receipt: int
    recount_pending: bool
    usages: tuple[WindowUsage, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What of master data answers need, worked out once for each state of it.

    `zones` are the zones of customers whose days do not begin in UTC; `meters` all meters in order.
    """

    catalog: Catalog
    zones: Mapping[str, str]
    meters: tuple[str, ...]


def view_of(catalog: Catalog) -> View:
    """Work out what answers need."""
    zones: dict[str, str] = {}
    if not catalog.zones <= {"UTC"}:
        first: dict[str, Contract] = {}
        for key in catalog.keys("contract"):
            contract = catalog.contract(key, date.max)
            if contract is not None:
                first.setdefault(contract.customer_id, contract)
        zones = {key: catalog.zone(key, first.get(key)) for key in catalog.keys("customer")}
    off = {key: zone for key, zone in zones.items() if zone != "UTC"}
    return View(catalog, off, tuple(catalog.keys("meter")))


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the summaries, and the zone in which its window is one."""

    question: Question
    zone: str


def questions_for(view: View, ask: Ask, *, at: datetime) -> list[Asked]:
    """Return the questions that answer what is asked, by customer, meter and time.

    Rejected when there is no such customer or meter, or when it would be too many windows.
    """
    if ask.customer_id and ("customer", ask.customer_id) not in view.catalog.versions:
        raise Rejected("meter.unknown_customer", f"There is no customer {ask.customer_id}.")
    meters = _meters(view, ask)
    # All customers whose days begin in UTC are one question, the empty customer.
    zones = {"": "UTC", **view.zones}
    if ask.customer_id:
        zones = {ask.customer_id: view.zones.get(ask.customer_id, "UTC")}
    found: list[Asked] = []
    for customer, zone in sorted(zones.items()):
        span = _span(ask, zone, at)
        periods = list(windows_of(ask.window, span, zone)) if ask.window else [span]
        if len(periods) * len(meters) > WINDOWS_MAX:
            raise Rejected(
                "meter.too_many_windows",
                f"That is {len(periods) * len(meters)} windows, more than {WINDOWS_MAX}: ask for a "
                "shorter time, longer windows or one meter.",
            )
        for meter_id in meters:
            for period in periods:
                one = question(view.catalog, customer, meter_id, period, dict(ask.where))
                if one is not None:
                    found.append(Asked(one, zone))
    return found


def usages_from(
    view: View, ask: Ask, asked: Sequence[Asked], answers: Sequence[Mapping[Group, Counted]]
) -> list[WindowUsage]:
    """Return what answers say, a record each; a window without usage is there as nothing.

    Except where it is asked by dimensions, or of all customers: then only what was used.
    """
    found = []
    for one, counted in zip(asked, answers, strict=True):
        groups = dict(sorted(counted.items()))
        if not groups and not ask.group_by and ask.customer_id:
            groups = {(): Counted(Decimal(0), 0, EMPTY_DIGEST)}
        for group, number in groups.items():
            customer, dimensions = one.question.customer_id, group
            if not customer:
                customer, dimensions = group[0], group[1:]
                if customer in view.zones:
                    continue
            found.append(_usage(one, customer, ask.group_by, dimensions, number))
    return sorted(found, key=lambda usage: (usage.customer_id, usage.meter_id, usage.starts_at))


def _usage(
    asked: Asked, customer: str, names: Sequence[str], values: Group, counted: Counted
) -> WindowUsage:
    meter = asked.question.meter
    return WindowUsage(
        customer_id=CustomerId(customer),
        meter_id=meter.meter_id,
        aggregation=meter.aggregation,
        unit=meter.unit,
        starts_at=asked.question.period.start,
        ends_at=asked.question.period.end,
        zone=asked.zone,
        dimensions=dict(zip(names, values, strict=True)),
        quantity=counted.quantity,
        event_count=counted.event_count,
        digest=counted.digest,
    )


def _span(ask: Ask, zone: str, at: datetime) -> Period:
    if ask.since is not None or ask.until is not None:
        if ask.since is None or ask.until is None or ask.month is not None:
            raise Rejected(
                "meter.unclear_time", "Give a month, or both ends of a time: from and until."
            )
        try:
            return Period(ask.since, ask.until)
        except ValueError as error:
            raise Rejected("meter.unclear_time", f"{error}.") from error
    month = ask.month or Month.of(at.astimezone(zone_named(zone)).date())
    return instants(month.period, zone)


def _meters(view: View, ask: Ask) -> list[str]:
    if ask.meter_id and ask.meter_id not in view.meters:
        raise Rejected("meter.unknown_meter", f"There is no meter {ask.meter_id}.")
    meters = [ask.meter_id] if ask.meter_id else list(view.meters)
    names = {*ask.where, *ask.group_by}
    keeping = [
        key
        for key in meters
        if names <= set(getattr(view.catalog.versions["meter", key][-1].record, "dimensions", ()))
    ]
    if meters and not keeping:
        raise Rejected(
            "meter.unknown_dimension",
            f"No meter asked for keeps the dimensions {', '.join(sorted(names))}.",
        )
    return keeping


def day_types(asked: Sequence[Asked]) -> tuple[list[str], datetime, datetime]:
    """Return the event types and the time in which a waiting recount would change an answer."""
    types = sorted({span.meter.event_type for one in asked for span in one.question.spans})
    start = min(one.question.period.start for one in asked)
    end = max(one.question.period.end for one in asked)
    return types, start, end + timedelta(days=1)
