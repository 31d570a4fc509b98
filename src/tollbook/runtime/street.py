"""Run the street for a month: from metered usage to revenue in the ERP, each stage a transaction."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.capture.store import swept_through
from tollbook.flow.capture.sweep.step import Swept, sweep
from tollbook.flow.invoice.step import Approved, approve, draft
from tollbook.flow.invoice.store import list_invoices
from tollbook.flow.meter.step import Summarized, meter, summarize
from tollbook.flow.post.policy import DeliveryPolicy
from tollbook.flow.post.step import enqueue
from tollbook.flow.rate.step import rate
from tollbook.flow.recognize.step import recognize
from tollbook.flow.tax.step import issue
from tollbook.masterdata.catalog import Catalog
from tollbook.runtime.deliver import deliver
from tollbook.sdk.target import Target
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.values.period import Month

# The stages a month run goes through; capture is continuous, reconcile is asked for.
RUN_STAGES: Final = ("meter", "rate", "invoice", "tax", "post", "recognize")

CatalogOf = Callable[[Connection], Catalog]
Step = Callable[[Connection, Catalog, datetime], Any]


@dataclass(frozen=True, slots=True)
class Run:
    """What a month run is asked to do. `approver` empty = drafts wait for a person."""

    month: Month
    until: str = RUN_STAGES[-1]
    approver: str = ""
    reason: str = "month run"
    booked_on: date | None = None

    def __post_init__(self) -> None:
        if self.until not in RUN_STAGES:
            raise Rejected(
                "run.unknown_stage",
                f"A run ends with one of {', '.join(RUN_STAGES)}, not {self.until!r}.",
            )


@dataclass(frozen=True, slots=True)
class Ran:
    """What one step of a run did; `result` is the step's own record."""

    stage: str
    step: str
    result: Any


class Street:
    """The stages of one database, wired to its ERPs."""

    def __init__(
        self,
        database: Database,
        targets: Mapping[str, Target],
        *,
        catalog_of: CatalogOf,
        clock: Clock,
        policy: DeliveryPolicy | None = None,
    ) -> None:
        self._database = database
        self._targets = targets
        self._catalog_of = catalog_of
        self._clock = clock
        self._policy = policy or DeliveryPolicy()

    def run(self, run: Run) -> Iterator[Ran]:
        """Do each step in order and yield what it did; running again does only what is missing."""
        stages = {
            "meter": self._meter,
            "rate": self._rate,
            "invoice": self._invoice,
            "tax": self._tax,
            "post": self._post,
            "recognize": self._recognize,
        }
        for stage in RUN_STAGES[: RUN_STAGES.index(run.until) + 1]:
            yield from stages[stage](run)

    def _meter(self, run: Run) -> Iterator[Ran]:
        yield Ran("meter", "sweep", sweep_all(self._database, self._clock))
        yield self._do("meter", "summarize", summarize_swept)
        yield self._do(
            "meter", "meter", lambda c, known, at: meter(c, catalog=known, month=run.month, at=at)
        )

    def _rate(self, run: Run) -> Iterator[Ran]:
        yield self._do(
            "rate", "rate", lambda c, known, at: rate(c, catalog=known, month=run.month, at=at)
        )

    def _invoice(self, run: Run) -> Iterator[Ran]:
        yield self._do(
            "invoice", "draft", lambda c, known, at: draft(c, catalog=known, month=run.month, at=at)
        )
        if run.approver:
            yield self._do("invoice", "approve", lambda c, _, at: _approve_all(c, run, at))

    def _tax(self, run: Run) -> Iterator[Ran]:
        yield self._do(
            "tax",
            "issue",
            lambda c, known, at: issue(
                c, catalog=known, month=run.month, booked_on=run.booked_on, at=at
            ),
        )

    def _post(self, _run: Run) -> Iterator[Ran]:
        yield self._do(
            "post",
            "enqueue",
            lambda c, known, at: enqueue(c, catalog=known, month=None, at=at),
        )
        yield Ran("post", "deliver", self._deliver())

    def _recognize(self, run: Run) -> Iterator[Ran]:
        yield self._do(
            "recognize",
            "recognize",
            lambda c, known, at: recognize(c, catalog=known, month=run.month, at=at),
        )
        yield from self._post(run)

    def _deliver(self) -> Any:
        return deliver(
            self._database,
            self._targets,
            catalog_of=self._catalog_of,
            clock=self._clock,
            until_idle=True,
            stop=threading.Event(),
            policy=self._policy,
        )

    def _do(self, stage: str, step: str, act: Step) -> Ran:
        with self._database.transaction() as connection:
            result = act(connection, self._catalog_of(connection), self._clock.now())
        return Ran(stage, step, result)


def sweep_all(database: Database, clock: Clock) -> Swept:
    """Sweep until the ledger of identities has every event captured so far."""
    identities = reused = 0
    while True:
        with database.transaction() as connection:
            swept = sweep(connection, at=clock.now())
        identities, reused = identities + swept.identities, reused + swept.reused
        if swept.identities == 0:
            return Swept(identities, reused, swept.through_receipt)


def summarize_swept(connection: Connection, catalog: Catalog, at: datetime) -> Summarized:
    """Summarize, and see that the sweep has passed whatever the summaries hold.

    Events come in all the while. As neither lock is given back between the two, the ledger ends up
    ahead of the summaries; what it set aside there is taken out of them again.
    """
    while True:
        summarized = summarize(connection, catalog=catalog, at=at)
        reused = 0
        while swept_through(connection) < summarized.through_receipt:
            reused += sweep(connection, at=at).reused
        if not reused:
            return summarized


def _approve_all(connection: Connection, run: Run, at: datetime) -> Approved:
    drafts = list_invoices(connection, month=run.month, state="draft")
    return approve(
        connection,
        invoice_ids=[invoice.invoice_id for invoice in drafts],
        by=run.approver,
        reason=run.reason,
        at=at,
    )
