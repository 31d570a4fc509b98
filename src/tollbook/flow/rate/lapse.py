"""What lapses of a contract's prepaid credits by the end of a month, beside what is booked already."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tollbook.ledger.credit_blocks import CreditTerms
from tollbook.ledger.credit_book import CreditMovementKind
from tollbook.ledger.credit_lapses import lapses
from tollbook.ledger.credits import NONE, Moved
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditPolicy
from tollbook.values.period import Month
from tollbook.values.zone import instants, zone_named


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
    booked: Mapping[tuple[str, str], tuple[Moved, int]],
) -> list[Lapse]:
    """Return what makes the lapses that are booked sum to the truth through a month's end.

    `held` is what charges moved of each batch, `booked` what lapsed already, and how often.
    """
    terms = CreditTerms(contract.currency, zone, contract.credit_policy or CreditPolicy())
    until = instants(month.period, zone).end
    wanted: dict[tuple[str, CreditMovementKind], tuple[Moved, datetime]] = {}
    for one in lapses(contract.credits, held, terms, until=until):
        key = (one.block_id, one.kind)
        before, _ = wanted.get(key, (NONE, one.at))
        wanted[key] = (before + Moved(one.amount, one.cost.major), one.at)
    found = []
    for (block_id, kind), (moved, at) in sorted(wanted.items()):
        already, number = booked.get((block_id, kind), (NONE, 0))
        missing = moved - already
        if missing != NONE:
            day = (at - timedelta(microseconds=1)).astimezone(zone_named(zone)).date()
            found.append(Lapse(block_id, kind, missing, day, number))
    return found
