"""Charges that follow from the contract itself: commitment and prepaid credits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from tollbook.errors import Rejected
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.ledger.credits import GrantBalance, draw_down, usable
from tollbook.records.charge import Charge, ChargeKind, ChargePart, PriceVersion
from tollbook.records.commercial import Contract, CreditGrant
from tollbook.values.codec import content_hash
from tollbook.values.ids import ChargeId, derive
from tollbook.values.money import EXACT, Money, Precise
from tollbook.values.period import Month, Period, midnight


@dataclass(frozen=True, slots=True)
class Movement:
    """A charge of prepaid credits, and what it means for each grant (bought +, used -)."""

    rated: RatedCharge
    by_grant: Mapping[str, Decimal]


def contract_charge(
    contract: Contract,
    price: PriceVersion,
    parts: Sequence[ChargePart],
    *,
    kind: ChargeKind,
    period: Period,
    month: Month,
    quantity: Decimal = ONE,
) -> RatedCharge:
    """Build a charge that rests on a contract and not on usage; its id is of all its content."""
    identity = content_hash([contract.contract_id, kind, price, parts, period.start, period.end])
    charge = Charge(
        charge_id=ChargeId(derive("chg", kind, str(contract.version), str(month), identity)),
        customer_id=contract.customer_id,
        price_version_id=price.price_version_id,
        period=period,
        amount=Precise(total(one.amount for one in parts), price.currency),
        parts=tuple(parts),
        quantity=quantity,
        kind=kind,
        product_id=price.product_id,
        contract_id=contract.contract_id,
        contract_version=contract.version,
        rounding=price.rounding,
    )
    return RatedCharge(charge, contract.entity_id, month, price)


def commitment_charges(
    contract: Contract,
    workings: Mapping[ChargeKind, Sequence[ChargePart]],
    *,
    product_id: str,
    period: Period,
    month: Month,
) -> Iterator[RatedCharge]:
    """Yield the shortfall or the overage of a month; at most one of them is owed."""
    if contract.commitment is None:
        return
    committed = contract.commitment.annual_amount or contract.commitment.monthly_amount
    price = _terms(contract, product_id, committed)
    for kind, parts in workings.items():
        if parts:
            yield contract_charge(contract, price, parts, kind=kind, period=period, month=month)


def credits_purchased(contract: Contract, month: Month) -> Iterator[Movement]:
    """Yield the purchase of prepaid credits, one a day on which any were granted in the month."""
    bought = sorted(
        (grant for grant in contract.credits if Month.of(grant.granted_on) == month),
        key=lambda grant: (grant.granted_on, grant.grant_id),
    )
    for day, grants in groupby(bought, key=lambda grant: grant.granted_on):
        by_grant = {grant.grant_id: grant.amount for grant in grants}
        parts = [part(f"prepaid credits {name}", ONE, sum_) for name, sum_ in by_grant.items()]
        price = _terms(contract, contract.credit_product_id, total(by_grant.values()))
        period = Period(midnight(day), month.period.end)
        rated = contract_charge(
            contract, price, parts, kind="credit_purchase", period=period, month=month
        )
        yield Movement(rated, by_grant)


def credit_applied(
    contract: Contract,
    used: Money,
    *,
    elsewhere: Mapping[str, Decimal],
    period: Period,
    month: Month,
) -> Movement | None:
    """Return the prepaid credits that pay for a month's usage; None when none do.

    `elsewhere` is each grant's balance without this month: bought before, less used by other
    months. Raises Rejected `rate.credit_overdrawn` when other months used more than was bought.
    """
    balances = [_balance(contract, grant, elsewhere, month) for grant in contract.credits]
    payable = usable(balances, first=month.first, last=month.last)
    draws = draw_down(payable, used) if used.minor > 0 else []
    if not draws:
        return None
    by_grant = {draw.grant_id: -draw.amount.major for draw in draws}
    parts = [part(f"prepaid credits {d.grant_id}", d.amount.major, -ONE) for d in draws]
    applied = total(draw.amount.major for draw in draws)
    price = _terms(contract, contract.credit_product_id, ZERO)
    rated = contract_charge(
        contract, price, parts, kind="credit_applied", period=period, month=month, quantity=applied
    )
    return Movement(rated, by_grant)


def _balance(
    contract: Contract, grant: CreditGrant, elsewhere: Mapping[str, Decimal], month: Month
) -> GrantBalance:
    bought_now = grant.amount if Month.of(grant.granted_on) == month else ZERO
    available = EXACT.add(elsewhere.get(grant.grant_id, ZERO), bought_now)
    if available < ZERO:
        raise Rejected(
            "rate.credit_overdrawn",
            f"Prepaid credits {grant.grant_id} of contract {contract.contract_id} were used for "
            f"{-available} {contract.currency} more than was bought: restore the grant's amount "
            "in a new contract version, or rate the months that used it again.",
            cause=f"{contract.contract_id}|{grant.grant_id}",
            contract_id=contract.contract_id,
            product_id=contract.credit_product_id,
        )
    return GrantBalance(grant.grant_id, grant.granted_on, grant.expires_on, available)


def _terms(contract: Contract, product_id: str, amount: Decimal) -> PriceVersion:
    """Return what the contract itself fixed, in the shape in which every charge pins its price."""
    return PriceVersion(
        price_version_id=f"{contract.contract_id}@{contract.version}",
        currency=contract.currency,
        model="flat",
        flat_amount=amount,
        product_id=product_id,
    )
