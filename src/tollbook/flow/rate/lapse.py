"""What lapses of a contract's prepaid credits by the end of a month, beside what is booked already."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tollbook.ledger.credit_blocks import CreditTerms
from tollbook.ledger.credit_book import CreditMovementKind
from tollbook.ledger.credit_lapses import lapses
from tollbook.ledger.credits import NONE, Lapsed, Moved
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditPolicy
from tollbook.values.period import Month
from tollbook.values.zone import day_start, instants, zone_named


@dataclass(frozen=True, slots=True)
class Lapse:
    """Credits that lapse or roll over, or the correction of such; `number` tells corrections apart."""

    block_id: str
    kind: CreditMovementKind
    moved: Moved
    moved_on: date
    number: int


def due_lapses(
    contract: Contract,
    month: Month,
    zone: str,
    *,
    held: Mapping[str, Moved],
    booked: Mapping[tuple[str, CreditMovementKind], Lapsed],
) -> list[Lapse]:
    """Return what makes the lapses that are booked sum to the truth through a month's end.

    `held` is what charges moved of each batch, `booked` what lapsed already. What lapsed in a later
    month is corrected too: use of this month that is known only now was there before it.
    """
    terms = CreditTerms(contract.currency, zone, contract.credit_policy or CreditPolicy())
    booked_through = [day_start(one.last_on + timedelta(days=1), zone) for one in booked.values()]
    until = max([instants(month.period, zone).end, *booked_through])
    wanted: dict[tuple[str, CreditMovementKind], tuple[Moved, datetime]] = {}
    for one in lapses(contract.credits, held, terms, until=until):
        key = (one.block_id, one.kind)
        before, _ = wanted.get(key, (NONE, one.at))
        wanted[key] = (before + Moved(one.amount, one.cost.major), one.at)
    local = zone_named(zone)
    found = []
    for key in sorted(wanted.keys() | booked.keys()):
        moved, at = wanted.get(key, (NONE, None))
        already = booked.get(key)
        missing = moved - already.moved if already else moved
        if missing == NONE:
            continue
        day = (at - timedelta(microseconds=1)).astimezone(local).date() if at else None
        number = already.number if already else 0
        on = day or (already.last_on if already else month.last)
        found.append(Lapse(key[0], key[1], missing, on, number))
    return found
