"""Two ratings of the same month compared: totals, who gains and who loses, the largest changes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import heappush, heappushpop
from typing import Final

from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.terms import Refusal
from tollbook.flow.rate.working import ZERO, total
from tollbook.records.charge import ChargePart
from tollbook.values.money import EXACT

TOP_DEFAULT: Final = 20
TOP_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Line:
    """What a customer owes for a product under a contract, on the present terms and the others.

    `kind` is that of the charge (usage, fixed, discount, ...). Amounts are exact, in major units
    of the currency, before tax; the parts of each working add up to its amount.
    """

    customer_id: str
    contract_id: str
    product_id: str
    kind: str
    currency: str
    quantity_before: Decimal
    quantity_after: Decimal
    before: Decimal
    after: Decimal
    difference: Decimal
    working_before: tuple[ChargePart, ...]
    working_after: tuple[ChargePart, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """How many customers there are on one side, and the sum of what changes for them."""

    customers: int
    difference: Decimal


@dataclass(frozen=True, slots=True)
class Total:
    """What all customers owe in a currency. Winners owe less than before, losers more."""

    currency: str
    before: Decimal
    after: Decimal
    difference: Decimal
    winners: Side
    losers: Side
    unchanged_customers: int


@dataclass(frozen=True, slots=True)
class NotRated:
    """A contract that is in no total, because a product of it cannot be rated.

    `terms` says on which terms: `present`, `other` or `both`.
    """

    customer_id: str
    contract_id: str
    product_id: str
    terms: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a month comes to on the present terms and on others; nothing of it is booked.

    `top` are the lines that change most, by currency; `lines` is how many were compared and
    `contracts_changed` how many contracts the other terms may reach.
    """

    month: str
    as_if_in_force: bool
    customers: int
    contracts: int
    contracts_changed: int
    lines: int
    totals: tuple[Total, ...]
    top: tuple[Line, ...]
    not_rated: tuple[NotRated, ...]


class Comparison:
    """Adds up contract by contract; keeps a sum a customer and the largest lines, no others."""

    def __init__(self, *, top: int) -> None:
        self._top = top
        self.sums: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}
        self.largest: dict[str, list[tuple[Decimal, int, Line]]] = {}
        self.refused: list[NotRated] = []
        self.contracts = self.changed = self.lines = 0

    def add(self, lines: Iterable[Line], *, may_change: bool) -> None:
        """Count a contract that was rated on both terms."""
        self.contracts += 1
        self.changed += may_change
        for line in lines:
            self.lines += 1
            key = (line.customer_id, line.currency)
            before, after = self.sums.get(key, (ZERO, ZERO))
            self.sums[key] = (EXACT.add(before, line.before), EXACT.add(after, line.after))
            if line.difference != ZERO:
                self._push((abs(line.difference), -self.lines, line))

    def refuse(self, not_rated: Iterable[NotRated]) -> None:
        """Note why a contract is left out."""
        self.refused += not_rated

    def merge(self, other: "Comparison") -> None:
        """Count what another comparison counted, of contracts that come after these."""
        for key, (before, after) in other.sums.items():
            known = self.sums.get(key, (ZERO, ZERO))
            self.sums[key] = (EXACT.add(known[0], before), EXACT.add(known[1], after))
        for entries in other.largest.values():
            for size, at, line in entries:
                self._push((size, at - self.lines, line))
        self.refused += other.refused
        self.contracts += other.contracts
        self.changed += other.changed
        self.lines += other.lines

    def report(self, *, month: str, as_if_in_force: bool) -> Report:
        """Return what was added up."""
        return Report(
            month=month,
            as_if_in_force=as_if_in_force,
            customers=len({customer for customer, _ in self.sums}),
            contracts=self.contracts,
            contracts_changed=self.changed,
            lines=self.lines,
            totals=tuple(self._totals()),
            top=tuple(self._ranked()),
            not_rated=tuple(self.refused),
        )

    def _push(self, entry: tuple[Decimal, int, Line]) -> None:
        # Of equal differences the first stays, in the order in which contracts are rated.
        largest = self.largest.setdefault(entry[2].currency, [])
        if len(largest) < self._top:
            heappush(largest, entry)
        elif largest:
            heappushpop(largest, entry)

    def _ranked(self) -> Iterator[Line]:
        for currency in sorted(self.largest):
            ranked = sorted(self.largest[currency], key=lambda one: (-one[0], -one[1]))
            yield from (line for _, _, line in ranked)

    def _totals(self) -> Iterator[Total]:
        for currency in sorted({currency for _, currency in self.sums}):
            found = [sums for (_, of), sums in self.sums.items() if of == currency]
            differences = [EXACT.subtract(after, before) for before, after in found]
            before, after = total(one for one, _ in found), total(one for _, one in found)
            yield Total(
                currency=currency,
                before=before,
                after=after,
                difference=EXACT.subtract(after, before),
                winners=_side([one for one in differences if one < ZERO]),
                losers=_side([one for one in differences if one > ZERO]),
                unchanged_customers=sum(one == ZERO for one in differences),
            )


def compared(before: Iterable[RatedCharge], after: Iterable[RatedCharge]) -> list[Line]:
    """Return a line for each product, kind and currency of a contract, in that order."""
    left, right = _by_line(before), _by_line(after)
    keys = sorted(left.keys() | right.keys())
    return [_line(key, left.get(key, ()), right.get(key, ())) for key in keys]


def not_rated(
    customer_id: str, present: Iterable[Refusal], other: Iterable[Refusal]
) -> Iterator[NotRated]:
    """Yield what a contract cannot be rated for, each cause once."""
    sides: dict[tuple[str, str, str, str], list[str]] = {}
    for terms, refusals in (("present", present), ("other", other)):
        for refusal in refusals:
            failure = refusal.failure
            cause = (refusal.contract_id, refusal.product_id, failure.code, failure.message)
            sides.setdefault(cause, []).append(terms)
    for (contract_id, product_id, code, message), found in sides.items():
        terms = "both" if len(set(found)) > 1 else found[0]
        yield NotRated(customer_id, contract_id, product_id, terms, code, message)


_Key = tuple[str, str, str, str, str]


def _by_line(charges: Iterable[RatedCharge]) -> dict[_Key, list[RatedCharge]]:
    found: dict[_Key, list[RatedCharge]] = {}
    for rated in charges:
        one = rated.charge
        key = (one.customer_id, one.contract_id, one.product_id, one.kind, one.amount.currency)
        found.setdefault(key, []).append(rated)
    return found


def _line(key: _Key, before: Sequence[RatedCharge], after: Sequence[RatedCharge]) -> Line:
    amount_before, quantity_before, working_before = _whole(before)
    amount_after, quantity_after, working_after = _whole(after)
    return Line(
        *key,
        quantity_before=quantity_before,
        quantity_after=quantity_after,
        before=amount_before,
        after=amount_after,
        difference=EXACT.subtract(amount_after, amount_before),
        working_before=working_before,
        working_after=working_after,
    )


def _whole(rated: Sequence[RatedCharge]) -> tuple[Decimal, Decimal, tuple[ChargePart, ...]]:
    """Return the amount, the quantity and the working of the charges of one line together."""
    if len(rated) == 1:
        charge = rated[0].charge
        return charge.amount.value, charge.quantity, charge.parts
    return (
        total(one.charge.amount.value for one in rated),
        total(one.charge.quantity for one in rated),
        tuple(part for one in rated for part in one.charge.parts),
    )


def _side(differences: list[Decimal]) -> Side:
    return Side(len(differences), total(differences))
