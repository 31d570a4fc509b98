"""The SQL of prepaid credits: what was bought, used, given back and lapsed, batch by batch."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from psycopg.types.json import Jsonb

from tollbook.ledger.credit_book import CreditMovementKind
from tollbook.ledger.credits import ZERO, Lapsed, Moved
from tollbook.records.credits import CreditCommand
from tollbook.storage.database import Connection
from tollbook.values.codec import from_builtins, to_builtins
from tollbook.values.ids import derive
from tollbook.values.period import Month

# Kinds that follow from the grants themselves and that no charge causes.
_BY_ITSELF: Final = ["expiry", "roll_over", "void", "grant"]


@dataclass(frozen=True, slots=True)
class CreditMovement:
    """One change of a batch's balance; bought and returned +, used and lapsed -.

    `cost` is what the credits had cost, `value` what they add to the charge that caused it.
    """

    grant_id: str
    contract_id: str
    customer_id: str
    currency: str
    kind: CreditMovementKind
    amount: Decimal
    charge_id: str | None
    moved_on: date
    cost: Decimal = ZERO
    value: Decimal = ZERO
    cause: str = ""


@dataclass(frozen=True, slots=True)
class StoredMovement:
    """A movement as people see it, oldest first; `balance` is the batch's after it."""

    movement_id: str
    contract_id: str
    grant_id: str
    currency: str
    kind: str
    amount: Decimal
    cost: Decimal
    charge_id: str | None
    cause: str
    moved_on: date
    balance: Decimal


def balances_without(
    connection: Connection, month: Month, *, contracts: Sequence[str] | None = None
) -> dict[str, dict[str, Moved]]:
    """Return contract -> batch -> what it holds, leaving out one service month.

    What lapsed in that month or later is left out too: it follows from the use of the month. Of
    these contracts only, where some are named.
    """
    found: dict[str, dict[str, Moved]] = defaultdict(dict)
    rows = connection.execute(
        """select m.contract_id, m.grant_id, sum(m.amount), sum(m.cost)
           from credit_movement m left join charge c using (charge_id)
           where case when m.charge_id is null then m.moved_on < %s
                      else c.service_month <> %s end
             and (%s::text[] is null or m.contract_id = any(%s))
           group by 1, 2 order by 1, 2""",
        [month.first, str(month), *[None if contracts is None else list(contracts)] * 2],
    )
    for contract_id, grant_id, amount, cost in rows:
        found[contract_id][grant_id] = Moved(amount, cost)
    return found


def moved_by(connection: Connection, charge_ids: Iterable[str]) -> dict[str, Moved]:
    """Return batch -> sum of the movements that these charges caused."""
    rows = connection.execute(
        """select grant_id, sum(amount), sum(cost), sum(value) from credit_movement
           where charge_id = any(%s) group by 1 order by 1""",
        [list(charge_ids)],
    )
    return {grant_id: Moved(amount, cost, value) for grant_id, amount, cost, value in rows}


def moved_by_charges(
    connection: Connection, contract_ids: Sequence[str]
) -> dict[str, dict[str, Moved]]:
    """Return contract -> batch -> sum of all that charges moved: bought, used, refunded."""
    found: dict[str, dict[str, Moved]] = defaultdict(dict)
    rows = connection.execute(
        """select contract_id, grant_id, sum(amount), sum(cost) from credit_movement
           where charge_id is not null and contract_id = any(%s) group by 1, 2 order by 1, 2""",
        [list(contract_ids)],
    )
    for contract_id, grant_id, amount, cost in rows:
        found[contract_id][grant_id] = Moved(amount, cost)
    return found


def lapsed(
    connection: Connection, contract_ids: Sequence[str]
) -> dict[str, dict[tuple[str, CreditMovementKind], Lapsed]]:
    """Return contract -> (batch, kind) -> what lapsed by itself so far."""
    found: dict[str, dict[tuple[str, CreditMovementKind], Lapsed]] = defaultdict(dict)
    rows = connection.execute(
        """select contract_id, grant_id, kind, sum(amount), sum(cost), count(*), max(moved_on)
           from credit_movement
           where charge_id is null and kind = any(%s) and contract_id = any(%s)
           group by 1, 2, 3 order by 1, 2, 3""",
        [_BY_ITSELF, list(contract_ids)],
    )
    for contract_id, grant_id, kind, amount, cost, number, last_on in rows:
        found[contract_id][grant_id, kind] = Lapsed(Moved(amount, cost), number, last_on)
    return found


