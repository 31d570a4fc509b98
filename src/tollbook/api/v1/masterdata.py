"""Master data over HTTP: the same documents as the YAML files, planned before they are applied."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction
from tollbook.errors import Rejected
from tollbook.masterdata.catalog import KINDS
from tollbook.masterdata.step import apply_plan, plan_documents
from tollbook.masterdata.view import plan_view, version_view
from tollbook.storage.database import decode_json
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["master data"])

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


async def _documents(request: Request) -> dict[str, Any]:
    try:
        documents = decode_json(await request.body())
    except ValueError as error:
        raise Rejected("api.malformed_json", f"The body is not JSON: {error}.") from error
    if not isinstance(documents, dict):
        raise Rejected("api.not_an_object", "The body is an object of sections, such as customers.")
    return documents


@router.post("/v1/master-data/plan", summary="Plan a change", openapi_extra=_BODY)
async def make_plan(request: Request, app: AppHere, connection: InTransaction) -> Any:
    """Return what applying these documents would change, as a difference; nothing is stored."""
    documents = await _documents(request)
    return plan_view(plan_documents(connection, documents, app.clock.now()))


@router.post("/v1/master-data/apply", summary="Apply a change", openapi_extra=_BODY)
async def apply(
    request: Request,
    app: AppHere,
    connection: InTransaction,
    by: Actor,
    reason: Annotated[str, Query(description="Why, for the audit.")] = "applied over the API",
) -> Any:
    """Store new versions in one transaction; refused as a whole when one document is wrong."""
    documents = await _documents(request)
    at = app.clock.now()
    planned = plan_documents(connection, documents, at)
    applied = apply_plan(connection, planned, by=by, reason=reason, at=at)
    return {**plan_view(planned), "applied": to_builtins(applied)}


@router.get("/v1/master-data", summary="List master data")
def list_versions(
    app: AppHere,
    connection: InTransaction,
    kind: Annotated[str | None, Query(enum=list(KINDS), description="Only this kind.")] = None,
) -> Any:
    """Return the present version of each record."""
    catalog, today = app.catalog(connection), app.clock.now().date()
    return [
        version_view(catalog.in_force(one, key, today) or catalog.versions[one, key][-1])
        for one in ([kind] if kind else KINDS)
        for key in catalog.keys(one)
    ]


@router.get("/v1/master-data/{kind}/{key}", summary="Show a record and its history")
def show(kind: Identifier, key: Identifier, app: AppHere, connection: InTransaction) -> Any:
    """Return every version of one record, whole, oldest first."""
    versions = app.catalog(connection).versions.get((kind, key), ())
    if not versions:
        raise Rejected("masterdata.unknown", f"There is no {kind} {key!r}.")
    return [version_view(version, is_whole=True) for version in versions]
