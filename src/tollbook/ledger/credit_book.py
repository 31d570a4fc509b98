"""The book of a contract's prepaid credits: balances, and every movement that they come from."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from tollbook.ledger.credit_blocks import Block, CreditTerms
from tollbook.ledger.credit_order import in_order
from tollbook.values.conversion import scaled_and_rounded
from tollbook.values.money import EXACT, Money, split

CreditMovementKind = Literal[
    "grant",  # credits bought or given, +
    "top_up",  # the same, by a rule or a command, +
    "drawdown",  # used, -
    "return",  # use taken back, +
    "expiry",  # not used in time, -: breakage when it was paid for
    "roll_over",  # carried from one batch, -, to the next, +
    "refund",  # paid back, -
    "void",  # taken back, -
    "overdraft",  # used beyond what there was, -; paid back by later credits or written off, +
]

ZERO: Final = Decimal(0)
OVERDRAFT: Final = "overdraft"
REST: Final = "rest"


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of a batch: `amount` in credits, `paid` in the unit owed, `cost` in the currency.

    `balance` is what the batch holds afterwards; `cause` names what made it move. Amount and cost
    have the same sign. A batch's balance is the sum of its amounts, its cost the sum of its costs.
    """

    at: datetime
    kind: CreditMovementKind
    block_id: str
    grant_id: str
    amount: Decimal
    balance: Decimal
    cost: Money
    product: str = ""
    cause: str = ""
    paid: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Draw:
    """What one batch pays of one product: credits and cost that left it, and the amount they paid."""

    block_id: str
    product: str
    credits: Decimal
    paid: Decimal
    cost: Money