def balances(connection: Connection) -> list[tuple[str, str, str, Decimal]]:
    """Return (contract, batch, currency, balance in credits), in order."""
    return connection.execute(
        """select contract_id, grant_id, currency, sum(amount) from credit_movement
           group by 1, 2, 3 order by 1, 2, 3"""
    ).fetchall()


def held_by(connection: Connection, contract_ids: Sequence[str]) -> dict[tuple[str, str], Moved]:
    """Return (contract, batch) -> what it holds now."""
    rows = connection.execute(
        """select contract_id, grant_id, sum(amount), sum(cost) from credit_movement
           where contract_id = any(%s) group by 1, 2 order by 1, 2""",
        [list(contract_ids)],
    )
    return {(contract, grant): Moved(amount, cost) for contract, grant, amount, cost in rows}


def movements_of(connection: Connection, contract_ids: Sequence[str]) -> list[StoredMovement]:
    """Return every movement of contracts, in the order of time and of decision."""
    rows = connection.execute(
        """select movement_id, contract_id, grant_id, currency, kind, amount, cost, charge_id,
                  cause, moved_on,
                  sum(amount) over (partition by contract_id, grant_id
                                    order by moved_on, decided_at, movement_id)
           from credit_movement where contract_id = any(%s)
           order by moved_on, decided_at, contract_id, grant_id, movement_id""",
        [list(contract_ids)],
    )
    return [StoredMovement(*row) for row in rows]


def unrecognized_breakage(
    connection: Connection, month: Month
) -> list[tuple[str, str, str, str, str, Decimal, date]]:
    """Return (movement, contract, batch, customer, currency, cost, day) of expiries not booked yet.

    The cost is what was paid for the credits, positive when they expired; through a month's end.
    """
    return connection.execute(
        """select movement_id, contract_id, grant_id, customer_id, currency, -cost, moved_on
           from credit_movement m
           where kind = 'expiry' and cost <> 0 and moved_on <= %s
             and not exists (select from journal_entry e where e.cause = m.movement_id)
           order by moved_on, movement_id""",
        [month.last],
    ).fetchall()


def move(connection: Connection, movements: Iterable[CreditMovement], *, at: datetime) -> None:
    """Store movements, and require that no batch is left with less than nothing."""
    stored = add_movements(connection, movements, at=at)
    require_none_overdrawn(connection, sorted({one.contract_id for one in stored}))


def add_movements(
    connection: Connection, movements: Iterable[CreditMovement], *, at: datetime
) -> list[CreditMovement]:
    """Store movements; the same charge moves a batch once, whatever is repeated."""
    found = list(movements)
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into credit_movement (movement_id, grant_id, contract_id, customer_id,
                                            currency, kind, amount, charge_id, moved_on, cost,
                                            value, cause, decided_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict do nothing""",
            [
                (
                    derive("mov", one.contract_id, one.grant_id, one.kind, _identity(one)),
                    one.grant_id,
                    one.contract_id,
                    one.customer_id,
                    one.currency,
                    one.kind,
                    one.amount,
                    one.charge_id,
                    one.moved_on,
                    one.cost,
                    one.value,
                    one.cause,
                    at,
                )
                for one in found
            ],
        )
    return found


def require_none_overdrawn(connection: Connection, contract_ids: Sequence[str]) -> None:
    """Fail when a batch of these contracts is left with less than nothing."""
    overdrawn = connection.execute(
        """select contract_id, grant_id from credit_movement where contract_id = any(%s)
           group by 1, 2 having sum(amount) < 0 order by 1, 2""",
        [list(contract_ids)],
    ).fetchall()
    assert not overdrawn, f"prepaid credits used beyond what was bought: {overdrawn}"


def add_command(connection: Connection, command: CreditCommand, *, at: datetime) -> bool:
    """Store what a person ordered; False when the same was ordered before."""
    row = connection.execute(
        """insert into credit_command (command_id, contract_id, kind, grant_id, effective_at, body,
                                       decided_at)
           values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing returning command_id""",
        [
            command.command_id,
            command.contract_id,
            command.kind,
            command.grant_id,
            command.effective_at,
            Jsonb(to_builtins(command)),
            at,
        ],
    ).fetchone()
    return row is not None


def commands(connection: Connection) -> dict[str, list[CreditCommand]]:
    """Return contract -> what was ordered, in the order in which it was."""
    found: dict[str, list[CreditCommand]] = defaultdict(list)
    rows = connection.execute(
        "select contract_id, body from credit_command order by contract_id, decided_at, command_id"
    )
    for contract_id, body in rows:
        found[contract_id].append(from_builtins(body, CreditCommand))
    return found


def _identity(one: CreditMovement) -> str:
    return one.charge_id if one.charge_id is not None else one.cause
