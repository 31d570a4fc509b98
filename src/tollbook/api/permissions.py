"""Which scope each route needs: one table, enforced on the route that was matched."""

from collections.abc import Iterable, Mapping
from typing import Final

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from tollbook.access.keys import Caller
from tollbook.access.scopes import Scope
from tollbook.api.problems import of_failure
from tollbook.errors import Rejected

# Where the caller stands in an ASGI scope; absent when no key is asked.
CALLER: Final = "tollbook.caller"

# Open to all: these say nothing of the books, or ask for a proof of their own.
OPEN_PATHS: Final = frozenset({"/v1/health", "/v1/oauth/token", "/v1/oauth/jwks"})
# Their senders sign what they send instead of showing a key.
OPEN_PREFIXES: Final = ("/v1/hooks/",)
# The door that knows which sources a key is bound to.
EVENTS: Final = "/v1/events"
# Any caller that is let in.
ANYONE: Final = None

# A route that is missing here needs the scope admin; a test refuses that it is missing.
ROUTES: Final[Mapping[tuple[str, str], Scope | None]] = {
    ("GET", "/v1/health"): ANYONE,
    ("POST", "/v1/oauth/token"): ANYONE,
    ("GET", "/v1/oauth/jwks"): ANYONE,
    ("GET", "/openapi.json"): ANYONE,
    ("GET", "/metrics"): Scope.METRICS_READ,
    ("GET", "/v1/access/keys"): Scope.ADMIN,
    ("POST", "/v1/access/keys"): Scope.ADMIN,
    ("POST", "/v1/access/keys/{key_id}/rotate"): Scope.ADMIN,
    ("POST", "/v1/access/keys/{key_id}/revoke"): Scope.ADMIN,
    ("GET", "/v1/access/scopes"): ANYONE,
    ("POST", "/v1/events"): Scope.EVENTS_WRITE,
    ("GET", "/v1/events/{event_id}"): Scope.EVENTS_READ,
    ("POST", "/v1/events/{event_id}/void"): Scope.EVENTS_CORRECT,
    ("POST", "/v1/events/{event_id}/amend"): Scope.EVENTS_CORRECT,
    ("POST", "/v1/events/void"): Scope.EVENTS_CORRECT,
    ("GET", "/v1/backfills"): Scope.EVENTS_READ,
    ("POST", "/v1/backfills"): Scope.EVENTS_CORRECT,
    ("GET", "/v1/backfills/{backfill_id}"): Scope.EVENTS_READ,
    ("POST", "/v1/backfills/{backfill_id}/revert"): Scope.EVENTS_CORRECT,
    ("POST", "/v1/otlp/v1/metrics"): Scope.EVENTS_WRITE,
    ("POST", "/v1/hooks/{source}"): ANYONE,
    ("GET", "/v1/quarantine"): Scope.EVENTS_READ,
    ("GET", "/v1/quarantine/{quarantine_id}"): Scope.EVENTS_READ,
    ("POST", "/v1/quarantine/{quarantine_id}/correct"): Scope.EVENTS_CORRECT,
    ("POST", "/v1/quarantine/{quarantine_id}/replay"): Scope.EVENTS_CORRECT,
    ("POST", "/v1/quarantine/{quarantine_id}/discard"): Scope.EVENTS_CORRECT,
    ("GET", "/v1/quarantine/causes"): Scope.EVENTS_READ,
    ("POST", "/v1/quarantine/replay"): Scope.EVENTS_CORRECT,
    ("POST", "/v1/quarantine/discard"): Scope.EVENTS_CORRECT,
    ("GET", "/v1/sources"): Scope.EVENTS_READ,
    ("GET", "/v1/sources/{name}"): Scope.EVENTS_READ,
    ("POST", "/v1/sources/{name}/pause"): Scope.ADMIN,
    ("POST", "/v1/sources/{name}/resume"): Scope.ADMIN,
    ("POST", "/v1/sources/{name}/seek"): Scope.ADMIN,
    ("GET", "/v1/sources/{name}/objects"): Scope.EVENTS_READ,
    ("POST", "/v1/sources/{name}/objects/retry"): Scope.EVENTS_CORRECT,
    ("PUT", "/v1/sources/{source:path}/watermark"): Scope.EVENTS_WRITE,
    ("GET", "/v1/segments"): Scope.EVENTS_READ,
    ("GET", "/v1/segments/verify"): Scope.EVENTS_READ,
    ("POST", "/v1/segments/seal"): Scope.ADMIN,
    ("POST", "/v1/segments/{day}/restore"): Scope.ADMIN,
    ("POST", "/v1/segments/{day}/expire"): Scope.ADMIN,
    ("POST", "/v1/segments/{day}/delete"): Scope.ADMIN,
    ("GET", "/v1/retention-holds"): Scope.EVENTS_READ,
    ("POST", "/v1/retention-holds"): Scope.ADMIN,
    ("POST", "/v1/retention-holds/{hold_id}/release"): Scope.ADMIN,
    ("GET", "/v1/usage-recount"): Scope.USAGE_READ,
    ("GET", "/v1/watermarks"): Scope.EVENTS_READ,
    ("GET", "/v1/completeness"): Scope.BILLING_READ,
    ("POST", "/v1/completeness/overrides"): Scope.BILLING_APPROVE,
    ("GET", "/v1/reports/leakage"): Scope.BILLING_READ,
    ("GET", "/v1/reports/late"): Scope.BILLING_READ,
    ("POST", "/v1/source-mappings/{mapping_id}/preview"): Scope.MASTERDATA_READ,
    ("GET", "/v1/master-data"): Scope.MASTERDATA_READ,
    ("GET", "/v1/master-data/{kind}/{key}"): Scope.MASTERDATA_READ,
    ("GET", "/v1/contracts/{contract}/billing-periods"): Scope.MASTERDATA_READ,
    ("POST", "/v1/master-data/plan"): Scope.MASTERDATA_READ,
    ("POST", "/v1/master-data/apply"): Scope.MASTERDATA_WRITE,
    ("POST", "/v1/master-data/effect"): Scope.MASTERDATA_WRITE,
    ("POST", "/v1/price-evaluations"): Scope.MASTERDATA_READ,
    ("POST", "/v1/rerate"): Scope.BILLING_READ,
    ("POST", "/v1/rerate-runs"): Scope.MASTERDATA_WRITE,
    ("GET", "/v1/rerate-runs"): Scope.BILLING_READ,
    ("GET", "/v1/rerate-runs/{run_id}"): Scope.BILLING_READ,
    ("POST", "/v1/rerate-runs/{run_id}/approve"): Scope.BILLING_APPROVE,
    ("GET", "/v1/usage"): Scope.USAGE_READ,
    ("GET", "/v1/usage/current"): Scope.USAGE_READ,
    ("GET", "/v1/usage/windows"): Scope.USAGE_READ,
    ("GET", "/v1/usage/events"): Scope.USAGE_READ,
    ("GET", "/v1/customers/{customer_id}/current-charges"): Scope.BILLING_READ,
    ("GET", "/v1/customers/{customer_id}/credit-control"): Scope.BILLING_READ,
    ("POST", "/v1/customers/{customer_id}/credit-control/block"): Scope.BILLING_APPROVE,
    ("POST", "/v1/customers/{customer_id}/credit-control/release"): Scope.BILLING_APPROVE,
    ("GET", "/v1/customers/{customer_id}/entitlements/{product_id}"): Scope.USAGE_READ,
    ("POST", "/v1/entitlements"): Scope.USAGE_READ,
    ("GET", "/v1/credit-control"): Scope.BILLING_READ,
    ("GET", "/v1/alerts"): Scope.BILLING_READ,
    ("GET", "/v1/charges"): Scope.BILLING_READ,
    ("GET", "/v1/invoices"): Scope.BILLING_READ,
    ("GET", "/v1/invoices/{reference}"): Scope.BILLING_READ,
    ("GET", "/v1/invoices/{reference}/revenue-schedules"): Scope.BILLING_READ,
    ("GET", "/v1/invoices/{reference}/verification"): Scope.BILLING_READ,
    ("GET", "/v1/invoices/{reference}/why"): Scope.BILLING_READ,
    ("POST", "/v1/invoices/approve"): Scope.BILLING_APPROVE,
    ("GET", "/v1/credits"): Scope.BILLING_READ,
    ("GET", "/v1/customers/{customer_id}/credits"): Scope.BILLING_READ,
    ("POST", "/v1/contracts/{contract_id}/credits"): Scope.MASTERDATA_WRITE,
    ("POST", "/v1/contracts/{contract_id}/credits/{grant_id}/expire"): Scope.BILLING_APPROVE,
    ("POST", "/v1/contracts/{contract_id}/credits/{grant_id}/refund"): Scope.BILLING_APPROVE,
    ("GET", "/v1/revenue"): Scope.BILLING_READ,
    ("GET", "/v1/postings"): Scope.BILLING_READ,
    ("GET", "/v1/postings/{posting_id}"): Scope.BILLING_READ,
    ("POST", "/v1/postings/replay"): Scope.POSTING_WRITE,
    ("POST", "/v1/postings/hold"): Scope.POSTING_WRITE,
    ("POST", "/v1/postings/release"): Scope.POSTING_WRITE,
    ("GET", "/v1/work-items"): Scope.WORKLIST_READ,
    ("GET", "/v1/work-items/{item_id}"): Scope.WORKLIST_READ,
    ("POST", "/v1/work-items/replay"): Scope.WORKLIST_WRITE,
    ("POST", "/v1/work-items/{item_id}/replay"): Scope.WORKLIST_WRITE,
    ("POST", "/v1/runs"): Scope.BILLING_RUN,
    ("GET", "/v1/reconciliations"): Scope.BILLING_READ,
    ("POST", "/v1/reconciliations"): Scope.BILLING_RUN,
    ("GET", "/v1/trace"): Scope.BILLING_READ,
}


