"""The HTTP application: a bare route for events, FastAPI for everything else."""

import multiprocessing
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from tollbook import __version__
from tollbook.access.issuer import configured_issuer
from tollbook.access.ring import KeyRing
from tollbook.api.access import Door, Gate, LimitBody
from tollbook.api.bodies import body_reader
from tollbook.api.document import complete
from tollbook.api.intake import Limits, intake_routes
from tollbook.api.limits import Budget
from tollbook.api.otlp import otlp_routes
from tollbook.api.permissions import check_scope, guard
from tollbook.api.problems import PROBLEM_RESPONSE, install
from tollbook.api.queue import Queue
from tollbook.api.v1 import (
    access,
    billing,
    capture,
    control,
    credit,
    mappings,
    masterdata,
    posting,
    prepaid,
    prices,
    quarantine,
    reports,
    rerate,
    segments,
    signals,
    source_objects,
    sources,
    usage,
)
from tollbook.api.webhooks import Hooks, hook_routes
from tollbook.app import App, open_app
from tollbook.config import load
from tollbook.observe.log import configure
from tollbook.runtime.counts import Counts, Speaker
from tollbook.runtime.intake import Intake
from tollbook.runtime.otlp import MetricsDoor
from tollbook.runtime.process import collect_rarely, end_with, is_supervised
from tollbook.runtime.rates import Rates

MEGABYTE: Final = 1_000_000

# Everything but the events themselves, in the order of the OpenAPI document.
MODULES: Final = (
    access,
    capture,
    quarantine,
    reports,
    mappings,
    masterdata,
    billing,
    prepaid,
    posting,
    control,
    prices,
    rerate,
    segments,
    signals,
    sources,
    source_objects,
    usage,
    credit,
)


def create() -> FastAPI:
    """Build the application of a server process, which ends with the process that started it.

    Where that is started again, it first goes on until the next one listens.
    """
    settings = load()
    server = multiprocessing.parent_process()
    if server is not None and server.pid is not None:
        end_with(server.pid, unless_followed=lambda: is_supervised(settings.home))
    configure(settings.log_format)
    collect_rarely()
    stack = ExitStack()
    return build(stack.enter_context(open_app(settings)), on_close=stack)


def build(app: App, *, on_close: ExitStack | None = None) -> FastAPI:
    """Build the HTTP application on an open one; `on_close` is closed when serving ends."""
    desk = app.desk()
    intake = Intake(desk)
    door = open_door(app)
    limits = Limits(
        door.budget,
        door.counts,
        app.clock,
        body_seconds=app.settings.body_seconds,
        wait_milliseconds_max=app.settings.wait_milliseconds_max,
    )
    queue = Queue(intake, app.clock, wait_milliseconds_max=limits.wait_milliseconds_max)
    speaker = Speaker(
        app.database,
        app.clock,
        f"{os.getpid()} since {app.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        read=lambda: state_of(app, door, queue),
        learn=lambda: door.ring.refresh(at_once=True),
    )

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        with intake, speaker:
            yield
        if on_close is not None:
            await run_in_threadpool(on_close.close)

    api = FastAPI(
        title="Tollbook",
        version=__version__,
        summary="From a usage event to a posted, recognized, reconciled entry in the ERP.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={422: PROBLEM_RESPONSE, "default": PROBLEM_RESPONSE},
        dependencies=[Depends(check_scope)],
    )
    api.state.tollbook = app
    api.state.door = door
    api.state.speaker = speaker
    install(api)
    # First, so that the hot path is matched against nothing else.
    api.router.routes.extend(intake_routes(queue, limits))
    read_body = body_reader(seconds_max=app.settings.body_seconds)
    metrics = MetricsDoor(
        desk,
        app.database,
        app.clock,
        first_hours_max=app.settings.metric_first_hours_max,
    )
    api.router.routes.extend(otlp_routes(metrics, read_body))
    hooks = Hooks(desk, app.clock, app.settings.sources)
    api.router.routes.extend(hook_routes(hooks, read_body))
    for module in MODULES:
        api.include_router(module.router)
    guard(api.router.routes)
    api.add_middleware(LimitBody, budget=door.budget, seconds_max=app.settings.body_seconds)
    api.add_middleware(Gate, door=door)
    complete(api, app.settings)
    return api


def open_door(app: App) -> Door:
    """Return what stands before every route: the keys, the rates and the memory of one process."""
    settings = app.settings
    return Door(
        KeyRing(
            app.database,
            app.clock,
            fixed=settings.api_keys,
            issuer=configured_issuer(settings, app.clock),
        ),
        Rates(
            app.clock,
            requests_per_second=settings.requests_per_second,
            events_per_second=settings.events_per_second,
        ),
        Budget(bytes_max=settings.inflight_megabytes * MEGABYTE),
        Counts(),
    )


def state_of(app: App, door: Door, queue: Queue) -> dict[str, Any]:
    """Return what this process counted and what it holds now."""
    depth = queue.depth()
    return {
        **door.counts.shown(),
        "waiting_requests": depth.requests,
        "waiting_events": depth.events,
        "waiting_bytes": depth.bytes,
        "oldest_waiting_milliseconds": depth.oldest_milliseconds,
        "inflight_requests": door.budget.requests,
        "inflight_bytes": door.budget.bytes,
        "connections": app.database.connections(),
    }
