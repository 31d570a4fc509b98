"""Completeness of sources, and reports on usage: where it may be lost, and what came late."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from tollbook.api.context import (
    Actor,
    AppHere,
    InTransaction,
    MonthHere,
    MonthMaybe,
    parse_month,
)
from tollbook.api.typed import many, one
from tollbook.errors import Rejected
from tollbook.flow.capture.completeness.step import gaps, override_gap, set_watermark
from tollbook.flow.capture.completeness.store import watermarks
from tollbook.reports.arrival import late_events
from tollbook.reports.leakage import Silence, leakage
from tollbook.values.codec import to_builtins
from tollbook.values.period import Month

router = APIRouter(tags=["completeness and reports"])

_DEFAULT = Silence()


class Declaration(BaseModel):
    """Up to when (not included) a source has sent everything. Going back needs a reason."""

    complete_until: AwareDatetime
    reason: str = ""


class Overriding(BaseModel):
    """Whose month is invoiced although a source is not complete, and why."""

    entity: str
    month: str = Field(examples=["2023-11"])
    source: str
    reason: str


@router.put("/v1/sources/{source:path}/watermark", summary="Declare a source complete")
def declare(
    source: Annotated[str, Path(max_length=1024, description="The source of events.")],
    body: Declaration,
    app: AppHere,
    connection: InTransaction,
    by: Actor,
) -> Any:
    """Note that a source has sent everything that occurred before an instant."""
    found = set_watermark(
        connection,
        source=source,
        complete_until=body.complete_until,
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )
    return to_builtins(found)


@router.get("/v1/watermarks", summary="List watermarks", responses=many("Watermark"))
def list_watermarks(connection: InTransaction) -> Any:
    """Return up to when each source is complete, in order of source."""
    return to_builtins(watermarks(connection))


@router.get("/v1/completeness", summary="What a month waits for")
def completeness(month: MonthHere, app: AppHere, connection: InTransaction) -> Any:
    """Return the sources that a month waits for before it is invoiced, overridden ones too."""
    catalog = app.catalog(connection)
    entities = [catalog.entity(key, month.last) for key in catalog.keys("entity")]
    return [
        {**to_builtins(gap), "blocks": gap.blocks, "message": f"{gap}."}
        for entity in entities
        if entity is not None
        for gap in gaps(connection, entity, month)
    ]


@router.post("/v1/completeness/overrides", summary="Invoice without a source", status_code=204)
def override(body: Overriding, app: AppHere, connection: InTransaction, by: Actor) -> None:
    """Let an entity invoice a month although a source is not complete; audited."""
    month = parse_month(body.month)
    entity = app.catalog(connection).entity(body.entity, month.last)
    if entity is None:
        raise Rejected("invoice.no_such_entity", f"There is no legal entity {body.entity}.")
    override_gap(
        connection,
        entity=entity,
        month=month,
        source=body.source,
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )


@router.get("/v1/reports/leakage", summary="Where usage may be lost", responses=one("Leakage"))
def report_leakage(
    app: AppHere,
    connection: InTransaction,
    month: MonthMaybe = None,
    at: Annotated[
        AwareDatetime | None, Query(description="Silent sources as of then (default: now).")
    ] = None,
    silent_percent: Annotated[int, Query(ge=0, le=100)] = _DEFAULT.percent,
    silent_minimum: Annotated[int, Query(ge=1)] = _DEFAULT.events_min,
) -> Any:
    """Return usage that came and is not billed, and sources that fell silent."""
    now = at or app.clock.now()
    found = leakage(
        connection,
        catalog=app.catalog(connection),
        month=month or Month.of(now.date()),
        at=now,
        silence=Silence(silent_percent, silent_minimum),
    )
    return to_builtins(found)


@router.get("/v1/reports/late", summary="What came late", responses=one("LateReport"))
def report_late(month: MonthHere, connection: InTransaction) -> Any:
    """Count the events of a month that came after it was metered or invoiced."""
    return to_builtins(late_events(connection, month))
