"""What a contract owes so far in its running billing period, by the rules that bill it later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from tollbook.flow.meter.window import Window
from tollbook.flow.rate.detail.need import Key, Known
from tollbook.flow.rate.live.allowance import allowance_of
from tollbook.flow.rate.prepaid import prepaid
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.terms import Refusal, started_on
from tollbook.flow.rate.truth import Elsewhere, Truth, month_truth, year_spans
from tollbook.flow.rate.working import ZERO, total
from tollbook.ledger.credits import NONE, Moved
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import REDUCTIONS, ChargeKind, ChargePart
from tollbook.records.commercial import Aggregation, Contract
from tollbook.records.credits import CreditCommand
from tollbook.records.usage import MeteredUsage
from tollbook.values.calendar import Days
from tollbook.values.grid import DAY
from tollbook.values.ids import CustomerId
from tollbook.values.money import Money, settle, sum_money
from tollbook.values.period import Month, Period
from tollbook.values.quantity import to_quantity
from tollbook.values.zone import day_start, zone_named

# What thresholds of charges look at; what only fills up to a commitment or a minimum is left out,
# as it is owed from the first day on, and so is what credits are bought for and pay.
_CHARGED: Final[frozenset[ChargeKind]] = frozenset(
    {"usage", "fixed", "overage", "discount", "maximum"}
)
# Usage that grows with time, so that a pace can be told from it.
_GROWING: Final[frozenset[Aggregation]] = frozenset({"count", "sum", "time_weighted_sum"})
# No pace is told from less time: the first event of a month would come to a fortune.
_PACE_AFTER: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ChargeNow:
    """A line as an invoice of this moment would have it, with its working.

    `amount` is payable, `exact` what it was rounded from; both in major units, before tax.
    """

    kind: ChargeKind
    product_id: str
    starts_on: date
    ends_before: date
    quantity: Decimal
    amount: Decimal
    exact: Decimal
    price_version_id: str
    rule_id: str
    parts: tuple[ChargePart, ...]


@dataclass(frozen=True, slots=True)
class GrantNow:
    """A batch of prepaid credits, and what this usage leaves of it; in credits."""

    grant_id: str
    granted: Decimal
    left: Decimal
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AllowanceNow:
    """The included units of a product in a period, and how many are used."""

    product_id: str
    included: Decimal
    used: Decimal


@dataclass(frozen=True, slots=True)
class Waits:
    """What cannot be rated now, so that it and what is computed from it are missing."""

    product_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ContractNow:
    """What a contract owes so far in its running billing period, days of its zone.

    `charges` is what the month `billed_in` bills, the one in which the period ends; `total` is what an invoice of this moment comes to, before tax. `charged` is usage and fees after
    discounts, before commitments, minimums and prepaid credits; `projected` what that comes to when
    usage goes on at its pace until the period ends. `used` counts against `committed`. Amounts in
    major units; `credit_balance` in credits, None without any or when something waits.
    """

    contract_id: str
    contract_version: int
    customer_id: CustomerId
    bill_to: CustomerId
    currency: str
    zone: str
    billed_in: str
    starts_on: date
    ends_before: date
    charges: tuple[ChargeNow, ...]
    total: Decimal
    charged: Decimal
    projected: Decimal
    used: Decimal
    committed: Decimal | None
    allowances: tuple[AllowanceNow, ...]
    grants: tuple[GrantNow, ...]
    credit_balance: Decimal | None
    waits: tuple[Waits, ...]

    @property
    def ends_at(self) -> datetime:
        """When the billing period has ended."""
        return day_start(self.ends_before, self.zone)


@dataclass(frozen=True, slots=True)
class Part:
    """A contract in one of its billing periods, and what it is asked for.

    `catalog` holds no other contract.
    """

    contract: Contract
    catalog: Catalog
    month: Month
    windows: tuple[Window, ...]

    @property
    def zone(self) -> str:
        """In which zone its days begin."""
        return self.catalog.zone(self.contract.customer_id, self.contract)


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted in a period, and what some prices look at beyond quantities."""

    usages: tuple[MeteredUsage, ...]
    known: Mapping[Key, Known]


