"""Control: the worklist, reconciliation, lineage, month runs, and whether the service is well."""

from datetime import date
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from tollbook import __version__
from tollbook.access.scopes import Scope
from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, MonthHere, parse_month
from tollbook.api.permissions import caller_of
from tollbook.errors import Rejected, Transient
from tollbook.flow.reconcile.step import reconcile
from tollbook.flow.reconcile.store import kept
from tollbook.reports.trace import trace
from tollbook.runtime.readback import read_back
from tollbook.runtime.street import RUN_STAGES, Run
from tollbook.values.codec import to_builtins
from tollbook.worklist.codes import CODES
from tollbook.worklist.store import get_item, list_items, objects_of

router = APIRouter(tags=["control"])

HEALTH_SECONDS: Final = 2


class RunRequest(BaseModel):
    """A month to run. Without `approve`, drafts wait for a person."""

    month: str = Field(examples=["2023-11"])
    until: str = Field(default=RUN_STAGES[-1], json_schema_extra={"enum": list(RUN_STAGES)})
    approve: bool = False
    reason: str = "month run over the API"
    booked_on: date | None = None


class Reason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str


@router.get("/v1/health", summary="Is the service well?")
def health(app: AppHere) -> dict[str, str]:
    """Answer ok when the database answers; needs no key."""
    if not app.database.answers(within_seconds=HEALTH_SECONDS):
        raise Transient("storage.unavailable", "The database does not answer.")
    return {"status": "ok", "version": __version__}


@router.get("/v1/work-items", summary="List work items")
def work_items(
    connection: InTransaction,
    state: Annotated[Literal["open", "resolved", "all"], Query()] = "open",
) -> Any:
    """Return work items, oldest first."""
    return to_builtins(list_items(connection, state=None if state == "all" else state))


@router.get("/v1/work-items/{item_id}", summary="Show a work item")
def work_item(item_id: Identifier, connection: InTransaction) -> Any:
    """Return one work item, what it holds, and what closes it."""
    item = get_item(connection, item_id)
    if item is None:
        raise Rejected("worklist.unknown", f"There is no work item {item_id}.")
    return {
        **to_builtins(item),
        "objects": list(objects_of(connection, item_id)),
        "action": CODES[item.code].action,
    }


@router.post("/v1/work-items/replay", summary="Try again what waits")
def replay_work_items(body: Reason, app: AppHere, by: Actor) -> Any:
    """Try again everything that waits; what gets through leaves the worklist."""
    return to_builtins(app.replayer().replay_all(by=by, reason=body.reason))


@router.post("/v1/work-items/{item_id}/replay", summary="Try again what one item holds")
def replay_work_item(item_id: Identifier, body: Reason, app: AppHere, by: Actor) -> Any:
    """Try again what one work item holds; what gets through leaves the worklist."""
    return to_builtins(app.replayer().replay_item(item_id, by=by, reason=body.reason))


@router.post("/v1/runs", summary="Run a month")
def run_month(body: RunRequest, request: Request, app: AppHere, by: Actor) -> Any:
    """Run the street for a month up to a stage; running again does only what is missing.

    `approve` needs the scope billing:approve too.
    """
    caller = caller_of(request.scope)
    if caller is not None and body.approve:
        caller.require(Scope.BILLING_APPROVE)
    run = Run(
        parse_month(body.month),
        until=body.until,
        approver=by if body.approve else "",
        reason=body.reason,
        booked_on=body.booked_on,
    )
    return to_builtins(list(app.street().run(run)))


@router.post("/v1/reconciliations", summary="Reconcile a month")
def reconcile_month(month: MonthHere, app: AppHere) -> Any:
    """Read the ERP and compare metered, rated, invoiced, posted and recognized."""
    receipts = read_back(app.database, app.targets(), month)
    with app.database.transaction() as connection:
        result = reconcile(
            connection,
            catalog=app.catalog(connection),
            month=month,
            receipts=receipts,
            at=app.clock.now(),
        )
    return to_builtins(result)


@router.get("/v1/reconciliations", summary="List reconciliations of a month")
def reconciliations(month: MonthHere, connection: InTransaction) -> Any:
    """Return the stored results of a month, newest first."""
    return [
        {"id": identifier, "content_hash": digest, "decided_at": at, "result": result}
        for identifier, digest, at, result in kept(connection, month)
    ]


@router.get("/v1/trace", summary="Walk the lineage both ways")
def trace_id(
    connection: InTransaction,
    id: Annotated[str, Query(max_length=4096, description="Any id, number, or SOURCE|ID.")],  # noqa: A002 - the name in the URL
) -> Any:
    """Return everything an id was made from and everything that was made from it."""
    return to_builtins(trace(connection, id))
