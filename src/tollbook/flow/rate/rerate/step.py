"""Rate a month's stored usage on the present terms and on others, and book nothing."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.meter.progress.store import summarized_through
from tollbook.flow.meter.store import count_windows, stream_usages, usages_of_windows
from tollbook.flow.meter.window import Window, usage_of, windows
from tollbook.flow.rate import store as charges
from tollbook.flow.rate.detail.need import needs
from tollbook.flow.rate.detail.store import known_of
from tollbook.flow.rate.items import UsageKey
from tollbook.flow.rate.rerate.compare import (
    TOP_DEFAULT,
    Comparison,
    Line,
    Report,
    compared,
    not_rated,
)
from tollbook.flow.rate.truth import Elsewhere, Truth, contract_truth, year_spans
from tollbook.ledger.credit_store import balances_without, commands
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.overlay import laid_over, reaches, with_contracts
from tollbook.masterdata.plan import Change
from tollbook.records.commercial import Contract
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.codec import to_json
from tollbook.values.period import Month

# What of master data a month's amounts rest on, beside the contracts themselves.
_TERMS: Final = ("entity", "meter", "price_book", "product")

Usages = Mapping[UsageKey, MeteredUsage]


@dataclass(frozen=True, slots=True)
class Question:
    """Which month and customers (all, when none is named) to rate on other terms.

    `as_if_in_force` lets versions that start later count from the beginning of the month's billing
    periods.
    """

    month: Month
    customers: frozenset[str] = frozenset()
    as_if_in_force: bool = False
    top: int = TOP_DEFAULT


@dataclass(frozen=True, slots=True)
class Answer:
    """What re-rating found.

    `inputs_hash` is of everything it rests on: the same hash, the same amounts. `is_whole` says
    that no contract the other terms may reach was left out. `counted` are usages that were not
    stored under the other terms and were counted for the answer.
    """

    report: Report
    inputs_hash: str
    is_whole: bool
    counted: tuple[MeteredUsage, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """What every part of a re-rating stands on: both master data, and what other months mean.

    `contracts` are contract -> customer, in order; `reached` are those that may come to another
    amount.
    """

    question: Question
    catalog: Catalog
    other: Catalog
    changes: tuple[Change, ...]
    contracts: Mapping[str, str]
    reached: frozenset[str]
    elsewhere: Elsewhere

    @property
    def changed(self) -> frozenset[tuple[str, str]]:
        """The (kind, key) of every record that changes."""
        return frozenset((one.version.kind, one.version.key) for one in self.changes)


@dataclass(frozen=True, slots=True)
class Part:
    """What some contracts come to, and a digest for each of what it rests on."""

    comparison: Comparison
    digests: bytes
    counted: tuple[MeteredUsage, ...]


@dataclass(slots=True)
class _Inputs:
    """What an answer rests on, hashed as it is read."""

    hashed: hashlib.blake2b = field(default_factory=lambda: hashlib.blake2b(digest_size=32))

    def add(self, *parts: str) -> None:
        self.hashed.update("".join([f"{len(part)}\x1f{part}" for part in parts]).encode())

    def add_versions(self, catalog: Catalog, key: tuple[str, str]) -> None:
        for version in catalog.versions.get(key, ()):
            self.add(*key, str(version.version), version.content_hash)


def rerate(
    connection: Connection,
    question: Question,
    *,
    catalog: Catalog,
    changes: Iterable[Change],
    on_line: Callable[[Line], None] | None = None,
) -> Answer:
    """Rate a month on the present terms and with a plan's versions laid over them.

    The plan must have no problems. `on_line` gets every line, by contract, as it is compared.
    Rejected `rerate.unknown_customer`.
    """
    ground = ground_of(connection, question, catalog=catalog, changes=changes)
    part = rate_part(connection, ground, list(ground.contracts), on_line=on_line)
    return answer_of(ground, [part])


def ground_of(
    connection: Connection, question: Question, *, catalog: Catalog, changes: Iterable[Change]
) -> Ground:
    """Read and work out what is the same for every contract. Rejected as `rerate`."""
    changes = tuple(changes)
    since = _first_day(catalog, question.month) if question.as_if_in_force else None
    other = laid_over(catalog, changes, since=since)
    changed = frozenset((one.version.kind, one.version.key) for one in changes)
    contracts = _contracts(other, question.customers)
    _require_known(question, contracts)
    return Ground(
        question,
        catalog,
        other,
        changes,
        contracts,
        frozenset(one for one in other.keys("contract") if reaches(other, one, changed)),
        _elsewhere(connection, question.month, catalog, other),
    )


def rate_part(
    connection: Connection,
    ground: Ground,
    contract_ids: Sequence[str],
    *,
    on_line: Callable[[Line], None] | None = None,
) -> Part:
    """Rate some contracts, in order, on both terms."""
    month = ground.question.month
    again = _counted(connection, ground, contract_ids)
    counted = tuple(one for usages in again.values() for one in usages.values())
    present = _with_known(connection, ground, ground.catalog, contract_ids, ())
    other = _with_known(connection, ground, ground.other, contract_ids, counted)
    inputs = _inputs_by_contract(present, other)
    found = Comparison(top=ground.question.top)
    digests = []
    stored = _by_contract(stream_usages(connection, month, contract_ids), contract_ids)
    for contract_id, usages in stored:
        fresh = again.get(contract_id, {})
        rests_on = [*usages.values(), *fresh.values()]
        digests.append(_digest(ground, contract_id, rests_on, inputs.get(contract_id, ())))
        before = after = contract_truth(ground.catalog, month, contract_id, usages, present)
        is_reached = contract_id in ground.reached
        if is_reached:
            mine = {**usages, **fresh}
            after = contract_truth(ground.other, month, contract_id, mine, other)
        customer_id = ground.contracts[contract_id]
        lines = _compare(found, customer_id, before, after, may_change=is_reached)
        if on_line is not None:
            for line in lines:
                on_line(line)
    return Part(found, b"".join(digests), counted)


def answer_of(ground: Ground, parts: Sequence[Part]) -> Answer:
    """Put the parts together, in order; however contracts were divided, the answer is the same."""
    question = ground.question
    inputs = _Inputs()
    _hash_terms(inputs, question, ground.catalog, ground.changes)
    found = Comparison(top=question.top)
    for part in parts:
        inputs.hashed.update(part.digests)
        found.merge(part.comparison)
    return Answer(
        report=found.report(month=str(question.month), as_if_in_force=question.as_if_in_force),
        inputs_hash=inputs.hashed.hexdigest(),
        is_whole=ground.reached <= ground.contracts.keys(),
        counted=tuple(one for part in parts for one in part.counted),
    )


def _digest(
    ground: Ground, contract_id: str, usages: Iterable[MeteredUsage], more: Iterable[object]
) -> bytes:
    inputs = _Inputs()
    inputs.add_versions(ground.catalog, ("contract", contract_id))
    inputs.add(*(one.usage_id for one in usages))
    inputs.add(*(to_json(one).decode() for one in more))
    return inputs.hashed.digest()


def _inputs_by_contract(present: Elsewhere, other: Elsewhere) -> dict[str, list[object]]:
    """Return what contracts rest on beside usage and terms; few rest on any of it."""
    found: dict[str, list[object]] = {}
    decided: tuple[Mapping[str, object], ...] = (
        present.credit_balances,
        present.credit_commands,
        present.discounts_given,
        present.used_before,
    )
    for each in decided:
        for contract_id in sorted(each):
            found.setdefault(contract_id, []).append(each[contract_id])
    for known in (present.known_uses, other.known_uses):
        for key in sorted(known):
            found.setdefault(key[0], []).append((key[1], key[2], known[key]))
    return found


def _compare(
    found: Comparison,
    customer_id: str,
    before: Truth,
    after: Truth,
    *,
    may_change: bool,
) -> list[Line]:
    if before.refusals or after.refusals:
        found.refuse(not_rated(customer_id, before.refusals, after.refusals))
        return []
    lines = compared(before.charges.values(), after.charges.values())
    if lines:
        found.add(lines, may_change=may_change)
    return lines


def _contracts(catalog: Catalog, customers: frozenset[str]) -> dict[str, str]:
    """Return contract -> customer for the contracts of some customers, or of all, in order."""
    found: dict[str, str] = {}
    for contract_id in catalog.keys("contract"):
        contract = catalog.versions["contract", contract_id][-1].record
        assert isinstance(contract, Contract)
        if not customers or contract.customer_id in customers:
            found[contract_id] = contract.customer_id
    return found


def _require_known(question: Question, wanted: Mapping[str, str]) -> None:
    unknown = sorted(question.customers.difference(wanted.values()))
    if unknown:
        raise Rejected(
            "rerate.unknown_customer",
            f"{', '.join(unknown)}: no contract is made with such a customer.",
        )


def _first_day(catalog: Catalog, month: Month) -> date:
    """Return the first day of the billing periods that end in a month."""
    if not catalog.states_billing:
        return month.first
    return min([month.first, *(start for _, start, _ in catalog.contract_segments(month))])


def _hash_terms(
    inputs: _Inputs, question: Question, catalog: Catalog, changes: Iterable[Change]
) -> None:
    inputs.add(str(question.month), str(question.as_if_in_force), *sorted(question.customers))
    for key in sorted(key for key in catalog.versions if key[0] in _TERMS):
        inputs.add_versions(catalog, key)
    for change in changes:
        one = change.version
        inputs.add("laid over", one.kind, one.key, str(one.version), one.content_hash)
        inputs.add(one.effective_from.isoformat())


def _elsewhere(connection: Connection, month: Month, catalog: Catalog, other: Catalog) -> Elsewhere:
    """Return what other months and people decided; what prices look at more is known by part."""
    spans = year_spans(catalog, month) | year_spans(other, month)
    return Elsewhere(
        credit_balances=balances_without(connection, month),
        credit_commands=commands(connection),
        discounts_given=charges.discounts_given(connection, month),
        used_before=charges.used_before(connection, spans, month),
    )


def _with_known(
    connection: Connection,
    ground: Ground,
    catalog: Catalog,
    contract_ids: Iterable[str],
    counted: Iterable[MeteredUsage],
) -> Elsewhere:
    """Add what the prices of some contracts look at beyond quantities; nearly always nothing."""
    month, mine = ground.question.month, with_contracts(catalog, contract_ids)
    keys = sorted(need.key for need in needs(mine, month))
    usages = {_key(one): one for one in usages_of_windows(connection, keys)}
    usages |= {_key(one): one for one in counted}
    known = known_of(connection, mine, month, usages.values()) if keys else {}
    return replace(ground.elsewhere, known_uses=known)


def _key(usage: MeteredUsage) -> UsageKey:
    return usage.contract_id, usage.product_id, usage.period


def _counted(
    connection: Connection, ground: Ground, contract_ids: Iterable[str]
) -> dict[str, dict[UsageKey, MeteredUsage]]:
    """Return usage that the other terms look at and the present ones do not, counted now.

    Prices look at what is stored; a contract, a product or a meter may ask for other windows.
    """
    if all(kind == "price_book" for kind, _ in ground.changed):
        return {}
    month = ground.question.month
    ids = [contract_id for contract_id in contract_ids if contract_id in ground.reached]
    asked = {one.key: one for one in windows(with_contracts(ground.catalog, ids), month)}
    wanted = windows(with_contracts(ground.other, ids), month)
    fresh = [one for one in wanted if not _asks_the_same(asked.get(one.key), one)]
    found: dict[str, dict[UsageKey, MeteredUsage]] = {}
    through = summarized_through(connection)
    for window, counted in zip(fresh, count_windows(connection, fresh), strict=True):
        usage = usage_of(window, counted, through_receipt=through)
        found.setdefault(usage.contract_id, {})[window.key] = usage
    return found


def _asks_the_same(present: Window | None, other: Window) -> bool:
    return present is not None and (present.asked, present.zone) == (other.asked, other.zone)


def _by_contract(
    usages: Iterator[MeteredUsage], contract_ids: Iterable[str]
) -> Iterator[tuple[str, Usages]]:
    """Yield every contract with its usages, none for some; both come in order of contract."""
    grouped = groupby(usages, key=lambda usage: usage.contract_id)
    of, mine = next(grouped, ("", iter(())))
    for contract_id in contract_ids:
        found: Usages = {}
        if of == contract_id:
            found = {_key(one): one for one in mine}
            of, mine = next(grouped, ("", iter(())))
        yield contract_id, found
