"""Which thresholds of a contract hold now, and the event that reaching one is."""

from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from tollbook.flow.rate.live.charges import ContractNow
from tollbook.flow.rate.working import ZERO, total
from tollbook.records.alert import Alert, Reason, ThresholdReached
from tollbook.records.commercial import Contract
from tollbook.values.ids import derive
from tollbook.values.quantity import EXACT, plain, to_quantity


def holding(contract: Contract, now: ContractNow) -> list[Reason]:
    """Return the contract's thresholds that hold, in their order."""
    return [
        Reason(
            contract_id=now.contract_id,
            alert_id=alert.alert_id,
            watches=alert.watches,
            action=alert.action,
            product_id=alert.product_id,
            threshold=alert.threshold,
            value=value,
            currency=now.currency,
        )
        for alert in contract.alerts
        if (value := _reached(alert, now)) is not None
    ]


def event_of(reason: Reason, now: ContractNow, *, at: datetime, through: int) -> ThresholdReached:
    """Return the event of a threshold that holds: the same id whoever sees it, a billing period."""
    identity = (
        now.contract_id,
        reason.alert_id,
        reason.watches,
        plain(reason.threshold),
        now.starts_on.isoformat(),
    )
    return ThresholdReached(
        event_id=derive("alr", *identity),
        customer_id=now.customer_id,
        contract_id=now.contract_id,
        contract_version=now.contract_version,
        alert_id=reason.alert_id,
        watches=reason.watches,
        action=reason.action,
        product_id=reason.product_id,
        threshold=reason.threshold,
        value=reason.value,
        currency=reason.currency,
        starts_on=now.starts_on,
        ends_before=now.ends_before,
        reached_at=at,
        through_receipt=through,
    )


def _reached(alert: Alert, now: ContractNow) -> Decimal | None:
    """Return the value that reached a threshold; None when it has not, or cannot be told."""
    if alert.watches in {"charges", "projection"}:
        value = now.charged if alert.watches == "charges" else now.projected
        return value if value >= alert.threshold else None
    if alert.watches == "balance":
        left = now.credit_balance
        return left if left is not None and left <= alert.threshold else None
    used, whole = _used(alert, now)
    if whole <= ZERO:
        return None
    share = Fraction(used) * 100 / Fraction(whole)
    return to_quantity(share) if share >= Fraction(alert.threshold) else None


def _used(alert: Alert, now: ContractNow) -> tuple[Decimal, Decimal]:
    """Return how much is used of how much; of nothing when that cannot be told."""
    if alert.watches == "commitment":
        return now.used, now.committed or ZERO
    if alert.watches == "credits" and now.credit_balance is not None:
        granted = total(grant.granted for grant in now.grants)
        return EXACT.subtract(granted, now.credit_balance), granted
    for one in now.allowances:
        if alert.watches == "allowance" and one.product_id == alert.product_id:
            return one.used, one.included
    return ZERO, ZERO
