"""Prepaid credits over time: grants, policy and what happens, in order, to movements and balances."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from tollbook.errors import Rejected
from tollbook.ledger.credit_blocks import Block, CreditTerms, cost_of, intervals, later
from tollbook.ledger.credit_book import Book, Movement, sum_of
from tollbook.ledger.credit_pay import Line, Paid, pay
from tollbook.records.credits import CreditGrant, RollOver
from tollbook.values.conversion import scaled_and_rounded
from tollbook.values.money import EXACT, Money
from tollbook.values.period import Period

HappeningKind = Literal[
    "use",  # a product was used for an amount; less than nothing takes use back
    "invoice",  # lines are billed, or what was used since the last invoice
    "top_up",  # credits are added by hand
    "expire",  # what is left of a grant lapses now
    "void",  # credits of a grant are taken back
    "deduct",  # credits are taken away in the order in which they would pay
    "refund",  # what is left of a paid grant is paid back at its cost
    "period_end",  # a billing period ends
    "look",  # nothing: balances are noted
]

ZERO: Final = Decimal(0)
HUNDRED: Final = Decimal(100)

# Credits that are added stand behind those that are written, in the order in which they came.
_LISTED_LATER: Final = 1_000_000

# At one instant grants lapse first, then others start, then things happen as they are listed; what
# may still pay an invoice of its last period lapses after that invoice.
_LAPSES, _STARTS, _HAPPENS, _LAPSES_LATE = range(4)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at an instant; which fields count depends on its kind.

    `amount` is in the unit owed for use, and in credits otherwise; None stands for all there is.
    """

    at: datetime
    kind: HappeningKind
    label: str = ""
    lines: tuple[Line, ...] = ()
    grant_id: str = ""
    amount: Decimal | None = None
    period: Period | None = None
    grant: CreditGrant | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a happening came to: who paid, what is left to pay, what was refunded, the balances."""

    happening: Happening
    paid: tuple[Paid, ...]
    balance: Decimal
    balances: dict[str, Decimal]
    refunded: Money
    billed: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Opened:
    """A batch that started before the timeline does, with what was left of it."""

    block: Block
    balance: Decimal
    cost: Money


@dataclass(frozen=True, slots=True)
class Run:
    """All that came of a timeline."""

    movements: tuple[Movement, ...]
    steps: tuple[Step, ...]
    balance: Decimal
    balances: dict[str, Decimal]
    costs: dict[str, Money]
    blocks: dict[str, Block]


def run(
    terms: CreditTerms,
    arrivals: Iterable[Block],
    happenings: Sequence[Happening],
    *,
    until: datetime,
    opened: Iterable[Opened] = (),
) -> Run:
    """Let everything happen in the order of time, through an instant.

    Raises Rejected `credits.*` for what cannot be: a refund of more than is left, and so on.
    """
    timeline = _Timeline(terms, happenings, until)
    for one in opened:
        timeline.book.open(one.block, one.balance, one.cost)
        timeline.watch(one.block)
    for block in arrivals:
        timeline.plan(block.starts_at, _STARTS, block)
    if terms.policy.top_up is not None:
        for number, at in enumerate(intervals(terms.policy.top_up, terms, until=until), start=1):
            timeline.plan(at, _STARTS, number)
    for happening in sorted(happenings, key=lambda one: one.at):
        timeline.plan(happening.at, _HAPPENS, happening)
    timeline.play()
    book = timeline.book
    return Run(
        movements=tuple(book.movements),
        steps=tuple(timeline.steps),
        balance=book.balance,
        balances=dict(book.balances),
        costs=dict(book.costs),
        blocks=dict(book.blocks),
    )


@dataclass(slots=True)
class _Timeline:
    terms: CreditTerms
    happenings: Sequence[Happening]
    until: datetime
    book: Book = field(init=False)
    steps: list[Step] = field(default_factory=list)
    _agenda: list[tuple[datetime, int, int, Any]] = field(default_factory=list)
    _planned: int = 0
    _topped_up: int = 0
    _open_lines: list[tuple[datetime, Line]] = field(default_factory=list)
    _kept: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = Book(self.terms)

    def plan(self, at: datetime, rank: int, what: object) -> None:
        """Put something on the agenda, behind what was put there for the same instant and rank."""
        self._planned += 1
        heapq.heappush(self._agenda, (at, rank, self._planned, what))

    def watch(self, block: Block) -> None:
        """Put on the agenda when a batch lapses."""
        if block.expires_at is not None:
            late = [one.at for one in self.happenings if self._still_pays(one, block.expires_at)]
            at, rank = (max(late), _LAPSES_LATE) if late else (block.expires_at, _LAPSES)
            self.plan(at, rank, ("expiry", block))
        if block.voided_at is not None:
            self.plan(max(block.voided_at, block.starts_at), _LAPSES, ("void", block))

    def play(self) -> None:
        """Do what is on the agenda until the end."""
        while self._agenda and self._agenda[0][0] <= self.until:
            at, _, _, what = heapq.heappop(self._agenda)
            match what:
                case Block():
                    self._arrive(what, at)
                case int():
                    self._top_up(at, f"{what}")
                case Happening():
                    self._happen(what)
                case ("expiry", Block() as block):
                    self._expire(block)
                case ("void", Block() as block):
                    self._lapse(block, "void", at, "void")
                    self._check_top_up(at)
                case _:
                    raise AssertionError(what)

    # What comes by itself.

    def _arrive(self, block: Block, at: datetime, cause: str = "") -> None:
        is_void = block.voided_at is not None and block.voided_at <= at
        has_expired = block.expires_at is not None and block.expires_at <= at
        if is_void or has_expired:
            return
        self.book.arrive(block, at=at, cause=cause)
        self.watch(block)

    def _still_pays(self, happening: Happening, expires_at: datetime) -> bool:
        """Tell whether an invoice bills a period in which a batch that expired was usable."""
        period = happening.period
        return (
            self.terms.policy.draw == "for_period"
            and happening.kind == "invoice"
            and period is not None
            and period.start < expires_at <= happening.at
        )

    def _expire(self, block: Block) -> None:
        assert block.expires_at is not None
        left = self.book.balances[block.block_id]
        roll_over = block.grant.roll_over
        if roll_over is not None and roll_over.at == "expiry" and _may_roll(block, roll_over):
            self._roll(block, roll_over, left)
        self._lapse(block, "expiry", block.expires_at, "expiry")
        self._check_top_up(block.expires_at)

    def _lapse(self, block: Block, kind: Any, at: datetime, cause: str) -> None:
        if block.block_id in self.book.lapsed:
            return
        self.book.lapsed[block.block_id] = kind
        self.book.remove(
            kind, block.block_id, self.book.balances[block.block_id], at=at, cause=cause
        )

    def _roll(self, block: Block, roll_over: RollOver, left: Decimal) -> None:
        assert block.expires_at is not None
        kept = self._kept_of(block, roll_over, left)
        if kept <= 0 or block.block_id in self.book.lapsed:
            return
        new = rolled(block, roll_over, kept, self.terms.zone)
        carried = min(kept, left)
        self.book.carry(block, new, carried, at=block.expires_at)
        if kept > carried:
            missing = EXACT.subtract(kept, carried)
            self.book.add(new.block_id, missing, at=block.expires_at, cause="roll_over")
        self.watch(new)

    def _kept_of(self, block: Block, roll_over: RollOver, left: Decimal) -> Decimal:
        has_rate = block.grant.rate is not None
        kept = scaled_and_rounded(
            left if roll_over.percent else ZERO,
            multiply=roll_over.percent,
            divide=HUNDRED,
            rounding="down",
            decimals=self.terms.policy.credit_decimals if has_rate else self.terms.decimals,
        )
        if roll_over.minimum is not None:
            kept = max(kept, roll_over.minimum)
        return kept if roll_over.maximum is None else min(kept, roll_over.maximum)

    def _check_top_up(self, at: datetime) -> None:
        if self._is_low():
            self._top_up(at, "low balance")

    def _is_low(self) -> bool:
        rule = self.terms.policy.top_up
        if rule is None:
            return False
        is_below = rule.below is not None and self.book.balance < rule.below
        return is_below or (rule.at_or_below is not None and self.book.balance <= rule.at_or_below)

    def _top_up(self, at: datetime, cause: str) -> bool:
        """Add what the rule of the contract adds; returns whether anything was added."""
        rule = self.terms.policy.top_up
        assert rule is not None
        if rule.times is not None and self._topped_up >= rule.times:
            return False
        amount = rule.amount
        if rule.target is not None:
            amount = EXACT.subtract(rule.target, self.book.balance)
        if amount is None or amount <= 0:
            return False
        self._topped_up += 1
        grant = CreditGrant(
            grant_id=f"top-up/{self._topped_up}",
            amount=amount,
            granted_at=at,
            kind=rule.kind,
            rate=rule.rate,
            unit_cost=rule.unit_cost,
            priority=rule.priority,
            products=rule.products,
            valid_months=rule.valid_months,
            valid_days=rule.valid_days,
        )
        self._arrive(self._block(grant, at), at, cause)
        return True

    def _block(self, grant: CreditGrant, at: datetime) -> Block:
        lasts = grant.valid_months is not None or grant.valid_days is not None
        expiry = later(
            at, self.terms.zone, months=grant.valid_months or 0, days=grant.valid_days or 0
        )
        return Block(
            block_id=grant.grant_id,
            grant=grant,
            amount=grant.amount,
            cost=cost_of(grant, self.terms),
            starts_at=at,
            expires_at=expiry if lasts else grant.expires_at,
            listed=_LISTED_LATER + len(self.book.blocks),
            priority=grant.priority,
            is_top_up=True,
        )

    # What happens.

    def _happen(self, one: Happening) -> None:
        paid = self._pay(one, self._lines(one))
        refunded, billed = Money(0, self.terms.currency), ZERO
        match one.kind:
            case "top_up":
                assert one.grant is not None
                self._arrive(self._block(one.grant, one.at), one.at, one.label)
            case "refund":
                refunded = self._refund(one)
            case "expire" | "void":
                self._take_away(one)
            case "deduct":
                self._deduct(one)
            case "period_end":
                billed = self._end_period(one.at)
            case "use" | "invoice" | "look":
                pass
        if one.kind not in {"look", "top_up"}:
            self._check_top_up(one.at)
        balances = dict(self.book.balances)
        self.steps.append(Step(one, tuple(paid), self.book.balance, balances, refunded, billed))

    def _lines(self, one: Happening) -> Sequence[Line]:
        """Return what is to be paid now: use is, or waits for its invoice."""
        if one.kind == "use" and self.terms.policy.draw != "as_used":
            self._open_lines += [(one.at, line) for line in one.lines]
            return ()
        if one.kind == "invoice" and not one.lines:
            return self._uninvoiced(one.period)
        return one.lines

    def _pay(self, one: Happening, lines: Sequence[Line]) -> list[Paid]:
        rule = self.terms.policy.top_up
        during = rule is not None and rule.during_draw

        def more() -> bool:
            return during and self._is_low() and self._top_up(one.at, "low balance")

        return pay(
            self.book, lines, at=one.at, cause=one.label, usable=self._usable(one), more=more
        )

    def _usable(self, one: Happening) -> Any:
        """Return what tells whether a batch may pay: batches that expired lapse by themselves."""
        period = one.period
        if self.terms.policy.draw != "for_period" or period is None:
            return lambda block: block.expires_at is None or block.expires_at > one.at
        return lambda block: (
            block.starts_at < period.end
            and (block.expires_at is None or block.expires_at > period.start)
        )

    def _uninvoiced(self, period: Period | None) -> list[Line]:
        """Return what was used and not invoiced yet, a line a product in the order of first use."""
        mine = [(at, line) for at, line in self._open_lines if period is None or at in period]
        self._open_lines = [one for one in self._open_lines if one not in mine]
        lines: dict[str, Line] = {}
        for _, line in mine:
            before = lines.get(line.product)
            amount = EXACT.add(before.amount, line.amount) if before else line.amount
            lines[line.product] = replace(line, amount=amount)
        return list(lines.values())

    def _found(self, one: Happening) -> list[Block]:
        known = {name for block in self.book.blocks.values() for name in _names(block)}
        if one.grant_id not in known:
            raise Rejected("credits.unknown_grant", f"There is no grant {one.grant_id!r} yet.")
        return list(self.book.named(one.grant_id))

    def _take_away(self, one: Happening) -> None:
        kind: Any = "expiry" if one.kind == "expire" else "void"
        found = self._found(one)
        if one.amount is not None:
            self._remove(kind, found, one.amount, one)
            return
        for block in found:
            self._lapse(block, kind, one.at, one.label or one.kind)

    def _deduct(self, one: Happening) -> None:
        assert one.amount is not None, "a deduction has an amount"
        self._remove("void", self.book.live(), one.amount, one)

    def _remove(self, kind: Any, blocks: list[Block], amount: Decimal, one: Happening) -> Money:
        """Take credits out of batches one after the other; returns what they had cost."""
        held = sum_of(self.book.balances[block.block_id] for block in blocks)
        if not ZERO < amount <= held:
            raise Rejected(
                "credits.too_much",
                f"{amount} credits cannot be taken: there are {held}.",
            )
        cost = Money(0, self.terms.currency)
        for block in blocks:
            taken = min(amount, self.book.balances[block.block_id])
            amount = EXACT.subtract(amount, taken)
            cause = one.label or one.kind
            cost += self.book.remove(kind, block.block_id, taken, at=one.at, cause=cause)
        return cost

    def _refund(self, one: Happening) -> Money:
        found = self._found(one)
        if any(block.grant.kind == "promotional" for block in found):
            raise Rejected(
                "credits.not_refundable", f"Grant {one.grant_id} was given: nothing is paid back."
            )
        held = sum_of(self.book.balances[block.block_id] for block in found)
        return self._remove("refund", found, held if one.amount is None else one.amount, one)

    def _end_period(self, at: datetime) -> Decimal:
        """Keep of each batch what rolls over at the end of a period; returns what is billed."""
        for block in self.book.live():
            roll_over = block.grant.roll_over
            if roll_over is not None and roll_over.at == "period_end":
                self._renew(block, roll_over, at)
        billed = ZERO
        how = self.terms.policy.overdraft_at_period_end
        for product, amount in list(self.book.overdrawn.items()):
            if how != "kept":
                self.book.settle_overdraft(product, amount, at=at, cause=how)
                self.book.forget_overdraft(product, is_billed=how == "billed")
            if how == "billed":
                billed = EXACT.add(billed, amount)
        return billed

    def _renew(self, block: Block, roll_over: RollOver, at: datetime) -> None:
        left = self.book.balances[block.block_id]
        self._kept[block.block_id] = times = self._kept.get(block.block_id, 0) + 1
        is_over = roll_over.times is not None and times > roll_over.times
        kept = ZERO if is_over else self._kept_of(block, roll_over, left)
        if kept < left:
            gone = EXACT.subtract(left, kept)
            self.book.remove("expiry", block.block_id, gone, at=at, cause="period_end")
        elif kept > left:
            missing = EXACT.subtract(kept, left)
            self.book.add(block.block_id, missing, at=at, cause="period_end")


def _may_roll(block: Block, roll_over: RollOver) -> bool:
    return roll_over.times is None or block.rolled < roll_over.times


def _names(block: Block) -> tuple[str, str]:
    return block.block_id, block.grant.grant_id


def rolled(block: Block, roll_over: RollOver, amount: Decimal, zone: str) -> Block:
    """Return the batch that carries on what was left of another."""
    assert block.expires_at is not None
    months, days = roll_over.valid_months, roll_over.valid_days
    if months is None and days is None:
        months, days = block.grant.valid_months, block.grant.valid_days
        if months is None and days is None and block.grant.until_next:
            months, days = block.grant.every_months, block.grant.every_days
    lasts = months is not None or days is not None
    expiry = later(block.expires_at, zone, months=months or 0, days=days or 0) if lasts else None
    return replace(
        block,
        block_id=f"{block.root}+{block.rolled + 1}",
        amount=amount,
        starts_at=block.expires_at,
        expires_at=expiry,
        rolled=block.rolled + 1,
        priority=block.priority if roll_over.priority is None else roll_over.priority,
    )
