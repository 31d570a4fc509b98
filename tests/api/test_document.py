"""The OpenAPI document is valid, complete, and the routes behind it keep off the event loop."""

import inspect
import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from api_client import Api
from tollbook.api.app import build
from tollbook.app import App

UNDOCUMENTED = {"/openapi.json"}
ON_THE_LOOP = {"/v1/events", "/v1/otlp/v1/metrics", "/v1/hooks/{source}", "/openapi.json"}


def routes_of(api: FastAPI) -> Iterator[Route | APIRoute]:
    """Walk all routes, also those that FastAPI keeps in the router they came from."""
    for route in api.routes:
        router = getattr(route, "original_router", None)
        for inner in router.routes if router else [route]:
            assert isinstance(inner, Route | APIRoute)
            yield inner


def test_the_document_is_valid_openapi_3_1(empty: Api) -> None:
    document = empty.get("/openapi.json")

    assert document["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_route_is_in_the_document(app: App) -> None:
    api = build(app)
    served = {
        (route.path.replace(":path", ""), method.lower())
        for route in routes_of(api)
        for method in (route.methods or set()) - {"HEAD"}
        if route.path not in UNDOCUMENTED
    }

    described = {
        (path, method) for path, methods in api.openapi()["paths"].items() for method in methods
    }

    assert served == described
    assert ("/v1/events", "post") in served
    assert len(served) > 25


def test_every_refusal_is_described_as_a_problem(empty: Api) -> None:
    paths = empty.get("/openapi.json")["paths"]

    without = [
        (path, method)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path != "/v1/events" and not {"422", "default"} <= operation["responses"].keys()
    ]

    assert without == []
    assert "HTTPValidationError" not in str(paths)


def test_what_the_reads_of_usage_answer_is_described(empty: Api) -> None:
    document = empty.get("/openapi.json")
    of_capture = ("/v1/sources", "/v1/quarantine", "/v1/usage", "/v1/segments", "/v1/backfills")

    answers = {
        path: methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for path, methods in document["paths"].items()
        if path.startswith(of_capture) and "get" in methods
    }

    known = document["components"]["schemas"]
    untyped = [path for path, schema in answers.items() if not {"$ref", "type"} & schema.keys()]
    missing = [
        name
        for name in re.findall(r"#/components/schemas/(\w+)", str(document))
        if name not in known
    ]
    assert untyped == []
    assert missing == []
    assert "positions" in known["Source"]["properties"]


def test_only_the_intake_runs_on_the_event_loop(app: App) -> None:
    on_the_loop = {
        route.path for route in routes_of(build(app)) if inspect.iscoroutinefunction(route.endpoint)
    }

    assert on_the_loop == ON_THE_LOOP
