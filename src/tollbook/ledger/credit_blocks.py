"""Batches of prepaid credits: when each starts, when it expires, and what it cost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count

from tollbook.records.credits import CreditGrant, CreditPolicy, TopUp
from tollbook.values.money import EXACT, Money, Precise, minor_exponent, settle
from tollbook.values.period import Month
from tollbook.values.zone import day_start, zone_named

ONE = Decimal(1)
NOTHING = Decimal(0)
# What is counted in its own unit has as many decimals as a quantity.
UNIT_DECIMALS = 12


@dataclass(frozen=True, slots=True)
class CreditTerms:
    """What holds for all grants of a contract: its currency, the zone of its days, its policy."""

    currency: str
    zone: str = "UTC"
    policy: CreditPolicy = field(default_factory=CreditPolicy)

    @property
    def decimals(self) -> int:
        """How many decimals an amount that is owed or paid has."""
        if self.policy.decimals is not None:
            return self.policy.decimals
        return UNIT_DECIMALS if self.policy.unit else minor_exponent(self.currency)


@dataclass(frozen=True, slots=True)
class Block:
    """One batch of credits: a grant, one time of a recurring grant, or what was rolled over.

    Usable from `starts_at` until `expires_at` (excluded; None = for ever). `cost` is what all of its
    credits cost together. `rolled` counts how often it was rolled over already.
    """

    block_id: str
    grant: CreditGrant
    amount: Decimal
    cost: Money
    starts_at: datetime
    expires_at: datetime | None
    voided_at: datetime | None = None
    listed: int = 0
    rolled: int = 0
    priority: Decimal = NOTHING
    is_top_up: bool = False

    @property
    def root(self) -> str:
        """The id without the mark of roll-over."""
        return self.block_id.rpartition("+")[0] if self.rolled else self.block_id

    @property
    def rate(self) -> Decimal:
        """What one credit pays, in the unit that is owed."""
        return ONE if self.grant.rate is None else self.grant.rate

    def pays_for(self, product: str) -> bool:
        """Tell whether the block may pay for a product."""
        return not self.grant.products or product in self.grant.products


def blocks_of(
    grant: CreditGrant, terms: CreditTerms, *, until: datetime, listed: int = 0
) -> Iterator[Block]:
    """Yield the batches of a grant that start before or at an instant, in order.

    The first is named as the grant, or `grant/1` when it recurs. Months are counted from the first
    (or the anchor), so that a grant of the 31st comes on the last day of shorter months.
    """
    recurs = grant.every_months is not None or grant.every_days is not None
    starts = _starts(grant, terms.zone)
    start, following = next(starts), next(starts, None)
    for number in count(1):
        is_over = start > until or (grant.times is not None and number > grant.times)
        if is_over or (grant.until_on and start >= _after(grant.until_on, terms.zone)):
            return
        yield Block(
            block_id=f"{grant.grant_id}/{number}" if recurs else grant.grant_id,
            grant=grant,
            amount=grant.amount,
            cost=cost_of(grant, terms),
            starts_at=start,
            expires_at=_expiry(grant, start, following, number, terms.zone),
            voided_at=_voided(grant, terms.zone),
            listed=listed,
            priority=grant.priority,
        )
        if following is None:
            return
        start, following = following, next(starts, None)


def cost_of(grant: CreditGrant, terms: CreditTerms) -> Money:
    """Return what the credits of a grant cost the customer, in its contract's currency."""
    if grant.cost is not None:
        cost = grant.cost
    elif grant.unit_cost is not None:
        cost = EXACT.multiply(grant.amount, grant.unit_cost)
    elif grant.kind == "promotional" or (terms.policy.unit and grant.rate is None):
        cost = NOTHING
    else:
        cost = EXACT.multiply(grant.amount, ONE if grant.rate is None else grant.rate)
    return settle(Precise(cost, terms.currency)).money


def intervals(top_up: TopUp, terms: CreditTerms, *, until: datetime) -> Iterator[datetime]:
    """Yield the instants, up to one, at which a top-up comes by the calendar."""
    if top_up.starts_on is None:
        return
    start = day_start(top_up.starts_on, terms.zone)
    for number in count():
        at = _step(start, terms.zone, number, top_up.every_months, top_up.every_days)
        if at > until or (number > 0 and at == start):
            return
        yield at


def later(start: datetime, zone: str, *, months: int = 0, days: int = 0) -> datetime:
    """Return the same time of day in a zone, months and days later; at most the month's last day."""
    local = start.astimezone(zone_named(zone))
    month = Month.of(local.date()).plus(months)
    day = month.first.replace(day=min(local.day, month.last.day)) + timedelta(days=days)
    moved = datetime.combine(day, local.time(), tzinfo=zone_named(zone))
    return moved.astimezone(UTC)


def _starts(grant: CreditGrant, zone: str) -> Iterator[datetime]:
    first = _instant(grant.granted_on, grant.granted_at, zone)
    assert first is not None, "a grant starts at some time"
    yield first
    if (grant.every_months or 0) <= 0 and (grant.every_days or 0) <= 0:
        return
    anchor = first if grant.anchor_on is None else day_start(grant.anchor_on, zone)
    for number in count():
        at = _step(anchor, zone, number, grant.every_months, grant.every_days)
        if at > first:
            yield at


def _step(
    start: datetime, zone: str, number: int, months: int | None, days: int | None
) -> datetime:
    return later(start, zone, months=number * (months or 0), days=number * (days or 0))


def _expiry(
    grant: CreditGrant, start: datetime, following: datetime | None, number: int, zone: str
) -> datetime | None:
    """Return the earliest of all ends that the grant names."""
    ends = []
    fixed = grant.expires_at
    if grant.expires_on is not None:
        ends.append(_after(grant.expires_on, zone))
    if fixed is not None:
        ends.append(fixed.astimezone(UTC))
    if grant.valid_months is not None or grant.valid_days is not None:
        ends.append(_end_of_validity(grant, start, number, zone))
    if grant.until_next and following is not None:
        ends.append(following)
    return min(ends, default=None)


def _end_of_validity(grant: CreditGrant, start: datetime, number: int, zone: str) -> datetime:
    """Return the end of the validity of one time, by months counted from the first or the anchor."""
    months, days = grant.valid_months or 0, grant.valid_days or 0
    if grant.every_months is not None and grant.anchor_on is None:
        first = next(_starts(grant, zone))
        return later(first, zone, months=(number - 1) * grant.every_months + months, days=days)
    return later(start, zone, months=months, days=days)


def _voided(grant: CreditGrant, zone: str) -> datetime | None:
    return _instant(grant.voided_on, grant.voided_at, zone)


def _instant(day: date | None, at: datetime | None, zone: str) -> datetime | None:
    if at is not None:
        return at.astimezone(UTC)
    return day_start(day, zone) if day is not None else None


def _after(day: date, zone: str) -> datetime:
    return day_start(day + timedelta(days=1), zone)
