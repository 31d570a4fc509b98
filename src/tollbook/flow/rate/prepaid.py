"""Charges of prepaid credits: what was bought, what pays for a month's usage, what that is worth."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from tollbook.errors import Rejected
from tollbook.flow.rate.agreed import contract_charge, contract_terms
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.ledger.credit_blocks import Block, CreditTerms
from tollbook.ledger.credit_commands import with_commands
from tollbook.ledger.credit_lapses import batches
from tollbook.ledger.credit_pay import Line
from tollbook.ledger.credit_timeline import Happening, Opened, run
from tollbook.ledger.credits import NONE, Moved
from tollbook.records.charge import ChargeKind, ChargePart
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditCommand, CreditPolicy
from tollbook.values.money import EXACT, Money, Precise, settle
from tollbook.values.period import Month, Period, midnight
from tollbook.values.zone import instants, zone_named


@dataclass(frozen=True, slots=True)
class Movement:
    """A charge of prepaid credits, and what it means for each batch (bought +, used -)."""

    rated: RatedCharge
    by_grant: Mapping[str, Moved]


@dataclass(frozen=True, slots=True)
class Prepaid:
    """The credits of a contract in a month: its terms, its days, every batch that can matter."""

    contract: Contract
    month: Month
    terms: CreditTerms
    period: Period
    blocks: tuple[Block, ...]
    refunds: tuple[CreditCommand, ...] = ()


def prepaid(
    contract: Contract, month: Month, zone: str, commands: Sequence[CreditCommand] = ()
) -> Prepaid:
    """Return the credits of a contract in a month, whose days begin in a zone.

    `commands` is what was ordered of them beside the contract.
    """
    contract = with_commands(contract, commands)
    terms = CreditTerms(contract.currency, zone, contract.credit_policy or CreditPolicy())
    period = instants(month.period, zone)
    found = batches(contract.credits, terms, until=period.end)
    blocks = tuple(block for block in found if block.starts_at < period.end)
    refunds = tuple(one for one in commands if one.kind == "refund" and one.effective_at in period)
    return Prepaid(contract, month, terms, period, blocks, refunds)


def credits_purchased(known: Prepaid) -> Iterator[Movement]:
    """Yield what was bought of prepaid credits, one a day on which any were granted or refunded.

    Credits that cost nothing are part of it, so that they are there; they add nothing.
    """
    zone = zone_named(known.terms.zone)
    moved = [
        (one.starts_at.astimezone(zone).date(), one.block_id, Moved(one.amount, cost, cost))
        for one in known.blocks
        if _is_bought_now(one, known)
        for cost in [one.cost.major]
    ]
    moved += [
        (one.effective_at.astimezone(zone).date(), one.grant_id, _refunded(one))
        for one in known.refunds
    ]
    contract, month = known.contract, known.month
    for day, found in groupby(sorted(moved, key=itemgetter(0, 1)), key=itemgetter(0)):
        by_grant: dict[str, Moved] = {}
        for _, block_id, one in found:
            by_grant[block_id] = by_grant.get(block_id, NONE) + one
        parts = [part(f"prepaid credits {name}", ONE, one.cost) for name, one in by_grant.items()]
        price = contract_terms(
            contract, contract.credit_product_id, total(one.cost for one in by_grant.values())
        )
        rated = contract_charge(
            contract,
            price,
            parts,
            kind="credit_purchase",
            period=Period(midnight(day), month.period.end),
            month=month,
        )
        yield Movement(rated, by_grant)


def _refunded(one: CreditCommand) -> Moved:
    assert one.amount is not None, "a refund says how much"
    assert one.cost is not None, "a refund says what that had cost"
    return NONE - Moved(one.amount, one.cost, one.cost)


def credits_applied(
    known: Prepaid,
    used: Sequence[tuple[str, Money]],
    *,
    elsewhere: Mapping[str, Moved],
    period: Period,
) -> Iterator[Movement]:
    """Yield the prepaid credits that pay for a month's usage, by product; nothing when none do.

    What was paid for them is one charge, taken from what is owed to the customer; what they pay
    beyond it lowers revenue and is another. `elsewhere` is what each batch holds without this
    month. Raises Rejected `rate.credit_overdrawn` when other months used more than was bought.
    """
    opened = [_opened(block, elsewhere, known) for block in known.blocks]
    lines = tuple(Line(product, money.major) for product, money in used if money.minor > 0)
    if not lines:
        return
    invoice = Happening(at=known.period.end, kind="invoice", lines=lines, period=known.period)
    done = run(
        known.terms,
        [],
        [invoice],
        until=known.period.end,
        opened=[one for one in opened if one.balance > 0],
    )
    draws = [draw for paid in done.steps[0].paid for draw in paid.draws]
    by_grant: dict[str, Moved] = {}
    for draw in draws:
        moved = Moved(draw.credits, draw.cost.major, draw.paid)
        by_grant[draw.block_id] = by_grant.get(draw.block_id, NONE) + moved
    if by_grant:
        yield from _charges(known, by_grant, period)


def _charges(known: Prepaid, by_grant: Mapping[str, Moved], period: Period) -> Iterator[Movement]:
    paid = total(moved.value for moved in by_grant.values())
    covered = [
        part(f"prepaid credits {block_id}", moved.cost, -ONE)
        for block_id, moved in by_grant.items()
        if moved.cost
    ]
    used = {
        block_id: NONE - Moved(moved.amount, moved.cost, moved.cost)
        for block_id, moved in by_grant.items()
    }
    yield Movement(_charge(known, "credit_applied", covered, period, paid), used)
    beyond = {
        block_id: EXACT.subtract(moved.value, moved.cost)
        for block_id, moved in by_grant.items()
        if moved.value != moved.cost
    }
    if beyond:
        parts = [part(f"beyond the cost of {name}", value, -ONE) for name, value in beyond.items()]
        rated = _charge(known, "credit_discount", parts, period, total(beyond.values()))
        yield Movement(rated, {name: NONE - Moved(value=v) for name, v in beyond.items()})


def _charge(
    known: Prepaid,
    kind: ChargeKind,
    parts: Sequence[ChargePart],
    period: Period,
    quantity: Decimal,
) -> RatedCharge:
    contract = known.contract
    price = contract_terms(contract, contract.credit_product_id, ZERO)
    return contract_charge(
        contract, price, parts, kind=kind, period=period, month=known.month, quantity=quantity
    )


def _opened(block: Block, elsewhere: Mapping[str, Moved], known: Prepaid) -> Opened:
    held = elsewhere.get(block.block_id, NONE)
    if _is_bought_now(block, known):
        held += Moved(block.amount, block.cost.major)
    for one in known.refunds:
        if one.grant_id == block.block_id:
            held += _refunded(one)
    if held.amount < ZERO:
        raise _overdrawn(block, held.amount, known.contract)
    cost = settle(Precise(held.cost, known.terms.currency)).money
    return Opened(block, held.amount, cost)


def _is_bought_now(block: Block, known: Prepaid) -> bool:
    return block.rolled == 0 and block.starts_at in known.period and not _never_was(block)


def _never_was(block: Block) -> bool:
    """Tell whether a batch was voided, or had expired, when it would have started."""
    ends = [at for at in (block.voided_at, block.expires_at) if at is not None]
    return any(at <= block.starts_at for at in ends)


def _overdrawn(block: Block, balance: Decimal, contract: Contract) -> Rejected:
    return Rejected(
        "rate.credit_overdrawn",
        f"Prepaid credits {block.block_id} of contract {contract.contract_id} were used for "
        f"{-balance} {contract.currency} more than was bought: restore the grant's amount "
        "in a new contract version, or rate the months that used it again.",
        cause=f"{contract.contract_id}|{block.block_id}",
        contract_id=contract.contract_id,
        product_id=contract.credit_product_id,
    )


def usage_lines(charges: Iterable[RatedCharge], currency: str) -> list[tuple[str, Money]]:
    """Return the settled usage of a month by product, in the order of the charges."""
    return [
        (one.charge.product_id, settle(one.charge.amount, one.charge.rounding).money)
        for one in charges
        if one.charge.kind == "usage" and one.charge.amount.currency == currency
    ]
