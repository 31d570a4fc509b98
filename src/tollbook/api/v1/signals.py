"""Technical signals for Prometheus."""

from typing import get_args

from fastapi import APIRouter
from fastapi.responses import Response

from tollbook.api.context import AppHere, InTransaction
from tollbook.flow.capture.step import Status
from tollbook.flow.capture.store import tallies
from tollbook.observe.metrics import CONTENT_TYPE, SourceSignal, exposition
from tollbook.reports.backlog import backlog
from tollbook.runtime.sources import list_sources

router = APIRouter(tags=["signals"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(app: AppHere, connection: InTransaction) -> Response:
    """Return how many events were taken since ever, and what waits in the database now."""
    waiting = backlog(connection, at=app.clock.now())
    text = exposition(
        events=dict.fromkeys(get_args(Status), 0) | tallies(connection),
        open_work_items=waiting.open_work_items,
        postings=waiting.postings,
        oldest_unposted_seconds=waiting.oldest_unposted_seconds,
        sources=[
            SourceSignal(one.name, one.backlog_records, one.oldest_seconds, one.state == "failing")
            for one in list_sources(connection, app.settings.sources, at=app.clock.now())
        ],
    )
    return Response(text, media_type=CONTENT_TYPE)
