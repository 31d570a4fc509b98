"""The SQL of charges: facts that are added to, never changed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from psycopg.rows import dict_row

from tollbook.flow.rate.detail.store import known_of
from tollbook.flow.rate.difference import Earlier
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.rate.truth import Elsewhere, year_spans
from tollbook.ledger.credit_store import balances_without, commands
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import Charge, ChargePart, PriceVersion
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.codec import from_exact_json, to_json
from tollbook.values.ids import EntityId
from tollbook.values.money import Money, Precise, money_of, settle
from tollbook.values.once import once_a_record
from tollbook.values.period import Month, Period

_SELECT: Final = """
    select c.charge_id, c.kind, c.entity_id, c.customer_id, c.contract_id, c.contract_version,
           c.product_id, c.price_version_id, c.usage_id, c.meter_version, c.service_month,
           c.starts_at, c.ends_at, c.currency, c.amount, c.quantity, c.rounding,
           c.parts::text as parts, c.price::text as price, c.corrects, c.rule_id, b.charge_id is not null as is_billed, s.charge_id is not null as is_superseded
    from charge c
    left join charge_billed b using (charge_id)
    left join charge_superseded s using (charge_id)"""


def lock(connection: Connection) -> None:
    """Let one transaction at a time decide charges."""
    hold_lock(connection, Lock.DECIDE_CHARGES)


def history_of(connection: Connection, month: Month) -> dict[Obligation, list[Earlier]]:
    """Return every charge of a service month by obligation, oldest first, superseded ones too."""
    history: dict[Obligation, list[Earlier]] = defaultdict(list)
    for earlier in _read(connection, "where c.service_month = %s", [str(month)]):
        history[obligation_key(earlier.rated)].append(earlier)
    return history


def history(connection: Connection, obligation: Obligation) -> list[Earlier]:
    """Return every charge of one obligation, oldest first, superseded ones too."""
    return _read(
        connection,
        """where c.contract_id = %s and c.kind = %s and c.product_id = %s and c.starts_at = %s
             and c.ends_at = %s and c.entity_id = %s and c.currency = %s and c.rule_id = %s""",
        [
            obligation.contract_id,
            obligation.kind,
            obligation.product_id,
            obligation.period.start,
            obligation.period.end,
            obligation.entity_id,
            obligation.currency,
            obligation.rule_id,
        ],
    )


def load_charges(connection: Connection, month: Month) -> list[RatedCharge]:
    """Return the charges of a service month that count, billed or not, oldest first."""
    found = _read(connection, "where c.service_month = %s and s.charge_id is null", [str(month)])
    return [earlier.rated for earlier in found]


def open_charges(connection: Connection, month: Month) -> list[RatedCharge]:
    """Return the charges of a service month that count and are on no issued invoice yet."""
    found = _read(
        connection,
        "where c.service_month = %s and s.charge_id is null and b.charge_id is null",
        [str(month)],
    )
    return [earlier.rated for earlier in found]


def charges_by_id(connection: Connection, charge_ids: Sequence[str]) -> list[RatedCharge]:
    """Return these charges, superseded ones too, oldest first."""
    found = _read(connection, "where c.charge_id = any(%s)", [list(charge_ids)])
    return [earlier.rated for earlier in found]


def counted_with(connection: Connection, charge_id: str) -> list[RatedCharge]:
    """Return the charges of the same contract and month that counted when a charge was decided."""
    found = _read(
        connection,
        """join charge one on one.contract_id = c.contract_id
               and one.service_month = c.service_month and one.currency = c.currency
           where one.charge_id = %s and c.decided_at <= one.decided_at
             and (s.decided_at is null or s.decided_at > one.decided_at)""",
        [charge_id],
    )
    return [earlier.rated for earlier in found]


def elsewhere(
    connection: Connection,
    catalog: Catalog,
    usages: Iterable[MeteredUsage],
    month: Month,
    *,
    contracts: Sequence[str] | None = None,
) -> Elsewhere:
    """Return what counts in a month beside the quantities that were metered in it.

    Of these contracts only, where some are named.
    """
    return Elsewhere(
        credit_balances=balances_without(connection, month, contracts=contracts),
        credit_commands=commands(connection),
        discounts_given=discounts_given(connection, month, contracts=contracts),
        used_before=used_before(connection, year_spans(catalog, month), month),
        known_uses=known_of(connection, catalog, month, usages),
    )


def charged_months(connection: Connection) -> list[Month]:
    """Return the service months that have charges, in order."""
    rows = connection.execute("select distinct service_month from charge order by 1")
    return [Month.parse(row[0]) for row in rows]


def discounts_given(
    connection: Connection, month: Month, *, contracts: Sequence[str] | None = None
) -> dict[str, dict[str, Money]]:
    """Return contract -> adjustment -> what it took off in the months before; negative.

    Of these contracts only, where some are named.
    """
    found: dict[str, dict[str, Money]] = defaultdict(dict)
    rows = connection.execute(
        """select c.contract_id, c.rule_id, c.currency, sum(c.amount)
           from charge c left join charge_superseded s using (charge_id)
           where c.kind = 'discount' and c.service_month < %s and s.charge_id is null
             and (%s::text[] is null or c.contract_id = any(%s))
           group by 1, 2, 3 order by 1, 2, 3""",
        [str(month), *[None if contracts is None else list(contracts)] * 2],
    )
    for contract_id, rule_id, currency, amount in rows:
        found[contract_id][rule_id] = money_of(amount, currency)
    return found


def used_before(
    connection: Connection, since: Mapping[str, Month], month: Month
) -> dict[str, Money]:
    """Return what contracts used, settled and net, from a month of each until this one."""
    rows = connection.execute(
        """select c.contract_id, c.service_month, c.currency, c.rounding, sum(c.amount)
           from charge c left join charge_superseded s using (charge_id)
           where c.contract_id = any(%s) and c.service_month < %s and s.charge_id is null
             and (c.kind = 'usage' or c.kind in ('discount', 'maximum') and exists (
                     select from charge u where u.contract_id = c.contract_id
                         and u.kind = 'usage' and u.product_id = c.product_id
                         and u.starts_at = c.starts_at and u.ends_at = c.ends_at))
           group by c.contract_id, c.service_month, c.currency, c.rounding, c.kind, c.product_id,
                    c.starts_at, c.ends_at, c.rule_id
           order by 1, 2""",
        [sorted(since), str(month)],
    )
    found: dict[str, Money] = {}
    for contract_id, service_month, currency, rounding, amount in rows:
        if Month.parse(service_month) >= since[contract_id]:
            money = settle(Precise(amount, currency), rounding).money
            found[contract_id] = found.get(contract_id, Money(0, currency)) + money
    return found


def insert_charges(connection: Connection, charges: Iterable[RatedCharge], *, at: datetime) -> None:
    """Store charges in their order."""
    with connection.cursor().copy(
        """copy charge (charge_id, kind, entity_id, customer_id, contract_id, contract_version,
                        product_id, price_version_id, usage_id, meter_version, service_month,
                        starts_at, ends_at, currency, amount, quantity, rounding, parts, price,
                        corrects, rule_id, decided_at) from stdin"""
    ) as copy:
        for rated in charges:
            copy.write_row(_row(rated, at))


def supersede(connection: Connection, charge_ids: Iterable[str], *, at: datetime) -> None:
    """Store that unbilled charges no longer count."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into charge_superseded (charge_id, decided_at) values (%s, %s)",
            [(charge_id, at) for charge_id in charge_ids],
        )


