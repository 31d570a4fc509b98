"""Versions and plans as JSON shows them, for the API and the command line."""

from datetime import date, timedelta
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.plan import Plan
from tollbook.masterdata.problems import Problem
from tollbook.records.commercial import Contract
from tollbook.values.calendar import Days
from tollbook.values.codec import to_builtins
from tollbook.values.period import Month

YEAR: Final = timedelta(days=365)

# Ten years of days are more than anybody reads.
PERIODS_SPAN_MAX: Final = timedelta(days=3660)


def version_view(version: Version, *, is_whole: bool = False) -> dict[str, Any]:
    """Return what identifies a version; with its record when asked for the whole."""
    shown = {
        "kind": version.kind,
        "key": version.key,
        "version": version.version,
        "effective_from": str(version.effective_from),
        "content_hash": version.content_hash,
    }
    return {**shown, "record": to_builtins(version.record)} if is_whole else shown


def periods_view(
    catalog: Catalog, contract_id: str, since: date, until: date | None
) -> list[dict[str, Any]]:
    """Return the billing periods of a contract that have a day from one until another (excluded).

    A year of them without `until`. Each says which months bill its usage and its fees. Raises
    Rejected `masterdata.unknown`, `masterdata.unclear_days`.
    """
    if ("contract", contract_id) not in catalog.versions:
        raise Rejected("masterdata.unknown", f"There is no contract {contract_id!r}.")
    end = until or min(since, date.max - YEAR) + YEAR
    if not since < end <= since + PERIODS_SPAN_MAX:
        raise Rejected(
            "masterdata.unclear_days",
            f"Ask for billing periods from a day until a later one, at most "
            f"{PERIODS_SPAN_MAX.days} days on.",
        )
    versions = catalog.versions["contract", contract_id]
    contract = versions[-1].record
    assert isinstance(contract, Contract)
    zone = catalog.zone(contract.customer_id, contract)
    return [
        {
            "from": str(period.days.start),
            "until": str(period.days.until),
            "days": len(period.days),
            "whole": period.is_whole,
            "starts_at": to_builtins(instants.start),
            "ends_at": to_builtins(instants.end),
            "usage_billed_with": str(Month.of(period.days.last)),
            "fees_billed_with": str(Month.of(period.days.start)),
        }
        for period in catalog.billing_periods(contract_id, Days(since, end))
        if (instants := period.days.instants(zone)) is not None
    ]


def plan_view(planned: Plan) -> dict[str, Any]:
    """Return what a plan would change, what it leaves, and what is wrong with it."""
    return {
        "changes": [
            {
                "action": change.action,
                **version_view(change.version),
                "place": str(change.place),
                "differences": to_builtins(change.differences),
            }
            for change in planned.changes
        ],
        "unchanged": planned.unchanged,
        "problems": [_problem_view(problem) for problem in planned.problems],
        "warnings": [_problem_view(warning) for warning in planned.warnings],
    }


def _problem_view(problem: Problem) -> dict[str, str]:
    return {"place": str(problem.place), "code": problem.code, "message": problem.message}
