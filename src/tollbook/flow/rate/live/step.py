"""Ask what contracts owe now; look at watched customers, raise what they reached, and decide over it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from tollbook.controls.audit import record
from tollbook.errors import Rejected
from tollbook.flow.meter.current import Asked, day_types
from tollbook.flow.meter.progress import store as progress
from tollbook.flow.meter.store import answer
from tollbook.flow.meter.window import usage_of, windows
from tollbook.flow.rate import store as rate_store
from tollbook.flow.rate.detail.store import known_of
from tollbook.flow.rate.live import store
from tollbook.flow.rate.live.charges import (
    Carried,
    ContractNow,
    Counts,
    Part,
    carries_since,
    contract_now,
    running_month,
    truth_of,
)
from tollbook.flow.rate.live.control import control_of
from tollbook.flow.rate.live.thresholds import event_of, holding
from tollbook.flow.rate.truth import year_spans
from tollbook.flow.rate.working import total
from tollbook.ledger.credit_commands import with_commands
from tollbook.ledger.credit_store import balances_without, commands
from tollbook.masterdata.by_customer import ByCustomer
from tollbook.masterdata.catalog import Catalog
from tollbook.records.alert import (
    CreditControl,
    Override,
    Reason,
    Standing,
    ThresholdReached,
)
from tollbook.records.commercial import Contract
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, try_lock
from tollbook.values.ids import CustomerId
from tollbook.values.period import Month
from tollbook.worklist.holding import Held, hold

# So far back are periods that nobody rated yet looked at for what they take of credits.
OPEN_PERIODS_MAX: Final = 60
# What moves without usage is looked at again: a pace falls, gauges grow, past months are rated.
LOOK_AGAIN: Final = timedelta(minutes=1)
LOOK_SELDOM: Final = timedelta(hours=1)
LOOKED_AT_MAX: Final = 200

KnownOf = Callable[[Connection], ByCustomer]


@dataclass(frozen=True, slots=True)
class CurrentCharges:
    """What a customer owes so far in the billing periods that run, with every event known by now.

    `totals` is what invoices of this moment would come to for this customer, a currency each,
    before tax: contracts that another pays for are shown and not in it. `recount_pending` says that
    days of these periods are being counted again.
    """

    customer_id: CustomerId
    as_of: datetime
    complete_through_receipt: int
    latest_receipt: int
    recount_pending: bool
    contracts: tuple[ContractNow, ...]
    totals: Mapping[str, Decimal]
    credit_balances: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking at watched customers did; `is_behind` when others wait."""

    customers: int = 0
    raised: tuple[ThresholdReached, ...] = ()
    is_behind: bool = False


def current_charges(
    connection: Connection, customer_id: str, *, known: KnownOf, at: datetime
) -> CurrentCharges:
    """Return what a customer owes so far, from the summaries and what they still lack.

    Must be the first thing its transaction does. Rejected `rate.unknown_customer`.
    """
    progress.see_one_moment(connection)
    customers = known(connection)
    require_customer(customers, customer_id)
    ids = customers.contracts_of(customer_id, paid_too=True)
    parts = running_parts(customers, ids, at=at)
    found = contracts_now(connection, customers, ids, at=at)
    totals: dict[str, list[Decimal]] = defaultdict(list)
    left: dict[str, list[Decimal]] = defaultdict(list)
    for one in found:
        if one.bill_to == customer_id:
            totals[one.currency].append(one.total)
        if one.credit_balance is not None and one.customer_id == customer_id:
            left[one.currency].append(one.credit_balance)
    asked = [Asked(window.asked, window.zone) for part in parts for window in part.windows]
    return CurrentCharges(
        customer_id=CustomerId(customer_id),
        as_of=at,
        complete_through_receipt=progress.summarized_through(connection),
        latest_receipt=progress.latest_receipt(connection),
        recount_pending=bool(asked) and progress.recount_waits(connection, *day_types(asked)),
        contracts=tuple(found),
        totals={currency: total(amounts) for currency, amounts in sorted(totals.items())},
        credit_balances={currency: total(amounts) for currency, amounts in sorted(left.items())},
    )


