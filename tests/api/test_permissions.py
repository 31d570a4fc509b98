"""Every route says which scope it needs."""

from fastapi import FastAPI
from starlette.routing import Route

from api.test_document import routes_of
from tollbook.access.scopes import MEANINGS, Scope
from tollbook.api.app import build
from tollbook.api.permissions import OPEN_PATHS, ROUTES, Guard, needed_scope
from tollbook.app import App


def served(api: FastAPI) -> set[tuple[str, str]]:
    return {
        (method, route.path)
        for route in routes_of(api)
        for method in (route.methods or set()) - {"HEAD"}
    }


def test_no_route_lacks_a_scope_and_no_scope_lacks_a_route(app: App) -> None:
    routes = served(build(app))

    assert routes - set(ROUTES) == set(), "say in api/permissions.py which scope it needs"
    assert set(ROUTES) - routes == set()


def test_every_route_is_checked_whoever_serves_it(app: App) -> None:
    bare = [one for one in build(app).routes if type(one) is Route]

    assert {route.path for route in bare} >= {"/v1/events", "/openapi.json"}
    assert all(isinstance(route.app, Guard) for route in bare)


def test_every_scope_opens_something() -> None:
    used = {scope for scope in ROUTES.values() if scope is not None}

    assert set(Scope) - used == {Scope.ACTOR_DELEGATE}
    assert set(MEANINGS) == set(Scope)


def test_a_route_that_nobody_thought_of_needs_everything() -> None:
    assert needed_scope("GET", "/v1/new") is Scope.ADMIN
    assert needed_scope("HEAD", "/v1/invoices") is Scope.BILLING_READ


def test_only_these_are_open_to_all(app: App) -> None:
    document = build(app).openapi()

    without_a_key = {
        path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if operation["security"] == []
    }

    assert without_a_key == set(OPEN_PATHS)
