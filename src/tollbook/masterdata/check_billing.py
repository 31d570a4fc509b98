"""Checks of billing calendars and proration policies, and the reading of one on its own."""

from collections.abc import Iterator
from datetime import date
from typing import Final

from tollbook.masterdata.alone import read_sound
from tollbook.masterdata.problems import Finding, Path
from tollbook.records.commercial import Contract
from tollbook.values.calendar import BillingCalendar, calendar_problems
from tollbook.values.proration import Proration, proration_problems

# Of these, several end in one month, whose document they share.
_SHORT: Final = frozenset({"day", "week"})


def billing_of(written: object) -> BillingCalendar:
    """Read a calendar as production reads a contract's `billing`; Rejected `masterdata.billing`."""
    return read_sound(
        BillingCalendar,
        written,
        "billing",
        lambda calendar: [message for _, message in calendar_problems(calendar)],
        code="masterdata.billing",
        name="billing calendar",
    )


def proration_of(written: object) -> Proration:
    """Read a policy as production reads a contract's; Rejected `masterdata.proration`."""
    return read_sound(
        Proration,
        written,
        "proration",
        lambda policy: [message for _, message in proration_problems(policy)],
        code="masterdata.proration",
        name="proration",
    )


def check_billing(contract: Contract) -> Iterator[Finding]:
    """Check the billing calendar of a contract and how it prorates."""
    if contract.billing is not None:
        for name, message in calendar_problems(contract.billing):
            yield Finding("billing", message, ("billing", name))
        yield from _listed_days(contract)
        yield from _other_periods(contract)
    if contract.proration is not None:
        path: Path = ("proration",)
        for name, message in proration_problems(contract.proration):
            yield Finding("proration", message, (*path, name))


def _listed_days(contract: Contract) -> Iterator[Finding]:
    """Yield a finding when listed periods leave days of the contract without one."""
    assert contract.billing is not None
    days = contract.billing.days
    if contract.billing.every != "custom" or not days:
        return
    until: date | None = contract.effective_until
    if days[0] > contract.effective_from or until is None or days[-1] < until:
        message = (
            f"the listed days, {days[0]} to {days[-1]}, must cover the contract, "
            f"{contract.effective_from} to {until or 'no end'}: list more of them."
        )
        yield Finding("billing", message, ("billing", "days"))


def _other_periods(contract: Contract) -> Iterator[Finding]:
    """Yield a finding for what counts in months beside billing periods that are something else."""
    assert contract.billing is not None
    for at, item in enumerate(contract.items):
        if item.interval_months != 1:
            message = (
                "with `billing`, a fee is for one billing period: leave out interval_months, and "
                "state longer periods there, such as every: year."
            )
            yield Finding("billing", message, ("items", at, "interval_months"))
    is_month = contract.billing.every == "month" and contract.billing.count == 1
    if contract.commitment is not None and not is_month:
        message = "a commitment is held against months: its contract is billed by the month."
        yield Finding("billing", message, ("billing", "every"))
    is_short = contract.billing.every in _SHORT
    for at, rule in enumerate(contract.adjustments):
        if is_short and rule.kind != "discount":
            message = (
                f"{rule.adjustment_id} is held against months, and these billing periods are "
                "shorter: bill by the month, or leave it out."
            )
            yield Finding("billing", message, ("adjustments", at))