def require_customer(customers: ByCustomer, customer_id: str) -> None:
    """Refuse a customer that nobody knows."""
    if not customers.knows(customer_id):
        raise Rejected("rate.unknown_customer", f"There is no customer {customer_id}.")


def contracts_now(
    connection: Connection, customers: ByCustomer, contract_ids: Sequence[str], *, at: datetime
) -> list[ContractNow]:
    """Return what contracts owe so far, in order; those not in force now are left out.

    Reads all of them together: the number of statements does not depend on how many there are.
    """
    running = running_parts(customers, contract_ids, at=at)
    earlier = _open_parts(connection, running)
    parts = [part for mine in earlier.values() for part in mine] + running
    counted = _counted(connection, parts, at=at)
    carried = _carried(connection, running, earlier)
    found = []
    for part in running:
        key = part.contract.contract_id
        known = carried[key]
        for before in earlier.get(key, ()):
            truth = truth_of(before, _counts(connection, before, counted), known)
            year = year_spans(part.catalog, part.month).get(key)
            is_of_year = year is not None and before.month >= year
            currency = part.contract.currency
            known = known.plus(truth, currency=currency, with_usage=is_of_year)
        now = contract_now(part, _counts(connection, part, counted), known, at=at)
        if now is not None:
            found.append(now)
    return found


def running_parts(
    customers: ByCustomer, contract_ids: Sequence[str], *, at: datetime
) -> list[Part]:
    """Return contracts with the billing period that runs, what is counted in it, and no more."""
    found = []
    for contract_id in contract_ids:
        catalog = customers.part([contract_id])
        contract = _in_force(catalog, contract_id, at)
        month = running_month(catalog, contract, at)
        found.append(Part(contract, catalog, month, tuple(windows(catalog, month))))
    return found


def look(connection: Connection, *, known: KnownOf, at: datetime) -> Looked:
    """Look at watched customers whose usage or terms changed; raise each threshold reached, once.

    Must be the first thing its transaction does. Does nothing while another looks: it takes turns,
    and the database keeps an event from being raised twice whoever looks.
    """
    progress.see_one_moment(connection)
    if not try_lock(connection, Lock.WATCH_CUSTOMERS):
        return Looked()
    customers = known(connection)
    waiting = store.due(connection, at=at, limit=LOOKED_AT_MAX)
    ids = [key for one in waiting for key in customers.contracts_of(one.customer_id)]
    by_customer: dict[str, list[ContractNow]] = defaultdict(list)
    for now in contracts_now(connection, customers, ids, at=at):
        by_customer[now.customer_id].append(now)
    through = progress.latest_receipt(connection)
    raised: list[ThresholdReached] = []
    for one in waiting:
        mine = by_customer[one.customer_id]
        reasons = {
            now.contract_id: holding(_in_force(customers.catalog, now.contract_id, at), now)
            for now in mine
        }
        events = [
            event_of(reason, now, at=at, through=through)
            for now in mine
            for reason in reasons[now.contract_id]
        ]
        raised += store.raise_events(connection, events)
        said = tuple(reason for found in reasons.values() for reason in found)
        _settle(connection, customers, one, mine, said, at=at)
    return Looked(len(waiting), tuple(raised), is_behind=len(waiting) == LOOKED_AT_MAX)


def watch_customers(connection: Connection, customers: ByCustomer) -> None:
    """Watch exactly the customers whose contracts have alerts or prepaid credits."""
    wanted = [
        store.Watching(key, customers.contracts_of(key), customers.basis_of(key))
        for key in customers.watched
    ]
    store.watch(connection, wanted)


def credit_control(
    connection: Connection, customer_id: str, *, known: KnownOf, at: datetime
) -> CreditControl:
    """Return whether a customer may go on, and why; Rejected `rate.unknown_customer`."""
    require_customer(known(connection), customer_id)
    standing, override = store.standings(connection, [customer_id])[customer_id]
    return control_of(CustomerId(customer_id), standing, override, at=at)