@dataclass(frozen=True, slots=True)
class Carried:
    """What earlier periods mean for one: balances of grants, discounts given, usage of the year."""

    balances: Mapping[str, Moved] = field(default_factory=dict)
    commands: Sequence[CreditCommand] = ()
    given: Mapping[str, Money] = field(default_factory=dict)
    used: Money | None = None

    def plus(self, truth: Truth, *, currency: str, with_usage: bool) -> "Carried":
        """Add a period that nobody has rated yet."""
        balances, given = dict(self.balances), dict(self.given)
        for by_grant in truth.by_grant.values():
            for block_id, moved in by_grant.items():
                balances[block_id] = balances.get(block_id, NONE) + moved
        for one in _of_currency(truth, currency):
            rule = one.charge.rule_id
            if one.charge.kind == "discount":
                given[rule] = given.get(rule, Money(0, currency)) + _money(one)
        used = self.used or Money(0, currency)
        if with_usage:
            used += net_usage(truth, currency)
        return Carried(balances, self.commands, given, used)


def running_days(catalog: Catalog, contract: Contract, at: datetime) -> Days | None:
    """Return the days of the billing period that runs at an instant, where its days begin."""
    zone = catalog.zone(contract.customer_id, contract)
    today = at.astimezone(zone_named(zone)).date()
    found = catalog.billing_periods(contract.contract_id, Days(today, today + DAY))
    return next((period.days for period in found), None)


def running_month(catalog: Catalog, contract: Contract, at: datetime) -> Month:
    """Return the month that bills the period which runs at an instant: the one in which it ends."""
    days = running_days(catalog, contract, at)
    zone = catalog.zone(contract.customer_id, contract)
    return Month.of(days.last if days else at.astimezone(zone_named(zone)).date())


def truth_of(part: Part, counts: Counts, carried: Carried) -> Truth:
    """Return everything that a contract owes for a period, from its usage so far."""
    key = part.contract.contract_id
    elsewhere = Elsewhere(
        credit_balances={key: carried.balances},
        credit_commands={key: carried.commands},
        discounts_given={key: carried.given},
        used_before={} if carried.used is None else {key: carried.used},
        known_uses=counts.known,
    )
    return month_truth(part.catalog, part.month, counts.usages, elsewhere)


def contract_now(
    part: Part, counts: Counts, carried: Carried, *, at: datetime
) -> ContractNow | None:
    """Return what a contract owes so far; None when it is not in force in the running period."""
    segments = tuple(part.catalog.contract_segments(part.month))
    if not segments:
        return None
    contract, currency = segments[-1][0], segments[-1][0].currency
    days = running_days(part.catalog, contract, at) or Days(segments[0][1], segments[-1][2])
    truth = truth_of(part, counts, carried)
    rated = _of_currency(truth, currency)
    waits = tuple(_waits(refusal) for refusal in truth.refusals)
    grants = () if waits else _grants(part, contract, truth, carried, at)
    # What is used is known of each product; what is computed from all of them is not.
    ahead = truth_of(part, _at_this_pace(part, counts, at), carried)
    return ContractNow(
        contract_id=contract.contract_id,
        contract_version=contract.version,
        customer_id=contract.customer_id,
        bill_to=contract.bill_to or contract.customer_id,
        currency=currency,
        zone=part.zone,
        billed_in=str(part.month),
        starts_on=days.start,
        ends_before=days.until,
        charges=tuple(_line(one) for one in rated),
        total=sum_money([_money(one) for one in rated], currency).major,
        charged=_charged(truth, currency, days).major,
        projected=_charged(ahead, currency, days).major,
        used=((carried.used or Money(0, currency)) + net_usage(truth, currency)).major,
        committed=_committed(contract),
        allowances=tuple(_allowances(part, counts.usages, at)),
        grants=grants,
        credit_balance=(
            total(grant.left for grant in grants)
            if not waits and (contract.credits or carried.commands)
            else None
        ),
        waits=waits,
    )


def net_usage(truth: Truth, currency: str) -> Money:
    """Return what usage comes to after what was taken off it."""
    rated = _of_currency(truth, currency)
    usage = {(r.charge.product_id, r.charge.period) for r in rated if r.charge.kind == "usage"}
    return sum_money(
        [
            _money(one)
            for one in rated
            if one.charge.kind == "usage"
            or (
                one.charge.kind in REDUCTIONS
                and (one.charge.product_id, one.charge.period) in usage
            )
        ],
        currency,
    )


