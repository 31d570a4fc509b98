"""Master data over HTTP: the same documents as the YAML files, planned before they are applied."""

from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from tollbook.api.context import Actor, AppHere, ExactJson, Identifier, InTransaction
from tollbook.api.problems import problem
from tollbook.errors import Rejected
from tollbook.masterdata.catalog import KINDS
from tollbook.masterdata.step import plan_documents
from tollbook.masterdata.view import periods_view, plan_view, version_view
from tollbook.runtime.apply import apply_master_data, try_apply
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["master data"])

INVALID: Final = "masterdata.plan_has_problems"
_CORRECT_FIRST: Final = "Nothing was applied: correct what is listed under problems."

# The body is read by us, because numbers in it must stay exact.
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "The sections of the YAML files, each a list of documents.",
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                },
                "example": {
                    "customers": [{"id": "cus_100", "name": "Acme", "jurisdiction": "US-NY"}]
                },
            }
        },
    }
}


@router.post("/v1/master-data/plan", summary="Plan a change", openapi_extra=_BODY)
def make_plan(documents: ExactJson, app: AppHere, connection: InTransaction) -> Any:
    """Return what applying these documents would change, as a difference; nothing is stored."""
    return plan_view(plan_documents(connection, documents, app.clock.now()))


@router.post("/v1/master-data/effect", summary="Preview the money effect", openapi_extra=_BODY)
def effect(documents: ExactJson, app: AppHere, by: Actor) -> Any:
    """Apply these documents, rate every month they touch, tell the difference, and undo it all."""
    at = app.clock.now()
    with app.database.transaction() as connection:
        planned = plan_documents(connection, documents, at)
    if planned.problems:
        return problem(422, INVALID, _CORRECT_FIRST, problems=plan_view(planned)["problems"])
    found = app.preview(try_apply(planned, by=by, at=at))
    return {**plan_view(planned), "effect": to_builtins(found.effect)}


@router.post("/v1/master-data/apply", summary="Apply a change", openapi_extra=_BODY)
def apply(
    documents: ExactJson,
    app: AppHere,
    by: Actor,
    reason: Annotated[str, Query(description="Why, for the audit.")] = "applied over the API",
) -> Any:
    """Store new versions in one transaction, all or none, then try again what waited for them."""
    at = app.clock.now()
    with app.database.transaction() as connection:
        planned = plan_documents(connection, documents, at)
        if planned.problems:
            return problem(422, INVALID, _CORRECT_FIRST, problems=plan_view(planned)["problems"])
        applied = apply_master_data(connection, planned, by=by, reason=reason, at=at)
    replayed = app.replayer().replay_all(by=by, reason=f"master data applied: {reason}")
    return {
        **plan_view(planned),
        "applied": to_builtins(applied),
        "replayed": to_builtins(replayed),
    }


@router.get("/v1/master-data", summary="List master data")
def list_versions(
    app: AppHere,
    connection: InTransaction,
    kind: Annotated[
        str | None, Query(json_schema_extra={"enum": list(KINDS)}, description="Only this kind.")
    ] = None,
) -> Any:
    """Return the present version of each record."""
    if kind is not None and kind not in KINDS:
        raise Rejected("masterdata.unknown_kind", f"{kind!r} is none of {', '.join(KINDS)}.")
    catalog, today = app.catalog(connection), app.clock.now().date()
    return [
        version_view(catalog.in_force(one, key, today) or catalog.versions[one, key][-1])
        for one in ([kind] if kind else KINDS)
        for key in catalog.keys(one)
    ]


@router.get("/v1/contracts/{contract}/billing-periods", summary="List billing periods")
def billing_periods(
    contract: Identifier,
    app: AppHere,
    connection: InTransaction,
    since: Annotated[date | None, Query(alias="from", description="Default today.")] = None,
    until: Annotated[date | None, Query(description="Excluded; default a year on.")] = None,
) -> Any:
    """Return the billing periods with a day in a span, and the months that bill each of them."""
    today = app.clock.now().date()
    return periods_view(app.catalog(connection), contract, since or today, until)


@router.get("/v1/master-data/{kind}/{key}", summary="Show a record and its history")
def show(kind: Identifier, key: Identifier, app: AppHere, connection: InTransaction) -> Any:
    """Return every version of one record, whole, oldest first."""
    versions = app.catalog(connection).versions.get((kind, key), ())
    if not versions:
        raise Rejected("masterdata.unknown", f"There is no {kind} {key!r}.")
    return [version_view(version, is_whole=True) for version in versions]
