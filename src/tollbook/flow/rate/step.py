"""Rate a month: compute the whole truth, compare with what was charged, write the difference."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tollbook.controls.lineage import link
from tollbook.flow.meter.store import latest_usages
from tollbook.flow.rate import store
from tollbook.flow.rate.difference import Decision, Earlier, decide
from tollbook.flow.rate.lapse import due_lapses
from tollbook.flow.rate.rated import Obligation
from tollbook.flow.rate.truth import Truth, month_truth
from tollbook.ledger.credit_book import CreditMovementKind
from tollbook.ledger.credit_commands import with_commands
from tollbook.ledger.credit_store import (
    CreditMovement,
    add_movements,
    commands,
    lapsed,
    moved_by,
    moved_by_charges,
    require_none_overdrawn,
)
from tollbook.ledger.credits import Moved, missing_moves
from tollbook.masterdata.catalog import Catalog
from tollbook.storage.database import Connection
from tollbook.values.period import Month
from tollbook.worklist.holding import Held, hold


@dataclass(frozen=True, slots=True)
class Rated:
    """What rating did: charges written, replaced and already right; what waits on the worklist."""

    written: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    unchanged: int = 0
    set_aside: tuple[str, ...] = ()


def rate(connection: Connection, *, catalog: Catalog, month: Month, at: datetime) -> Rated:
    """Charge a service month from its metered usage; rating again writes only what changed.

    An item that cannot be rated becomes a work item and does not stop the others.
    """
    store.lock(connection)
    history = store.history_of(connection, month)
    usages = latest_usages(connection, month)
    truth = month_truth(catalog, month, usages, store.elsewhere(connection, catalog, usages, month))
    decisions = {
        obligation: decide(truth.charges.get(obligation), history.get(obligation, []))
        for obligation in sorted(truth.charges.keys() | history.keys())
        if not truth.waits(obligation)
    }
    _write(connection, decisions.values(), at)
    _move_credits(connection, decisions, truth, history, at)
    _lapse_credits(connection, catalog, month, at)
    written = [d.write.charge.charge_id for d in decisions.values() if d.write is not None]
    superseded = [charge_id for d in decisions.values() for charge_id in d.supersede]
    return Rated(
        written=tuple(written),
        superseded=tuple(superseded),
        unchanged=sum(1 for decision in decisions.values() if decision == Decision()),
        set_aside=tuple(_set_aside(connection, truth, month, at)),
    )


def _write(connection: Connection, decisions: Iterable[Decision], at: datetime) -> None:
    written = [decision.write for decision in decisions if decision.write is not None]
    store.supersede(connection, [c for d in decisions for c in d.supersede], at=at)
    store.insert_charges(connection, written, at=at)
    edges: list[tuple[str, str]] = []
    for one in (rated.charge for rated in written):
        edges += [(one.charge_id, parent) for parent in (one.usage_id, one.corrects) if parent]
    link(connection, "rate", edges)


def _move_credits(
    connection: Connection,
    decisions: dict[Obligation, Decision],
    truth: Truth,
    history: dict[Obligation, list[Earlier]],
    at: datetime,
) -> None:
    movements: list[CreditMovement] = []
    for obligation, decision in decisions.items():
        if decision == Decision() or not obligation.kind.startswith("credit_"):
            continue
        moved = moved_by(
            connection, [one.rated.charge.charge_id for one in history.get(obligation, [])]
        )
        wanted = truth.by_grant.get(obligation, {})
        missing = missing_moves(wanted, moved)
        movements += _movements(obligation, decision, missing, history.get(obligation, []))
    add_movements(connection, movements, at=at)


def _movements(
    obligation: Obligation,
    decision: Decision,
    missing: dict[str, Moved],
    history: Sequence[Earlier],
) -> list[CreditMovement]:
    """Return what moves on each grant, on account of the new charge or of the one it ended."""
    cause = decision.write or history[-1].rated
    return [
        CreditMovement(
            grant_id=grant_id,
            contract_id=obligation.contract_id,
            customer_id=cause.charge.customer_id,
            currency=obligation.currency,
            kind=_movement_kind(obligation, moved),
            amount=moved.amount,
            charge_id=cause.charge.charge_id,
            moved_on=_moved_on(obligation),
            cost=moved.cost,
            value=moved.value,
        )
        for grant_id, moved in missing.items()
    ]


def _movement_kind(obligation: Obligation, moved: Moved) -> CreditMovementKind:
    if obligation.kind == "credit_purchase":
        return "grant"
    return "drawdown" if moved.amount < 0 or moved.value < 0 else "return"


def _moved_on(obligation: Obligation) -> date:
    """Return the day of a movement: bought on the day granted, used by the end of the period."""
    if obligation.kind == "credit_purchase":
        return obligation.period.start.date()
    return (obligation.period.end - timedelta(days=1)).date()


def _lapse_credits(connection: Connection, catalog: Catalog, month: Month, at: datetime) -> None:
    """Book what expired, rolled over or was voided by the end of the month, or its correction."""
    ordered = commands(connection)
    contracts = {
        contract.contract_id: with_commands(contract, ordered.get(contract.contract_id, []))
        for contract, _, _ in catalog.contract_segments(month)
        if contract.credits or contract.contract_id in ordered
    }
    ids = sorted(contracts)
    if not ids:
        return
    held, booked = moved_by_charges(connection, ids), lapsed(connection, ids)
    movements = []
    for contract_id, contract in sorted(contracts.items()):
        zone = catalog.zone(contract.customer_id, contract)
        due = due_lapses(
            contract,
            month,
            zone,
            held=held.get(contract_id, {}),
            booked=booked.get(contract_id, {}),
        )
        movements += [
            CreditMovement(
                grant_id=one.block_id,
                contract_id=contract_id,
                customer_id=contract.customer_id,
                currency=contract.currency,
                kind=one.kind,
                amount=one.moved.amount,
                charge_id=None,
                moved_on=one.moved_on,
                cost=one.moved.cost,
                cause=f"{one.kind}:{one.number}",
            )
            for one in due
        ]
    add_movements(connection, movements, at=at)
    require_none_overdrawn(connection, ids)


def _set_aside(connection: Connection, truth: Truth, month: Month, at: datetime) -> list[str]:
    """Put what cannot be rated on the worklist, and take off what can be rated now."""
    found = [
        Held(
            code=refusal.failure.code,
            cause=refusal.failure.ids["cause"],
            message=refusal.failure.message,
            object_id=f"rate:{month}:{refusal.contract_id}:{refusal.product_id}",
        )
        for refusal in truth.refusals
    ]
    hold(connection, found, scope=f"rate:{month}:", at=at)
    return sorted({one.object_id for one in found})
