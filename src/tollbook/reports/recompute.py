"""What an obligation is worth, computed again from its usage and its pinned terms."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tollbook.flow.rate.commit import overage_parts, shortfall_parts
from tollbook.flow.rate.fixed import fee_parts
from tollbook.flow.rate.price import price_parts
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.rate.store import counted_with, history
from tollbook.flow.rate.working import ZERO, total
from tollbook.ledger.credit_store import moved_by
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import ChargePart
from tollbook.records.commercial import Contract
from tollbook.storage.database import Connection
from tollbook.values.money import Money, Precise, settle, sum_money


@dataclass(frozen=True, slots=True)
class Owed:
    """What an obligation comes to, in major units; `quantity` None when it is agreed, not counted."""

    amount: Decimal
    quantity: Decimal | None = None


def owed(
    connection: Connection,
    chain: Sequence[RatedCharge],
    *,
    quantities: Mapping[str, Decimal],
    catalog: Catalog,
) -> Owed:
    """Compute an obligation again; `chain` is its charges that count, through the one in question.

    Its last charge says by which usage, price and contract version; `quantities` are what was
    recounted of each usage. An obligation that was taken back comes to nothing.
    """
    charge = chain[-1].charge
    if charge.corrects is not None and len(charge.parts) == 1:
        return Owed(ZERO, ZERO)
    match charge.kind:
        case "usage":
            return _usage(chain[-1], quantities)
        case "fixed":
            return Owed(_sum(fee_parts(_quantity(chain), chain[-1].price)))
        case "commitment_shortfall" | "overage":
            return Owed(_commitment(connection, chain[-1], catalog))
        case "credit_purchase" | "credit_applied" | "credit_discount":
            return Owed(_credits(connection, chain[-1]))


def _usage(rated: RatedCharge, quantities: Mapping[str, Decimal]) -> Owed:
    usage_id = rated.charge.usage_id
    quantity = quantities[usage_id] if usage_id is not None else ZERO
    return Owed(_sum(price_parts(quantity, rated.price)), quantity)


def _commitment(connection: Connection, rated: RatedCharge, catalog: Catalog) -> Decimal:
    """Compare the commitment with the usage charged when the charge was decided."""
    charge = rated.charge
    version = catalog.numbered("contract", charge.contract_id, charge.contract_version)
    assert version is not None, "a charge pins a contract version that exists"
    assert isinstance(version.record, Contract)
    commitment = version.record.commitment
    if commitment is None:
        return ZERO
    used = _used(counted_with(connection, charge.charge_id), charge.amount.currency)
    parts = overage_parts if charge.kind == "overage" else shortfall_parts
    return _sum(parts(commitment, used))


def _used(charges: Sequence[RatedCharge], currency: str) -> Money:
    """Return usage charges, settled an obligation: what the customer sees on the invoice."""
    found: dict[Obligation, list[RatedCharge]] = defaultdict(list)
    for rated in charges:
        if rated.charge.kind == "usage":
            found[obligation_key(rated)].append(rated)
    settled = [
        settle(
            Precise(total(one.charge.amount.value for one in alike), currency),
            alike[-1].charge.rounding,
        ).money
        for alike in found.values()
    ]
    return sum_money(settled, currency)


def _credits(connection: Connection, rated: RatedCharge) -> Decimal:
    """Return what the obligation moved on its grants through this charge: bought +, used -."""
    known = [one.rated.charge.charge_id for one in history(connection, obligation_key(rated))]
    through = known[: known.index(rated.charge.charge_id) + 1]
    return total(moved.value for moved in moved_by(connection, through).values())


def _quantity(chain: Sequence[RatedCharge]) -> Decimal:
    return total(one.charge.quantity for one in chain)


def _sum(parts: Sequence[ChargePart]) -> Decimal:
    return total(part.amount for part in parts)