def carries_since(part: Part) -> Month | None:
    """Return the first month that means anything for what a contract owes now; None when none does.

    `part.contract` must have the grants that were ordered beside it.
    """
    contract = part.contract
    started = Month.of(started_on(part.catalog, contract))
    found = list(year_spans(part.catalog, part.month).values())
    found += [started for rule in contract.adjustments if rule.unused == "carry"]
    for grant in contract.credits:
        day = grant.granted_on or (grant.granted_at.date() if grant.granted_at else None)
        found.append(Month.of(day) if day is not None else started)
    return max(min(found), started) if found else None


def _allowances(part: Part, usages: Sequence[MeteredUsage], at: datetime) -> list[AllowanceNow]:
    """Return the included units that items in force have, and what is used of them."""
    by_key = {(one.contract_id, one.product_id, one.period): one.quantity for one in usages}
    found = []
    # An amendment lets an allowance begin again: what counts is the part that runs now.
    for window in (one for one in part.windows if at in one.asked.period):
        product_id, on = window.product.product_id, window.period.start.date()
        included = allowance_of(part.catalog, window.contract, product_id, on)
        if included > ZERO:
            used = by_key.get(window.key, ZERO)
            found.append(AllowanceNow(product_id, included, used))
    return found


def _at_this_pace(part: Part, counts: Counts, at: datetime) -> Counts:
    """Return what a period would come to; of prices that look at single events, what it is now."""
    windows = {window.key: window for window in part.windows}
    found = []
    for usage in counts.usages:
        window = windows[usage.contract_id, usage.product_id, usage.period]
        whole = window.asked.period
        if at in whole and window.meter.aggregation in _GROWING:
            length = whole.end - whole.start
            passed = min(max(at - whole.start, _PACE_AFTER), length)
            pace = Fraction(_microseconds(length), _microseconds(passed))
            found.append(replace(usage, quantity=to_quantity(Fraction(usage.quantity) * pace)))
        else:
            found.append(usage)
    return replace(counts, usages=tuple(found))


def _microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _grants(
    part: Part, contract: Contract, truth: Truth, carried: Carried, at: datetime
) -> tuple[GrantNow, ...]:
    """Return the batches of credits that could pay now, with what this usage leaves of them."""
    left = carried.plus(truth, currency=contract.currency, with_usage=False).balances
    credit = prepaid(contract, part.month, part.zone, carried.commands)
    return tuple(
        GrantNow(one.block_id, one.amount, left[one.block_id].amount, one.expires_at)
        for one in credit.blocks
        if one.block_id in left
        and one.starts_at <= at
        and all(end is None or at < end for end in (one.expires_at, one.voided_at))
    )


def _committed(contract: Contract) -> Decimal | None:
    commitment = contract.commitment
    if commitment is None:
        return None
    annual = commitment.annual_amount
    return commitment.monthly_amount if annual is None else annual


def _charged(truth: Truth, currency: str, days: Days) -> Money:
    amounts = [
        _money(one)
        for one in _of_currency(truth, currency)
        # A month may bill several short periods.
        if one.charge.kind in _CHARGED and one.charge.period.start.date() in days
    ]
    return sum_money(amounts, currency)


def _of_currency(truth: Truth, currency: str) -> list[RatedCharge]:
    found = truth.charges.values()
    return [one for one in found if one.charge.amount.currency == currency]


def _money(rated: RatedCharge) -> Money:
    return settle(rated.charge.amount, rated.charge.rounding).money


def _line(rated: RatedCharge) -> ChargeNow:
    charge = rated.charge
    period: Period = charge.period
    return ChargeNow(
        kind=charge.kind,
        product_id=charge.product_id,
        starts_on=period.start.date(),
        ends_before=period.end.date(),
        quantity=charge.quantity,
        amount=_money(rated).major,
        exact=charge.amount.value,
        price_version_id=charge.price_version_id,
        rule_id=charge.rule_id,
        parts=charge.parts,
    )


def _waits(refusal: Refusal) -> Waits:
    return Waits(refusal.product_id, refusal.failure.code, refusal.failure.message)
