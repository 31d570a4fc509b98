"""Technical signals for Prometheus."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from tollbook.api.context import AppHere
from tollbook.observe.metrics import CONTENT_TYPE, SourceSignal, exposition
from tollbook.runtime.counts import Speaker
from tollbook.runtime.reading import read_numbers
from tollbook.runtime.sources import list_sources

router = APIRouter(tags=["signals"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(app: AppHere, request: Request) -> Response:
    """Return what all processes counted since ever, and what waits now."""
    speaker = request.app.state.speaker
    assert isinstance(speaker, Speaker)
    # What this process has to say is from now; the others speak every second.
    speaker.speak()
    with app.database.transaction() as connection:
        at = app.clock.now()
        numbers = read_numbers(connection, at=at)
        sources = [
            SourceSignal(one.name, one.backlog_records, one.oldest_seconds, one.state == "failing")
            for one in list_sources(connection, app.settings.sources, at=at)
        ]
    return Response(exposition(numbers, sources), media_type=CONTENT_TYPE)
