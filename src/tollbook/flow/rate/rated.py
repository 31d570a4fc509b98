"""A charge with what it is stored under: its legal entity, its service month, its price."""

from dataclasses import dataclass

from tollbook.records.charge import Charge, ChargeKind, PriceVersion
from tollbook.values.ids import EntityId
from tollbook.values.period import Month, Period


@dataclass(frozen=True, slots=True, order=True)
class Obligation:
    """What a charge is for. The charges of one obligation that count always sum to its truth.

    Entity and currency are part of it: a contract that moves to another one owes nothing more in
    the old, and two currencies never meet in a sum.
    """

    contract_id: str
    kind: ChargeKind
    product_id: str
    period: Period
    entity_id: EntityId
    currency: str
    rule_id: str = ""


@dataclass(frozen=True, slots=True)
class RatedCharge:
    """A charge, whose books it belongs to, the month it is billed in and the whole pinned price."""

    charge: Charge
    entity_id: EntityId
    month: Month
    price: PriceVersion


def obligation_key(rated: RatedCharge) -> Obligation:
    """Return the obligation that a charge belongs to."""
    charge = rated.charge
    return Obligation(
        contract_id=charge.contract_id,
        kind=charge.kind,
        product_id=charge.product_id,
        period=charge.period,
        entity_id=rated.entity_id,
        currency=charge.amount.currency,
        rule_id=charge.rule_id,
    )
