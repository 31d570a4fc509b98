"""Current usage: what was used until now, by window and dimension, and the events behind it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response

from tollbook.api.context import AppHere, InTransaction, Limit, MonthMaybe
from tollbook.api.typed import many, one
from tollbook.app import App
from tollbook.errors import Rejected
from tollbook.flow.meter.current import Ask
from tollbook.flow.meter.step import current_usage, events_behind_window
from tollbook.values.codec import to_builtins, to_json
from tollbook.values.zone import WindowKind

router = APIRouter(tags=["usage"])

Instant = Annotated[datetime | None, Query(description="An instant with its offset from UTC.")]


async def asked(
    month: MonthMaybe,
    customer: Annotated[str, Query(description="Only this customer.")] = "",
    meter: Annotated[str, Query(description="Only this meter.")] = "",
    from_: Annotated[Instant, Query(alias="from")] = None,
    until: Instant = None,
    where: Annotated[list[str], Query(description="dimension=value; may be repeated.")] = [],  # noqa: B006
    group_by: Annotated[list[str], Query(description="A dimension; may be repeated.")] = [],  # noqa: B006
) -> Ask:
    """Read what of whose usage is asked."""
    for instant in (from_, until):
        if instant is not None and instant.tzinfo is None:
            raise Rejected("meter.unclear_time", "An instant needs its offset, such as Z.")
    pairs = [pair.partition("=") for pair in where]
    return Ask(
        customer_id=customer,
        meter_id=meter,
        month=month,
        since=from_ and from_.astimezone(UTC),
        until=until and until.astimezone(UTC),
        where={name: value for name, _, value in pairs},
        group_by=tuple(group_by),
    )


AskHere = Annotated[Ask, Depends(asked)]


@router.get("/v1/usage/current", summary="Show current usage", responses=one("CurrentUsage"))
def current(ask: AskHere, app: AppHere) -> Response:
    """Return usage with every event acknowledged by now: of a month, of a time, or this month."""
    return _answer(app, ask)


@router.get(
    "/v1/usage/windows", summary="Show current usage by window", responses=one("CurrentUsage")
)
def by_window(
    ask: AskHere,
    app: AppHere,
    window: Annotated[
        Literal["minute", "hour", "day", "month"],
        Query(description="In the customer's time zone."),
    ] = "day",
) -> Response:
    """Return current usage in windows that tile the time asked for."""
    kind: WindowKind = window
    return _answer(app, replace(ask, window=kind))


@router.get(
    "/v1/usage/events",
    summary="List the events behind current usage",
    responses=many("EventBehind"),
)
def events_behind(
    ask: AskHere,
    app: AppHere,
    connection: InTransaction,
    after: Annotated[str | None, Query(description="Continue after this event id.")] = None,
    limit: Limit = 100,
) -> Any:
    """Return exactly the events behind what a customer used of a meter, a page at a time."""
    found = events_behind_window(
        connection,
        view=app.known.view(connection),
        ask=ask,
        at=app.clock.now(),
        limit=limit,
        after=after,
    )
    return to_builtins(found)


def _answer(app: App, ask: Ask) -> Response:
    # All of it in one turn of one thread: each turn waits while events are counted.
    with app.database.transaction() as connection:
        found = current_usage(connection, known=app.known.view, ask=ask, at=app.clock.now())
    return Response(to_json(found), media_type="application/json")
