"""Credits that lapse by themselves: what expires, rolls over or was voided by an instant."""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count

from tollbook.ledger.credit_blocks import Block, CreditTerms, blocks_of
from tollbook.ledger.credit_book import Movement
from tollbook.ledger.credit_timeline import Opened, rolled, run
from tollbook.ledger.credits import NONE, Moved
from tollbook.records.credits import CreditGrant
from tollbook.values.money import Precise, settle


def batches(grants: Iterable[CreditGrant], terms: CreditTerms, *, until: datetime) -> list[Block]:
    """Return every batch of grants that starts by an instant, those that may be rolled over too."""
    found = []
    for listed, grant in enumerate(grants):
        for block in blocks_of(grant, terms, until=until, listed=listed):
            found += [block, *_rolled_from(block, terms, until)]
    return found


def lapses(
    grants: Iterable[CreditGrant],
    held: Mapping[str, Moved],
    terms: CreditTerms,
    *,
    until: datetime,
) -> list[Movement]:
    """Return what lapses through an instant, given all that charges moved (`held`).

    What rolls over out of one batch is held by the next, less what the next has used since.
    """
    number = count()
    agenda = [
        (end, next(number), block, held.get(block.block_id, NONE))
        for block in _own(grants, terms, until)
        if (end := _end(block)) is not None
    ]
    heapq.heapify(agenda)
    quiet = replace(terms, policy=replace(terms.policy, top_up=None))
    found: list[Movement] = []
    while agenda:
        end, _, block, left = heapq.heappop(agenda)
        if end > until or left.amount <= 0:
            continue
        cost = settle(Precise(left.cost, terms.currency)).money
        done = run(quiet, [], [], until=end, opened=[Opened(block, left.amount, cost)])
        found += done.movements
        for new in done.blocks.values():
            ends = _end(new)
            if new.block_id != block.block_id and ends is not None:
                held_now = held.get(new.block_id, NONE) + Moved(
                    done.balances[new.block_id], done.costs[new.block_id].major
                )
                heapq.heappush(agenda, (ends, next(number), new, held_now))
    return found


def _own(grants: Iterable[CreditGrant], terms: CreditTerms, until: datetime) -> Iterator[Block]:
    for listed, grant in enumerate(grants):
        yield from blocks_of(grant, terms, until=until, listed=listed)


def _end(block: Block) -> datetime | None:
    ends = [at for at in (block.expires_at, block.voided_at) if at is not None]
    return max(block.starts_at, min(ends)) if ends else None


def _rolled_from(block: Block, terms: CreditTerms, until: datetime) -> Iterator[Block]:
    roll_over = block.grant.roll_over
    while roll_over is not None and roll_over.at == "expiry":
        is_over = roll_over.times is not None and block.rolled >= roll_over.times
        if is_over or block.expires_at is None or block.expires_at > until:
            return
        block = rolled(block, roll_over, block.amount, terms.zone)
        yield block
