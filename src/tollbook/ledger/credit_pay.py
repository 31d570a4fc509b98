"""How batches of credits pay lines: line by line or in proportion, before or after tax."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from tollbook.ledger.credit_blocks import Block
from tollbook.ledger.credit_book import REST, Book, Draw, sum_of
from tollbook.values.conversion import scaled_and_rounded
from tollbook.values.money import EXACT, Money, split

ZERO: Final = Decimal(0)
# A rule that adds too little could go on for ever.
TOP_UPS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Line:
    """An amount owed for a product, without tax; `tax_rate` 0.2 is 20 %."""

    product: str
    amount: Decimal
    tax_rate: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Paid:
    """A line after credits: `net` as owed, `draws` what paid of it, `rest` what is payable with tax."""

    line: Line
    net: Decimal
    draws: tuple[Draw, ...]
    tax: Decimal
    rest: Decimal

    @property
    def credited(self) -> Decimal:
        """What credits paid; less than nothing when use was taken back."""
        return sum_of(draw.paid for draw in self.draws)


@dataclass(slots=True)
class _Open:
    """A line while it is being paid."""

    line: Line
    net: Decimal
    left: Decimal
    draws: list[Draw] = field(default_factory=list)


def pay(
    book: Book,
    lines: Sequence[Line],
    *,
    at: datetime,
    cause: str,
    usable: Callable[[Block], bool],
    more: Callable[[], bool],
) -> list[Paid]:
    """Pay lines from the batches that are usable, then from the overdraft.

    `more` is asked whether credits were added when they ran out. A line of less than nothing takes
    back what was paid for its product, the latest first.
    """
    policy = book.terms.policy
    opened = [_opened(book, line) for line in lines]
    for one in opened:
        if one.left < 0:
            back = EXACT.minus(one.left)
            one.draws += take_back(book, one.line.product, back, at=at, cause=cause)
    owed = [one for one in opened if one.left > 0]
    if policy.lines == "spread":
        _spread(book, owed, at=at, cause=cause, usable=usable)
    for one in owed:
        _pay_line(book, one, at=at, cause=cause, usable=usable, more=more)
    return [_paid(book, one) for one in opened]


def _opened(book: Book, line: Line) -> _Open:
    net = book.rounded(line.product, line.amount)
    left = net
    if book.terms.policy.tax == "after":
        left = EXACT.add(net, _tax(book, net, line))
    return _Open(line, net, left)


def _pay_line(
    book: Book,
    one: _Open,
    *,
    at: datetime,
    cause: str,
    usable: Callable[[Block], bool],
    more: Callable[[], bool],
) -> None:
    product = one.line.product
    for _ in range(TOP_UPS_MAX):
        for block in book.live():
            if one.left > 0 and usable(block) and block.pays_for(product):
                _add(one, book.take(block, one.left, product, at=at, cause=cause))
        if one.left <= 0 or not more():
            break
    if one.left > 0:
        _add(one, book.overdraw(one.left, product, at=at, cause=cause))


def _spread(
    book: Book,
    owed: Sequence[_Open],
    *,
    at: datetime,
    cause: str,
    usable: Callable[[Block], bool],
) -> None:
    """Let each batch pay all lines that it may, in proportion to what is open of them."""
    decimals = book.terms.decimals
    for block in filter(usable, book.live()):
        mine = [one for one in owed if one.left > 0 and block.pays_for(one.line.product)]
        if not mine:
            continue
        taken = min(book.worth(block), sum_of(one.left for one in mine))
        # In whole smallest units, so that the shares sum to what the batch pays.
        units = Money(int(taken.scaleb(decimals)), book.terms.currency)
        for one, share in zip(mine, split(units, [one.left for one in mine]), strict=True):
            amount = Decimal(share.minor).scaleb(-decimals)
            _add(one, book.take(block, amount, one.line.product, at=at, cause=cause))


def _add(one: _Open, draw: Draw | None) -> None:
    if draw is not None:
        one.draws.append(draw)
        one.left = EXACT.subtract(one.left, draw.paid)


def _paid(book: Book, one: _Open) -> Paid:
    line, policy = one.line, book.terms.policy
    credited = sum_of(draw.paid for draw in one.draws)
    taxed = EXACT.subtract(one.net, credited) if policy.tax == "before" else one.net
    tax = _tax(book, taxed, line)
    rest = EXACT.subtract(EXACT.add(one.net, tax), credited)
    if one.net >= 0:
        book.note_paid(line.product, one.draws, one.left)
    return Paid(line, one.net, tuple(one.draws), tax, rest)


def take_back(book: Book, product: str, amount: Decimal, *, at: datetime, cause: str) -> list[Draw]:
    """Take back what was paid for a product, the latest first; returns draws of less than nothing.

    What was left to the customer to pay is taken back where it is the latest.
    """
    history, returned = book.paid_by[product], []
    while amount > 0 and history:
        draw = history.pop()
        taken = min(amount, draw.paid)
        amount = EXACT.subtract(amount, taken)
        if draw.block_id == REST:
            left = EXACT.subtract(draw.paid, taken)
            if left > 0:
                history.append(Draw(REST, product, ZERO, left, draw.cost))
            continue
        kept = book.give_back(draw, taken, at=at, cause=cause)
        credits_ = EXACT.subtract(draw.credits, kept.credits if kept else ZERO)
        cost = draw.cost - kept.cost if kept else draw.cost
        if kept is not None:
            history.append(kept)
        returned.append(
            Draw(draw.block_id, product, EXACT.minus(credits_), EXACT.minus(taken), -cost)
        )
    return returned


def _tax(book: Book, amount: Decimal, line: Line) -> Decimal:
    if not line.tax_rate:
        return ZERO
    return scaled_and_rounded(
        amount,
        multiply=line.tax_rate,
        divide=None,
        rounding=book.terms.policy.rounding,
        decimals=book.terms.decimals,
    )