def credit_controls(connection: Connection, *, at: datetime) -> list[CreditControl]:
    """Return the state of every customer that is watched or that a person decided over."""
    ids = sorted({*store.looked_at(connection), *store.decided_over(connection)})
    found = store.standings(connection, ids)
    return [control_of(CustomerId(key), *found[key], at=at) for key in ids]


def alerts_page(
    connection: Connection, *, customer_id: str | None, cursor: str, limit: int
) -> tuple[list[ThresholdReached], str | None]:
    """Return events in the order in which they were raised, and the cursor of the next page."""
    if cursor and not (cursor.isdecimal() and cursor.isascii()):
        raise Rejected("rate.unknown_cursor", "Give the `next` of the page before as the cursor.")
    after = int(cursor or 0)
    rows = store.list_events(connection, customer_id=customer_id, after=after, limit=limit + 1)
    shown = rows[:limit]
    following = str(shown[-1][0]) if len(rows) > limit else None
    return [event for _, event in shown], following


def decide(  # noqa: PLR0913 - a decision has this many facts, each named by its caller
    connection: Connection,
    customer_id: str,
    mode: Literal["block", "release"],
    *,
    known: KnownOf,
    by: str,
    reason: str,
    at: datetime,
    until: datetime | None = None,
) -> CreditControl:
    """Block a customer, or release it from a block or from its thresholds; audited.

    A release over thresholds ends with the billing period that runs, when no other end is said.
    """
    if not reason.strip():
        raise Rejected("rate.reason_missing", "Say why: the reason goes into the audit trail.")
    if until is not None and until <= at:
        raise Rejected("rate.until_past", f"{until} is past: give an end that is still to come.")
    before = credit_control(connection, customer_id, known=known, at=at)
    standing, _ = store.standings(connection, [customer_id])[customer_id]
    if mode == "release" and until is None and standing is not None and standing.ends_at > at:
        until = standing.ends_at
    decision = Override(CustomerId(customer_id), mode, by, reason, at, until)
    store.put_override(connection, decision)
    after = control_of(CustomerId(customer_id), standing, decision, at=at)
    record(
        connection,
        at=at,
        actor=by,
        action=f"rate.credit_{mode}",
        object_id=customer_id,
        reason=reason,
        before=before.state,
        after=after.state,
    )
    if mode == "release":
        hold(connection, [], scope=_scope(customer_id), at=at)
    return after


def _settle(
    connection: Connection,
    customers: ByCustomer,
    due: store.Due,
    mine: Sequence[ContractNow],
    reasons: tuple[Reason, ...],
    *,
    at: datetime,
) -> None:
    """Store what was found, and have finance know of a customer that is blocked by it."""
    ends_at = min((now.ends_at for now in mine), default=at + LOOK_SELDOM)
    standing = Standing(
        customer_id=CustomerId(due.customer_id),
        reasons=reasons,
        balances={
            now.contract_id: now.credit_balance for now in mine if now.credit_balance is not None
        },
        as_of=at,
        ends_at=ends_at,
    )
    terms = [_in_force(customers.catalog, now.contract_id, at) for now in mine]
    moves = any(alert.watches == "projection" for one in terms for alert in one.alerts)
    again = at + (LOOK_AGAIN if moves or customers.has_gauges else LOOK_SELDOM)
    store.put_standing(connection, standing, due, due_at=min(ends_at, again))
    _, override = store.standings(connection, [due.customer_id])[due.customer_id]
    control = control_of(standing.customer_id, standing, override, at=at)
    is_stopped = control.state == "blocked" or control.blocked_products
    blocking = [reason for reason in reasons if reason.action == "block"] if is_stopped else []
    hold(
        connection,
        [_held(due.customer_id, reason) for reason in blocking],
        scope=_scope(due.customer_id),
        at=at,
    )


