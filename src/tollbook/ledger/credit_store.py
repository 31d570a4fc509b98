"""The SQL of prepaid credits: what was bought, used and given back, grant by grant."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tollbook.ledger.credits import MovementKind
from tollbook.storage.database import Connection
from tollbook.values.ids import derive
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class CreditMovement:
    """One change of a grant's balance, caused by a charge; bought and returned +, used -."""

    grant_id: str
    contract_id: str
    customer_id: str
    currency: str
    kind: MovementKind
    amount: Decimal
    charge_id: str
    moved_on: date


def balances_without(
    connection: Connection, month: Month, *, contracts: Sequence[str] | None = None
) -> dict[str, dict[str, Decimal]]:
    """Return contract -> grant -> balance in major units, leaving out one service month.

    Of these contracts only, where some are named.
    """
    found: dict[str, dict[str, Decimal]] = defaultdict(dict)
    rows = connection.execute(
        """select m.contract_id, m.grant_id, sum(m.amount)
           from credit_movement m join charge c using (charge_id)
           where c.service_month <> %s and (%s::text[] is null or m.contract_id = any(%s))
           group by 1, 2 order by 1, 2""",
        [str(month), *[None if contracts is None else list(contracts)] * 2],
    )
    for contract_id, grant_id, amount in rows:
        found[contract_id][grant_id] = amount
    return found


def moved_by(connection: Connection, charge_ids: Iterable[str]) -> dict[str, Decimal]:
    """Return grant -> sum of the movements that these charges caused."""
    rows = connection.execute(
        """select grant_id, sum(amount) from credit_movement
           where charge_id = any(%s) group by 1 order by 1""",
        [list(charge_ids)],
    )
    return dict(rows)


def balances(connection: Connection) -> list[tuple[str, str, str, Decimal]]:
    """Return (contract, grant, currency, balance in major units), in order."""
    return connection.execute(
        """select contract_id, grant_id, currency, sum(amount) from credit_movement
           group by 1, 2, 3 order by 1, 2, 3"""
    ).fetchall()


def move(connection: Connection, movements: Iterable[CreditMovement], *, at: datetime) -> None:
    """Store movements; the same charge moves a grant once, whatever is repeated.

    No grant may be left with less than nothing.
    """
    rows = [
        (
            derive("mov", one.contract_id, one.grant_id, one.kind, one.charge_id),
            one.grant_id,
            one.contract_id,
            one.customer_id,
            one.currency,
            one.kind,
            one.amount,
            one.charge_id,
            one.moved_on,
            at,
        )
        for one in movements
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into credit_movement (movement_id, grant_id, contract_id, customer_id,
                                            currency, kind, amount, charge_id, moved_on, decided_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing""",
            rows,
        )
    overdrawn = connection.execute(
        """select contract_id, grant_id from credit_movement where contract_id = any(%s)
           group by 1, 2 having sum(amount) < 0 order by 1, 2""",
        [sorted({row[2] for row in rows})],
    ).fetchall()
    assert not overdrawn, f"prepaid credits used beyond what was bought: {overdrawn}"
