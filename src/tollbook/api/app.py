"""The HTTP application: a bare route for events, FastAPI for everything else."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from tollbook import __version__
from tollbook.api.access import RequireKey
from tollbook.api.events_schema import EVENTS_PATH
from tollbook.api.intake import intake_routes
from tollbook.api.problems import install
from tollbook.api.v1 import billing, capture, control, masterdata, posting, prices
from tollbook.app import App, open_app
from tollbook.runtime.intake import Intake
from tollbook.runtime.process import end_with_parent


def create() -> FastAPI:
    """Build the application of a server process; it ends with the process that started it."""
    end_with_parent()
    stack = ExitStack()
    return build(stack.enter_context(open_app()), on_close=stack)


def build(app: App, *, on_close: ExitStack | None = None) -> FastAPI:
    """Build the HTTP application on an open one; `on_close` is closed when serving ends."""
    intake = Intake(app.desk())

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
    )
    api.state.tollbook = app
    install(api)
    # Routers first: they match their own paths, and the bare route takes POST /v1/events.
    for module in (capture, masterdata, billing, posting, control, prices):
        api.include_router(module.router)
    api.router.routes.extend(intake_routes(intake))
    api.add_middleware(RequireKey, keys=app.settings.api_keys)
    _describe_events(api)
    return api


def _describe_events(api: FastAPI) -> None:
    """Add the events route to the OpenAPI document, made once."""
    described: dict[str, Any] = {}
    generated = api.openapi

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(generated())
            described["paths"] = {"/v1/events": EVENTS_PATH, **described["paths"]}
        return described

    # FastAPI's own way of extending the document is to replace this method.
    api.openapi = openapi  # type: ignore[method-assign]
