"""The SQL of who is watched, what thresholds said, and what a person decided over them."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any, Final

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from tollbook.records.alert import Override, Standing, ThresholdReached
from tollbook.storage.database import Connection
from tollbook.values.codec import from_builtins, to_builtins
from tollbook.values.period import Month

_EVENT_COLUMNS: Final = ", ".join(
    field.name for field in fields(ThresholdReached) if field.name != "type"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A customer to look at, how often its usage changed by now, and its master data."""

    customer_id: str
    changes: int
    basis: str


@dataclass(frozen=True, slots=True)
class Watching:
    """A customer to watch, its contracts, and the name of the master data it is rated by."""

    customer_id: str
    contracts: tuple[str, ...]
    basis: str


def watch(connection: Connection, wanted: Sequence[Watching]) -> None:
    """Watch exactly these customers."""
    values = {
        "customers": [one.customer_id for one in wanted],
        "contracts": Jsonb([list(one.contracts) for one in wanted]),
        "bases": [one.basis for one in wanted],
    }
    for table in ("usage_watch", "credit_standing"):
        connection.execute(
            f"delete from {table} where not customer_id = any(%(customers)s)", values
        )
    connection.execute(
        """insert into usage_watch as w (customer_id, contracts, basis)
           select c.customer_id, array(select jsonb_array_elements_text(l.contracts)), c.basis
           from unnest(%(customers)s::text[], %(bases)s::text[])
               with ordinality as c (customer_id, basis, place)
           join jsonb_array_elements(%(contracts)s) with ordinality as l (contracts, place)
               using (place)
           order by 1
           on conflict (customer_id) do update
               set basis = excluded.basis, contracts = excluded.contracts
               where w.basis <> excluded.basis""",
        values,
    )


def note_change(connection: Connection, contract_id: str) -> None:
    """Have the customer of a contract looked at, if it is watched."""
    connection.execute(
        "update usage_watch set changes = changes + 1 where %s = any(contracts)", [contract_id]
    )


def due(connection: Connection, *, at: datetime, limit: int) -> list[Due]:
    """Return watched customers whose usage or terms changed since they were looked at, or time did."""
    with connection.cursor(row_factory=class_row(Due)) as cursor:
        return cursor.execute(
            """select w.customer_id, w.changes, w.basis
               from usage_watch w left join credit_standing s using (customer_id)
               where s.customer_id is null or s.basis <> w.basis
                  or s.seen <> w.changes or s.due_at <= %s
               order by s.as_of nulls first, w.customer_id limit %s""",
            [at, limit],
        ).fetchall()


def put_standing(
    connection: Connection, standing: Standing, seen: Due, *, due_at: datetime
) -> None:
    """Store what was found when a customer was looked at."""
    connection.execute(
        """insert into credit_standing (customer_id, reasons, balances, as_of, ends_at,
                                        seen, basis, due_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (customer_id) do update set
               reasons = excluded.reasons, balances = excluded.balances, as_of = excluded.as_of,
               ends_at = excluded.ends_at, seen = excluded.seen,
               basis = excluded.basis, due_at = excluded.due_at""",
        [
            standing.customer_id,
            Jsonb(to_builtins(standing.reasons)),
            Jsonb(to_builtins(standing.balances)),
            standing.as_of,
            standing.ends_at,
            seen.changes,
            seen.basis,
            due_at,
        ],
    )


def standings(
    connection: Connection, customer_ids: Sequence[str]
) -> dict[str, tuple[Standing | None, Override | None]]:
    """Return what was found of each customer, and the latest decision of a person."""
    rows = connection.execute(
        """select c.customer_id, s.reasons, s.balances, s.as_of, s.ends_at,
                  o.mode, o.by, o.reason, o.at, o.until
           from unnest(%s::text[]) as c (customer_id)
           left join credit_standing s using (customer_id)
           left join lateral (select * from credit_override
                              where customer_id = c.customer_id
                              order by sequence desc limit 1) o on true
           order by 1""",
        [list(customer_ids)],
    )
    found: dict[str, tuple[Standing | None, Override | None]] = {}
    for customer, reasons, balances, as_of, ends_at, *decided in rows:
        standing = None
        if as_of is not None:
            told = {"customer_id": customer, "reasons": reasons, "balances": balances}
            standing = from_builtins({**told, "as_of": as_of, "ends_at": ends_at}, Standing)
        override = Override(customer, *decided) if decided[0] is not None else None
        found[customer] = standing, override
    return found


def decided_over(connection: Connection) -> list[str]:
    """Return the customers that a person ever blocked or released, in order."""
    rows = connection.execute("select distinct customer_id from credit_override order by 1")
    return [row[0] for row in rows]


def looked_at(connection: Connection) -> list[str]:
    """Return the customers that have a standing, in order."""
    rows = connection.execute("select customer_id from credit_standing order by 1")
    return [row[0] for row in rows]


def put_override(connection: Connection, override: Override) -> None:
    """Store a decision of a person."""
    connection.execute(
        """insert into credit_override (customer_id, mode, by, reason, at, until)
           values (%s, %s, %s, %s, %s, %s)""",
        astuple(override),
    )


def raise_events(
    connection: Connection, events: Sequence[ThresholdReached]
) -> list[ThresholdReached]:
    """Store events that nobody raised before, and return those."""
    raised = []
    for event in events:
        values = {name: getattr(event, name) for name in _EVENT_COLUMNS.split(", ")}
        places = ", ".join(f"%({name})s" for name in values)
        row = connection.execute(
            f"""insert into threshold_reached ({_EVENT_COLUMNS}) values ({places})
                on conflict do nothing returning event_id""",
            values,
        ).fetchone()
        if row is not None:
            raised.append(event)
    return raised


def list_events(
    connection: Connection, *, customer_id: str | None, after: int, limit: int
) -> list[tuple[int, ThresholdReached]]:
    """Return events in the order in which they were raised, each with its place in it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows: list[dict[str, Any]] = cursor.execute(
            f"""select sequence, {_EVENT_COLUMNS} from threshold_reached
                where sequence > %s and (%s::text is null or customer_id = %s)
                order by sequence limit %s""",
            [after, customer_id, customer_id, limit],
        ).fetchall()
    return [(row.pop("sequence"), ThresholdReached(**row)) for row in rows]


def last_charged(connection: Connection, contract_ids: Sequence[str]) -> dict[str, Month]:
    """Return the last service month for which each contract was charged; none = never."""
    rows = connection.execute(
        """select c.contract_id, (select max(service_month) from charge
                                  where contract_id = c.contract_id)
           from unnest(%s::text[]) as c (contract_id) order by 1""",
        [list(contract_ids)],
    )
    return {contract: Month.parse(month) for contract, month in rows if month is not None}