def _plain(path: str) -> str:
    # The OpenAPI document writes {source}, where a route says that it may hold slashes.
    return path.replace(":path}", "}")


_SCOPES: Final = {(method, _plain(path)): scope for (method, path), scope in ROUTES.items()}


def needed_scope(method: str, path: str) -> Scope | None:
    """Return the scope that a route needs; `path` is its template."""
    if method == "HEAD":
        method = "GET"
    return _SCOPES.get((method, _plain(path)), Scope.ADMIN)


def is_open(path: str) -> bool:
    """Tell whether a path is served without a key."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def caller_of(scope: AsgiScope) -> Caller | None:
    """Return who calls; None when no key is asked."""
    found: Caller | None = scope.get(CALLER)
    return found


async def check_scope(request: Request) -> None:
    """Refuse a caller without the scope that the matched route needs."""
    caller = caller_of(request.scope)
    if caller is not None:
        path = request.scope["route"].path
        _require(caller, needed_scope(request.method, path), path)


def guard(routes: Iterable[BaseRoute]) -> None:
    """Let bare routes check their scope themselves, as FastAPI's own check does not reach them."""
    for route in routes:
        if isinstance(route, Route) and not isinstance(route, APIRoute):
            route.app = Guard(route.app, route.path)


def _require(caller: Caller, needed: Scope | None, path: str) -> None:
    if needed is not None:
        caller.require(needed)
    if needed is Scope.EVENTS_WRITE and caller.sources and path != EVENTS:
        raise Rejected(
            "api.source_not_allowed",
            f"{caller.name!r} is bound to sources of events, so it sends to {EVENTS} only.",
        )


class Guard:
    """Checks the scope of one bare route."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        caller: Caller | None = scope.get(CALLER)
        if caller is not None:
            try:
                _require(caller, needed_scope(scope["method"], self._path), self._path)
            except Rejected as refusal:
                await of_failure(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)