def mark_billed(
    connection: Connection, charge_ids: Iterable[str], invoice_id: str, *, at: datetime
) -> None:
    """Store that charges are on an issued invoice; for the stage that issues."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into charge_billed (charge_id, invoice_id, billed_at) values (%s, %s, %s)",
            [(charge_id, invoice_id, at) for charge_id in charge_ids],
        )


def _read(connection: Connection, where: str, values: Sequence[object]) -> list[Earlier]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f"{_SELECT} {where} order by c.sequence", values).fetchall()
    return [Earlier(_rated(row), row["is_billed"], row["is_superseded"]) for row in rows]


def _rated(row: dict[str, Any]) -> RatedCharge:
    charge = Charge(
        charge_id=row["charge_id"],
        customer_id=row["customer_id"],
        price_version_id=row["price_version_id"],
        period=Period(row["starts_at"], row["ends_at"]),
        amount=Precise(row["amount"], row["currency"]),
        parts=from_exact_json(row["parts"], tuple[ChargePart, ...]),
        quantity=row["quantity"],
        kind=row["kind"],
        product_id=row["product_id"],
        contract_id=row["contract_id"],
        contract_version=row["contract_version"],
        usage_id=row["usage_id"],
        meter_version=row["meter_version"],
        rounding=row["rounding"],
        corrects=row["corrects"],
        rule_id=row["rule_id"],
    )
    month, price = Month.parse(row["service_month"]), _price(row["price"])
    return RatedCharge(charge, EntityId(row["entity_id"]), month, price)


@lru_cache(maxsize=4096)
def _price(text: str) -> PriceVersion:
    """Read a pinned price: one record for all charges that pin the same."""
    return from_exact_json(text, PriceVersion)


@once_a_record
def _price_text(price: PriceVersion) -> str:
    return to_json(price).decode()


def _row(rated: RatedCharge, at: datetime) -> tuple[object, ...]:
    charge = rated.charge
    return (
        charge.charge_id,
        charge.kind,
        rated.entity_id,
        charge.customer_id,
        charge.contract_id,
        charge.contract_version,
        charge.product_id,
        charge.price_version_id,
        charge.usage_id,
        charge.meter_version,
        str(rated.month),
        charge.period.start,
        charge.period.end,
        charge.amount.currency,
        charge.amount.value,
        charge.quantity,
        charge.rounding,
        to_json(charge.parts).decode(),
        _price_text(rated.price),
        charge.corrects,
        charge.rule_id,
        at,
    )
