"""Technical signals for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tollbook.api.context import AppHere, InTransaction
from tollbook.observe.metrics import CONTENT_TYPE, EventCounts, backlog_exposition
from tollbook.reports.backlog import backlog

router = APIRouter(tags=["signals"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request, app: AppHere, connection: InTransaction) -> Response:
    """Return what this process counted since it started, and what waits in the database now."""
    counts = request.app.state.event_counts
    assert isinstance(counts, EventCounts)
    waiting = backlog(connection, at=app.clock.now())
    gauges = backlog_exposition(
        open_work_items=waiting.open_work_items,
        postings=waiting.postings,
        oldest_unposted_seconds=waiting.oldest_unposted_seconds,
    )
    return Response(counts.exposition() + gauges, media_type=CONTENT_TYPE)
