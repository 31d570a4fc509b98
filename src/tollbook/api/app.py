"""The HTTP application: a bare route for events, FastAPI for everything else."""

import multiprocessing
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from tollbook import __version__
from tollbook.api.access import LimitBody, RequireKey
from tollbook.api.events_schema import EVENTS_PATH
from tollbook.api.intake import intake_routes, read_body
from tollbook.api.otlp import otlp_routes
from tollbook.api.problems import PROBLEM_RESPONSE, install
from tollbook.api.v1 import (
    billing,
    capture,
    control,
    mappings,
    masterdata,
    posting,
    prices,
    quarantine,
    reports,
    signals,
    source_objects,
    sources,
    usage,
)
from tollbook.api.webhooks import Hooks, hook_routes
from tollbook.app import App, open_app
from tollbook.config import load
from tollbook.observe.log import configure
from tollbook.runtime.intake import Intake
from tollbook.runtime.otlp import MetricsDoor
from tollbook.runtime.process import collect_rarely, end_with

# Everything but the events themselves, in the order of the OpenAPI document.
MODULES: Final = (
    capture,
    quarantine,
    reports,
    mappings,
    masterdata,
    billing,
    posting,
    control,
    prices,
    signals,
    sources,
    source_objects,
    usage,
)


def create() -> FastAPI:
    """Build the application of a server process, which ends with the process that started it."""
    server = multiprocessing.parent_process()
    if server is not None and server.pid is not None:
        end_with(server.pid)
    settings = load()
    configure(settings.log_format)
    collect_rarely()
    stack = ExitStack()
    return build(stack.enter_context(open_app(settings)), on_close=stack)


def build(app: App, *, on_close: ExitStack | None = None) -> FastAPI:
    """Build the HTTP application on an open one; `on_close` is closed when serving ends."""
    desk = app.desk()
    intake = Intake(desk)

    @asynccontextmanager
    async def lifespan(_api: FastAPI) -> AsyncIterator[None]:
        with intake:
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
    )
    api.state.tollbook = app
    install(api)
    # First, so that the hot path is matched against nothing else.
    api.router.routes.extend(intake_routes(intake))
    metrics = MetricsDoor(desk, app.database, app.clock)
    api.router.routes.extend(otlp_routes(metrics, read_body))
    hooks = Hooks(desk, app.clock, app.settings.sources)
    api.router.routes.extend(hook_routes(hooks, read_body))
    for module in MODULES:
        api.include_router(module.router)
    api.add_middleware(LimitBody)
    api.add_middleware(RequireKey, keys=app.settings.api_keys)
    _complete_document(api, is_key_required=bool(app.settings.api_keys))
    return api


def _complete_document(api: FastAPI, *, is_key_required: bool) -> None:
    """Add to the OpenAPI document what FastAPI does not see: the events route and the keys."""
    described: dict[str, Any] = {}
    generated = api.openapi

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(generated())
            described["paths"] = {"/v1/events": EVENTS_PATH, **described["paths"]}
            if is_key_required:
                scheme = {"type": "http", "scheme": "bearer"}
                described["components"]["securitySchemes"] = {"key": scheme}
                described["security"] = [{"key": []}]
        return described

    # FastAPI's own way of extending the document is to replace this method.
    api.openapi = openapi  # type: ignore[method-assign]