def _scope(customer_id: str) -> str:
    return f"rate:credit:{customer_id}:"


def _held(customer_id: str, reason: Reason) -> Held:
    what = f"product {reason.product_id} of customer" if reason.product_id else "customer"
    return Held(
        code="rate.credit_blocked",
        cause=f"{customer_id}|{reason.contract_id}|{reason.alert_id}",
        message=f"The threshold {reason.alert_id} ({reason.watches}) of contract "
        f"{reason.contract_id} is reached, so {what} {customer_id} is blocked.",
        object_id=f"{_scope(customer_id)}{reason.contract_id}:{reason.alert_id}",
    )


def _in_force(catalog: Catalog, contract_id: str, at: datetime) -> Contract:
    """Return the version in force now; before a contract begins, its last one."""
    found = catalog.contract(contract_id, at.date()) or catalog.contract(contract_id, date.max)
    assert found is not None, "a contract is in force at the end of time"
    return found


def _open_parts(connection: Connection, running: Sequence[Part]) -> dict[str, list[Part]]:
    """Return the earlier periods that nobody rated, for contracts to which they mean something."""
    ordered = commands(connection)
    since: dict[str, Month] = {}
    for part in running:
        key = part.contract.contract_id
        known = replace(part, contract=with_commands(part.contract, ordered.get(key, ())))
        first = carries_since(known)
        if first is not None:
            since[key] = first
    charged = store.last_charged(connection, list(since)) if since else {}
    found: dict[str, list[Part]] = {}
    for part in running:
        key = part.contract.contract_id
        if key not in since:
            continue
        month, last = part.month.plus(-1), charged.get(key)
        mine: list[Part] = []
        while month >= since[key] and (last is None or month > last):
            if len(mine) == OPEN_PERIODS_MAX:
                break
            mine.append(replace(part, month=month, windows=tuple(windows(part.catalog, month))))
            month = month.plus(-1)
        found[key] = mine[::-1]
    return found


def _counted(
    connection: Connection, parts: Sequence[Part], *, at: datetime
) -> dict[tuple[str, Month], list[MeteredUsage]]:
    wanted = [(part, window) for part in parts for window in part.windows]
    through = progress.latest_receipt(connection)
    found: dict[tuple[str, Month], list[MeteredUsage]] = defaultdict(list)
    answers = answer(connection, [window.asked for _, window in wanted], with_deltas=True, until=at)
    for (part, window), groups in zip(wanted, answers, strict=True):
        if () in groups:
            usage = usage_of(window, groups[()], through_receipt=through)
            found[part.contract.contract_id, part.month].append(usage)
    return found


def _counts(
    connection: Connection,
    part: Part,
    counted: Mapping[tuple[str, Month], Sequence[MeteredUsage]],
) -> Counts:
    """Return the usage of a period, with what the few prices ask for that look beyond quantities."""
    usages = counted.get((part.contract.contract_id, part.month), ())
    return Counts(tuple(usages), known_of(connection, part.catalog, part.month, usages))


def _carried(
    connection: Connection, running: Sequence[Part], earlier: Mapping[str, Sequence[Part]]
) -> dict[str, Carried]:
    """Return what rated periods mean for the running one, a contract each."""
    found = {part.contract.contract_id: Carried() for part in running}
    ordered = commands(connection) if earlier else {}
    for month in sorted({part.month for part in running}):
        of_month = {part.contract.contract_id: part for part in running if part.month == month}
        mine = {key: part for key, part in of_month.items() if key in earlier}
        if not mine:
            continue
        since: dict[str, Month] = {}
        for part in mine.values():
            since |= year_spans(part.catalog, month)
        balances = balances_without(connection, month, contracts=list(mine))
        given = rate_store.discounts_given(connection, month, contracts=list(mine))
        used = rate_store.used_before(connection, since, month)
        for key in mine:
            found[key] = Carried(
                balances.get(key, {}), ordered.get(key, ()), given.get(key, {}), used.get(key)
            )
    return found
