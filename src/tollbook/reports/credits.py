"""Prepaid credits as people see them: batches with balances, what moved, what expires soon."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from tollbook.ledger.credit_blocks import Block, CreditTerms
from tollbook.ledger.credit_commands import with_commands
from tollbook.ledger.credit_lapses import batches
from tollbook.ledger.credit_order import in_order
from tollbook.ledger.credit_store import StoredMovement, commands, held_by, movements_of
from tollbook.ledger.credits import NONE, Moved, sum_moved
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditPolicy
from tollbook.storage.database import Connection

SOON_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class CreditBatch:
    """One batch of credits with what it holds; `cost_left` is what was paid for that."""

    contract_id: str
    block_id: str
    grant_id: str
    kind: str
    currency: str
    rate: Decimal | None
    granted: Decimal
    balance: Decimal
    cost_left: Decimal
    starts_at: datetime
    expires_at: datetime | None
    priority: Decimal
    products: tuple[str, ...]
    expires_soon: bool


@dataclass(frozen=True, slots=True)
class ContractCredits:
    """The credits of one contract: in the order in which they pay, first those that hold something."""

    contract_id: str
    customer_id: str
    currency: str
    balance: Decimal
    cost_left: Decimal
    expiring_soon: Decimal
    batches: tuple[CreditBatch, ...]
    movements: tuple[StoredMovement, ...] = ()


def credits_of(
    connection: Connection,
    catalog: Catalog,
    *,
    customer_id: str | None = None,
    at: datetime,
    soon_days: int = SOON_DAYS,
    with_movements: bool = False,
) -> list[ContractCredits]:
    """Return the credits of every contract, or of one customer's, as booked by now.

    Use that is not rated yet is not drawn yet; `expiring_soon` lapses within `soon_days`.
    """
    ordered = commands(connection)
    contracts = [
        with_commands(contract, ordered.get(key, []))
        for key in catalog.keys("contract")
        if (contract := catalog.contract(key, at.date())) is not None
        and customer_id in {None, contract.customer_id}
    ]
    ids = [contract.contract_id for contract in contracts]
    held = held_by(connection, ids)
    movements = movements_of(connection, ids) if with_movements else []
    return [
        _credits(contract, catalog, held, movements, at, at + timedelta(days=soon_days))
        for contract in contracts
        if contract.credits
    ]


def _credits(
    contract: Contract,
    catalog: Catalog,
    held: dict[tuple[str, str], Moved],
    movements: list[StoredMovement],
    at: datetime,
    soon: datetime,
) -> ContractCredits:
    zone = catalog.zone(contract.customer_id, contract)
    terms = CreditTerms(contract.currency, zone, contract.credit_policy or CreditPolicy())
    mine = {
        block.block_id: block
        for block in batches(contract.credits, terms, until=at)
        if (contract.contract_id, block.block_id) in held
    }
    holds = {name: held[contract.contract_id, name] for name in mine}
    balances = {name: moved.amount for name, moved in holds.items()}
    order = in_order(mine.values(), balances, terms.policy)
    shown = [_batch(block, contract, holds[block.block_id], at, soon) for block in order]
    total = sum_moved(holds.values())
    return ContractCredits(
        contract_id=contract.contract_id,
        customer_id=contract.customer_id,
        currency=contract.currency,
        balance=total.amount,
        cost_left=total.cost,
        expiring_soon=sum_moved(holds[one.block_id] for one in shown if one.expires_soon).amount,
        batches=tuple(sorted(shown, key=lambda one: one.balance == 0)),
        movements=tuple(one for one in movements if one.contract_id == contract.contract_id),
    )


def _batch(
    block: Block, contract: Contract, holds: Moved, at: datetime, soon: datetime
) -> CreditBatch:
    ends = block.expires_at
    return CreditBatch(
        contract_id=contract.contract_id,
        block_id=block.block_id,
        grant_id=block.grant.grant_id,
        kind=block.grant.kind,
        currency=contract.currency,
        rate=block.grant.rate,
        granted=block.amount,
        balance=holds.amount,
        cost_left=holds.cost,
        starts_at=block.starts_at,
        expires_at=ends,
        priority=block.priority,
        products=block.grant.products,
        expires_soon=holds != NONE and ends is not None and at < ends <= soon,
    )
