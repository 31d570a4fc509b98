"""Charges that follow from the contract itself: what its commitment adds."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.working import ONE, total
from tollbook.records.charge import Charge, ChargeKind, ChargePart, PriceVersion
from tollbook.records.commercial import Contract
from tollbook.values.codec import content_hash
from tollbook.values.ids import ChargeId, derive
from tollbook.values.money import Precise
from tollbook.values.period import Month, Period


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
    price = contract_terms(contract, product_id, committed)
    for kind, parts in workings.items():
        if parts:
            yield contract_charge(contract, price, parts, kind=kind, period=period, month=month)


def contract_terms(contract: Contract, product_id: str, amount: Decimal) -> PriceVersion:
    """Return what the contract itself fixed, in the shape in which every charge pins its price."""
    return PriceVersion(
        price_version_id=f"{contract.contract_id}@{contract.version}",
        currency=contract.currency,
        model="flat",
        flat_amount=amount,
        product_id=product_id,
    )