@dataclass(slots=True)
class Book:
    """The state between two movements; every change of it goes through `_move`."""

    terms: CreditTerms
    blocks: dict[str, Block] = field(default_factory=dict)
    balances: dict[str, Decimal] = field(default_factory=dict)
    costs: dict[str, Money] = field(default_factory=dict)
    lapsed: dict[str, CreditMovementKind] = field(default_factory=dict)
    overdrawn: dict[str, Decimal] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    # What paid for a product, latest last: to be taken back in the opposite order.
    paid_by: dict[str, list[Draw]] = field(default_factory=lambda: defaultdict(list))

    # What was used of a product so far, exact, and as it was rounded.
    used: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)

    @property
    def balance(self) -> Decimal:
        """Credits of all batches, less what was overdrawn."""
        return EXACT.subtract(sum_of(self.balances.values()), sum_of(self.overdrawn.values()))

    def open(self, block: Block, balance: Decimal, cost: Money) -> None:
        """Take over a batch with what is left of it, without a movement."""
        self.blocks[block.block_id] = block
        self.balances[block.block_id], self.costs[block.block_id] = balance, cost

    def arrive(self, block: Block, *, at: datetime, cause: str = "") -> None:
        """Add a batch, and pay with it what was overdrawn."""
        self.open(block, ZERO, Money(0, self.terms.currency))
        kind: CreditMovementKind = "top_up" if block.is_top_up else "grant"
        self._move(at, kind, block.block_id, block.amount, block.cost, cause=cause)
        for product in [name for name in self.overdrawn if block.pays_for(name)]:
            owed = self.overdrawn[product]
            draw = self.take(block, owed, product, at=at, cause=OVERDRAFT)
            if draw is not None:
                self.settle_overdraft(product, draw.paid, at=at, cause=block.block_id)
                self.paid_by[product] = _paid_instead(self.paid_by[product], draw)

    def rounded(self, product: str, amount: Decimal) -> Decimal:
        """Return what an amount adds to the rounded sum of its product, so that nothing is lost."""
        exact, before = self.used.get(product, (ZERO, ZERO))
        exact = EXACT.add(exact, amount)
        policy = self.terms.policy
        now = scaled_and_rounded(
            exact,
            multiply=None,
            divide=None,
            rounding=policy.rounding,
            decimals=self.terms.decimals,
        )
        self.used[product] = (exact, now)
        return EXACT.subtract(now, before)

    def note_paid(self, product: str, draws: Iterable[Draw], rest: Decimal) -> None:
        """Keep who paid for a product, and what was left to the customer."""
        self.paid_by[product] += draws
        if rest > 0:
            none = Money(0, self.terms.currency)
            self.paid_by[product].append(Draw(REST, product, ZERO, rest, none))

    def forget_overdraft(self, product: str, *, is_billed: bool) -> None:
        """Note that the customer pays what the overdraft paid, or that nobody does."""
        none = Money(0, self.terms.currency)
        self.paid_by[product] = [
            Draw(REST, product, ZERO, draw.paid, none) if draw.block_id == OVERDRAFT else draw
            for draw in self.paid_by[product]
            if is_billed or draw.block_id != OVERDRAFT
        ]

    def live(self) -> list[Block]:
        """Return the batches that hold something, in the order in which they pay."""
        found = [one for one in self.blocks.values() if self.balances[one.block_id] > 0]
        return in_order(found, self.balances, self.terms.policy)

    def worth(self, block: Block) -> Decimal:
        """Return what a batch can pay: a fraction of the smallest unit cannot, and stays."""
        return scaled_and_rounded(
            self.balances[block.block_id],
            multiply=block.rate,
            divide=None,
            rounding="down",
            decimals=self.terms.decimals,
        )

    def take(
        self, block: Block, owed: Decimal, product: str, *, at: datetime, cause: str = ""
    ) -> Draw | None:
        """Pay what is owed of a product from one batch, as far as it goes; None if it cannot."""
        paid = min(owed, self.worth(block))
        if paid <= 0:
            return None
        credits_ = min(self.balances[block.block_id], self._credits(block, paid))
        cost = self._share(block.block_id, credits_)
        self._move(
            at,
            "drawdown",
            block.block_id,
            minus(credits_),
            -cost,
            product=product,
            cause=cause,
            paid=paid,
        )
        return Draw(block.block_id, product, credits_, paid, cost)

    def overdraw(
        self, owed: Decimal, product: str, *, at: datetime, cause: str = ""
    ) -> Draw | None:
        """Pay what is owed from the overdraft, as far as its limit goes."""
        used = sum_of(self.overdrawn.values())
        paid = min(owed, EXACT.subtract(self.terms.policy.overdraft, used))
        if paid <= 0:
            return None
        self.overdrawn[product] = EXACT.add(self.overdrawn.get(product, ZERO), paid)
        self._note_overdraft(at, minus(paid), product, cause)
        return Draw(OVERDRAFT, product, paid, paid, Money(0, self.terms.currency))

    def settle_overdraft(self, product: str, amount: Decimal, *, at: datetime, cause: str) -> None:
        """Lower what was overdrawn for a product."""
        left = EXACT.subtract(self.overdrawn[product], amount)
        assert left >= 0, "no more is paid back than was overdrawn"
        if left:
            self.overdrawn[product] = left
        else:
            del self.overdrawn[product]
        self._note_overdraft(at, amount, product, cause)

    def give_back(
        self, draw: Draw, amount: Decimal, *, at: datetime, cause: str = ""
    ) -> Draw | None:
        """Return what a draw paid to its batch, or a part of it; returns what is left of the draw.

        Credits of a batch that lapsed meanwhile lapse again at once.
        """
        left = EXACT.subtract(draw.paid, amount)
        if draw.block_id == OVERDRAFT:
            self.settle_overdraft(draw.product, amount, at=at, cause=cause)
            return replace(draw, paid=left, credits=left) if left else None
        block = self.blocks[draw.block_id]
        back = min(draw.credits, self._credits(block, amount)) if left else draw.credits
        kept = EXACT.subtract(draw.credits, back)
        kept_cost = portion(draw.cost, kept, draw.credits)
        cost = draw.cost - kept_cost
        facts: dict[str, Any] = {"product": draw.product, "cause": cause, "paid": minus(amount)}
        self._move(at, "return", draw.block_id, back, cost, **facts)
        if draw.block_id in self.lapsed:
            kind = self.lapsed[draw.block_id]
            self._move(at, kind, draw.block_id, minus(back), -cost, cause=cause)
        return replace(draw, paid=left, credits=kept, cost=kept_cost) if left else None

    def remove(
        self, kind: CreditMovementKind, block_id: str, amount: Decimal, *, at: datetime, cause: str
    ) -> Money:
        """Take credits out of a batch that pay for nothing; returns what they had cost."""
        cost = self._share(block_id, amount)
        if amount:
            self._move(at, kind, block_id, minus(amount), -cost, cause=cause)
        return cost

    def carry(self, old: Block, new: Block, amount: Decimal, *, at: datetime) -> None:
        """Carry credits with their cost from one batch into a new one."""
        cost = self._share(old.block_id, amount)
        self.open(new, ZERO, Money(0, self.terms.currency))
        self._move(at, "roll_over", old.block_id, minus(amount), -cost, cause=new.block_id)
        self._move(at, "roll_over", new.block_id, amount, cost, cause=old.block_id)

    def add(self, block_id: str, amount: Decimal, *, at: datetime, cause: str) -> None:
        """Add credits to a batch that cost nothing."""
        self._move(at, "grant", block_id, amount, Money(0, self.terms.currency), cause=cause)

    def named(self, name: str) -> Iterator[Block]:
        """Yield the batches with credits that a name means: one batch, or all of a grant."""
        for block in self.live():
            if name in {block.block_id, block.grant.grant_id}:
                yield block

    def _credits(self, block: Block, paid: Decimal) -> Decimal:
        if block.grant.rate is None:
            return paid
        return scaled_and_rounded(
            paid,
            multiply=None,
            divide=block.rate,
            rounding="half_even",
            decimals=self.terms.policy.credit_decimals,
        )

    def _share(self, block_id: str, amount: Decimal) -> Money:
        """Return the cost that leaves a batch with some of its credits."""
        left = EXACT.subtract(self.balances[block_id], amount)
        return self.costs[block_id] - portion(self.costs[block_id], left, self.balances[block_id])

    def _note_overdraft(self, at: datetime, amount: Decimal, product: str, cause: str) -> None:
        left = minus(sum_of(self.overdrawn.values()))
        none = Money(0, self.terms.currency)
        self.movements.append(
            Movement(at, "overdraft", OVERDRAFT, OVERDRAFT, amount, left, none, product, cause)
        )

    def _move(
        self,
        at: datetime,
        kind: CreditMovementKind,
        block_id: str,
        amount: Decimal,
        cost: Money,
        **told: Any,
    ) -> None:
        balance = EXACT.add(self.balances[block_id], amount)
        assert balance >= 0, "a batch is never overdrawn"
        self.balances[block_id], self.costs[block_id] = balance, self.costs[block_id] + cost
        grant_id = self.blocks[block_id].grant.grant_id
        self.movements.append(Movement(at, kind, block_id, grant_id, amount, balance, cost, **told))


def portion(cost: Money, part: Decimal, whole: Decimal) -> Money:
    """Return the share of a cost that stays with a part of the credits, half a cent up."""
    if not part or not whole:
        return Money(0, cost.currency)
    return split(cost, [part, EXACT.subtract(whole, part)])[0]


def minus(amount: Decimal) -> Decimal:
    """Return the opposite of a decimal, every digit kept."""
    return EXACT.minus(amount)


def _paid_instead(draws: list[Draw], by: Draw) -> list[Draw]:
    """Return who paid, when a batch pays for the oldest of what the overdraft paid."""
    found, left = [], by.paid
    is_placed = False
    for draw in draws:
        if draw.block_id != OVERDRAFT or not left:
            found.append(draw)
            continue
        if not is_placed:
            found.append(by)
            is_placed = True
        taken = min(left, draw.paid)
        left = EXACT.subtract(left, taken)
        rest = EXACT.subtract(draw.paid, taken)
        if rest:
            found.append(replace(draw, credits=rest, paid=rest))
    return found


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    """Add decimals without losing a digit."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
