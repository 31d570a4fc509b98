"""What a month would come to on other terms; and, once another person approves, those terms."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.meter.step import meter
from tollbook.flow.meter.store import latest_usages, usages_by_id
from tollbook.flow.rate import store as charges
from tollbook.flow.rate.rerate import store
from tollbook.flow.rate.rerate.compare import Line
from tollbook.flow.rate.rerate.step import (
    Answer,
    Part,
    Question,
    answer_of,
    ground_of,
    rate_part,
    rerate,
)
from tollbook.flow.rate.rerate.store import RerateRun
from tollbook.flow.rate.step import Rated, rate
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.documents import SECTIONS, Wanted, documents_to_versions, to_versions
from tollbook.masterdata.files import read_directory
from tollbook.masterdata.plan import Change, Plan, plan
from tollbook.masterdata.step import Applied
from tollbook.masterdata.store import load_catalog
from tollbook.records.usage import MeteredUsage
from tollbook.runtime.apply import apply_master_data
from tollbook.storage.database import Connection, Database, export_snapshot, see_snapshot
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.codec import to_builtins
from tollbook.values.ids import derive
from tollbook.values.period import Month

# With fewer contracts, starting a process takes longer than what it would save.
APART_MIN: Final = 4_000

_SECTION_OF: Final = {kind: section for section, kind in SECTIONS.items()}


@dataclass(frozen=True, slots=True)
class Terms:
    """Master data as it is, and a plan of other terms made against it."""

    catalog: Catalog
    planned: Plan


@dataclass(frozen=True, slots=True)
class Approved:
    """What approving a run did: the versions it stored and the charges they led to."""

    run_id: str
    applied: Applied
    rated: Rated


def read_terms(file: Path) -> Wanted:
    """Read terms from a YAML file or a directory; what is wrong is among its problems."""
    reading = read_directory(file)
    return to_versions(reading.documents, reading.problems)


def plan_terms(connection: Connection, wanted: Wanted, *, at: datetime) -> Terms:
    """Compare terms with the stored master data, as `tollbook apply` does; nothing is stored."""
    catalog = load_catalog(connection, known_at=at)
    return Terms(catalog, plan(catalog, wanted, at=at))


def what_if(
    connection: Connection,
    terms: Terms,
    question: Question,
    *,
    on_line: Callable[[Line], None] | None = None,
    database: Database | None = None,
    apart_min: int = APART_MIN,
) -> Answer:
    """Rate a month on the present terms and on others. Rejected when the plan has problems.

    With the `database` of the connection, a second process rates half of `apart_min` contracts or
    more. It sees what is committed, so the transaction must have changed nothing.
    """
    if terms.planned.problems:
        raise Rejected(
            "masterdata.plan_has_problems",
            f"Nothing was rated: {len(terms.planned.problems)} problems must be corrected first.",
        )
    catalog, changes = terms.catalog, terms.planned.changes
    if database is None or on_line is not None:
        return rerate(connection, question, catalog=catalog, changes=changes, on_line=on_line)
    ground = ground_of(connection, question, catalog=catalog, changes=changes)
    contracts = list(ground.contracts)
    if len(contracts) < apart_min:
        return answer_of(ground, [rate_part(connection, ground, contracts)])
    # The other process has to start and to read master data first, so it gets the smaller half.
    middle = len(contracts) * 11 // 20
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        snapshot = export_snapshot(connection)
        job = _Job(database.dsn, database.session, snapshot, catalog.known_at, changes, question)
        rest = pool.submit(_rate_apart, job, contracts[middle:])
        first = rate_part(connection, ground, contracts[:middle])
        return answer_of(ground, [first, rest.result()])


@dataclass(frozen=True, slots=True)
class _Job:
    """What another process needs to see the same and do its part."""

    dsn: str
    session: Mapping[str, str]
    snapshot: str
    known_at: datetime
    changes: tuple[Change, ...]
    question: Question


def _rate_apart(job: _Job, contract_ids: list[str]) -> Part:
    """Rate some contracts in this process, as the transaction sees them that exported a snapshot."""
    database = Database(job.dsn, size=1, session=job.session)
    try:
        with database.transaction() as connection:
            see_snapshot(connection, job.snapshot)
            catalog = load_catalog(connection, known_at=job.known_at)
            ground = ground_of(connection, job.question, catalog=catalog, changes=job.changes)
            return rate_part(connection, ground, contract_ids)
    finally:
        database.close()


def save(
    connection: Connection,
    terms: Terms,
    question: Question,
    answer: Answer,
    *,
    by: str,
    reason: str,
    at: datetime,
) -> RerateRun:
    """Keep an answer, so that another person can approve it. The same answer is kept once."""
    run = RerateRun(
        run_id=derive("rer", answer.inputs_hash, by),
        service_month=str(question.month),
        customers=sorted(question.customers),
        as_if_in_force=question.as_if_in_force,
        is_whole=answer.is_whole,
        inputs_hash=answer.inputs_hash,
        documents=_sections(terms.planned.wanted),
        report=to_builtins(answer.report),
        author=by,
        reason=reason,
        saved_at=at,
    )
    store.insert_run(connection, run)
    audit.record(
        connection, at=at, actor=by, action="rerate.save", object_id=run.run_id, reason=reason
    )
    return find(connection, run.run_id)


def find(connection: Connection, run_id: str) -> RerateRun:
    """Return a saved run; Rejected `rerate.no_such_run`."""
    run = store.find_run(connection, run_id)
    if run is None:
        raise Rejected(
            "rerate.no_such_run",
            f"There is no saved re-rating {run_id}: `tollbook rerate list` shows them.",
        )
    return run


def approve(connection: Connection, run_id: str, *, by: str, reason: str, at: datetime) -> Approved:
    """Apply the terms of a run with their own effective dates, and rate its month again.

    What was billed stays; the differences become charges that correct it. All in one transaction.
    Rejected `rerate.no_such_run`, `rerate.same_person`, `rerate.already_approved`,
    `rerate.only_a_question`, `rerate.not_whole`, `rerate.facts_changed`.
    """
    run = find(connection, run_id)
    _require_approvable(run, by)
    if run.documents.keys() - {"price_books"}:
        # Other windows may have to be counted: in the order in which a month's run takes its locks.
        hold_lock(connection, Lock.SUMMARIZE)
    charges.lock(connection)
    month = Month.parse(run.service_month)
    terms = plan_terms(connection, documents_to_versions(run.documents), at=at)
    question = Question(month, frozenset(run.customers), run.as_if_in_force)
    answer = None if terms.planned.problems else what_if(connection, terms, question)
    if answer is None or answer.inputs_hash != run.inputs_hash:
        raise _changed(run)
    why = f"re-rating {run.run_id} of {run.author}: {reason}"
    applied = apply_master_data(connection, terms.planned, by=by, reason=why, at=at)
    catalog = load_catalog(connection, known_at=at)
    if any(kind != "price_book" for kind in applied.changed_kinds):
        known = [*latest_usages(connection, month), *answer.counted]
        metered = meter(connection, catalog=catalog, month=month, at=at)
        _require_as_known(run, known, usages_by_id(connection, metered.written))
    rated = rate(connection, catalog=catalog, month=month, at=at)
    store.insert_approval(connection, run_id, by=by, reason=reason, at=at)
    audit.record(
        connection, at=at, actor=by, action="rerate.approve", object_id=run_id, reason=reason
    )
    return Approved(run_id, applied, rated)


def _require_approvable(run: RerateRun, by: str) -> None:
    if run.approver is not None:
        raise Rejected(
            "rerate.already_approved",
            f"{run.run_id} was approved by {run.approver}: there is nothing left to do.",
        )
    if run.author == by:
        raise Rejected(
            "rerate.same_person", f"{by} saved {run.run_id}: another person approves it."
        )
    if run.as_if_in_force:
        raise Rejected(
            "rerate.only_a_question",
            f"{run.run_id} moved the terms to the start of {run.service_month}, where they are not "
            "in force: write that effective_from, rate again without --as-if-in-force and save.",
        )
    if not run.is_whole:
        raise Rejected(
            "rerate.not_whole",
            f"{run.run_id} is about some customers, and its terms reach others as well: rate all "
            "of them, or write the terms into the contracts of these customers.",
        )


def _require_as_known(
    run: RerateRun, known: Iterable[MeteredUsage], written: Iterable[MeteredUsage]
) -> None:
    """Refuse when metering found usage that the run did not know of, such as late events."""
    latest = {(one.contract_id, one.product_id, one.period): one for one in known}
    for usage in written:
        found = latest.get((usage.contract_id, usage.product_id, usage.period))
        if found is None or (found.quantity, found.digest) != (usage.quantity, usage.digest):
            raise _changed(run)


def _changed(run: RerateRun) -> Rejected:
    return Rejected(
        "rerate.facts_changed",
        f"Usage, prices or contracts changed since {run.run_id} was saved, so its amounts would be "
        "others now: nothing was applied. Rate again, look at the result and save it.",
    )


def _sections(wanted: Wanted) -> dict[str, Any]:
    """Return terms by section, as the API takes them."""
    found: dict[str, list[Any]] = defaultdict(list)
    for document in wanted.documents.values():
        found[_SECTION_OF[document.kind]].append(dict(document.content))
    return dict(to_builtins(found))
