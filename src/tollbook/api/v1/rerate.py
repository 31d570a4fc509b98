"""Re-rating over HTTP: a month's stored usage on other terms; kept runs and their approval."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from tollbook.api.context import (
    Actor,
    AppHere,
    ExactJson,
    Identifier,
    InTransaction,
    Limit,
    parse_month,
)
from tollbook.api.problems import problem
from tollbook.api.typed import many, one
from tollbook.errors import Rejected
from tollbook.flow.rate.rerate.compare import TOP_DEFAULT, TOP_MAX
from tollbook.flow.rate.rerate.step import Question
from tollbook.flow.rate.rerate.store import list_runs
from tollbook.masterdata.documents import documents_to_versions
from tollbook.masterdata.view import plan_view
from tollbook.runtime import rerate as rerating
from tollbook.storage.database import Connection
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["re-rating"])

_INVALID: Final = "masterdata.plan_has_problems"
_CORRECT_FIRST: Final = "Nothing was rated: correct what is listed under problems."
_WORDS: Final = ("period", "terms", "customers", "as_if_in_force", "top")

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["period", "terms"],
                    "additionalProperties": False,
                    "properties": {
                        "period": {"type": "string", "description": "Service month, YYYY-MM."},
                        "terms": {
                            "type": "object",
                            "description": "Sections as in the YAML files: price_books, contracts.",
                            "additionalProperties": {"type": "array", "items": {"type": "object"}},
                        },
                        "customers": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Only these; all when it is empty.",
                        },
                        "as_if_in_force": {
                            "type": "boolean",
                            "description": "Versions that start later count from the period's start.",
                        },
                        "top": {"type": "integer", "minimum": 0, "maximum": TOP_MAX},
                    },
                },
                "example": {
                    "period": "2023-11",
                    "terms": {
                        "price_books": [
                            {
                                "id": "usd",
                                "version": 2,
                                "currency": "USD",
                                "effective_from": "2023-11-01",
                                "prices": [
                                    {"product": "large", "model": "unit", "unit_price": "0.005"}
                                ],
                            }
                        ]
                    },
                },
            }
        },
    }
}


@router.post(
    "/v1/rerate",
    summary="Rate a month on other terms",
    responses=one("Report"),
    openapi_extra=_BODY,
)
def rerate(body: ExactJson, app: AppHere, connection: InTransaction) -> Any:
    """Return totals, winners, losers and the largest differences; nothing is stored or booked."""
    question, terms = _asked(body), _terms(body, app, connection)
    if terms.planned.problems:
        return _refused(terms)
    return to_builtins(rerating.what_if(connection, terms, question).report)


@router.post(
    "/v1/rerate-runs", summary="Keep a re-rating", responses=one("RerateRun"), openapi_extra=_BODY
)
def save(
    body: ExactJson,
    app: AppHere,
    connection: InTransaction,
    by: Actor,
    reason: Annotated[str, Query(description="Why, for the audit.")],
) -> Any:
    """Rate a month on other terms and keep the answer, so that another person can approve it."""
    question, terms = _asked(body), _terms(body, app, connection)
    if terms.planned.problems:
        return _refused(terms)
    answer = rerating.what_if(connection, terms, question)
    run = rerating.save(
        connection, terms, question, answer, by=by, reason=reason, at=app.clock.now()
    )
    return to_builtins(run)


@router.get("/v1/rerate-runs", summary="List kept re-ratings", responses=many("RerateRun"))
def runs(connection: InTransaction, limit: Limit = 50) -> Any:
    """Return kept runs, newest first."""
    return to_builtins(list_runs(connection, limit=limit))


@router.get("/v1/rerate-runs/{run_id}", summary="Show one", responses=one("RerateRun"))
def show(run_id: Identifier, connection: InTransaction) -> Any:
    """Return a kept run: its terms, what it found, and who approved it."""
    return to_builtins(rerating.find(connection, run_id))


@router.post("/v1/rerate-runs/{run_id}/approve", summary="Approve a re-rating")
def approve(
    run_id: Identifier,
    app: AppHere,
    by: Actor,
    reason: Annotated[str, Query(description="Why, for the audit.")],
) -> Any:
    """Apply the terms of a run and rate its month: differences become charges that correct."""
    with app.database.transaction() as connection:
        approved = rerating.approve(connection, run_id, by=by, reason=reason, at=app.clock.now())
    replayed = app.replayer().replay_all(by=by, reason=f"re-rating approved: {reason}")
    return {**to_builtins(approved), "replayed": to_builtins(replayed)}


def _asked(body: Mapping[str, Any]) -> Question:
    unknown = sorted(body.keys() - set(_WORDS))
    if unknown or not isinstance(body.get("period"), str):
        raise _invalid(
            f"{unknown[0]!r} is not known." if unknown else "period is a month written YYYY-MM."
        )
    customers, top = body.get("customers", []), body.get("top", TOP_DEFAULT)
    if not isinstance(customers, list) or not all(isinstance(one, str) for one in customers):
        raise _invalid("customers is a list of customer ids.")
    if type(top) is not int or not 0 <= top <= TOP_MAX:
        raise _invalid(f"top is a whole number up to {TOP_MAX}.")
    as_if_in_force = body.get("as_if_in_force", False)
    if not isinstance(as_if_in_force, bool):
        raise _invalid("as_if_in_force is true or false.")
    return Question(parse_month(body["period"]), frozenset(customers), as_if_in_force, top)


def _terms(body: Mapping[str, Any], app: AppHere, connection: Connection) -> rerating.Terms:
    sections = body.get("terms")
    if not isinstance(sections, dict):
        raise _invalid("terms are sections of documents, such as price_books.")
    wanted = documents_to_versions(sections)
    return rerating.plan_terms(connection, wanted, at=app.clock.now())


def _refused(terms: rerating.Terms) -> Any:
    shown = plan_view(terms.planned)["problems"]
    return problem(422, _INVALID, _CORRECT_FIRST, problems=shown)


def _invalid(message: str) -> Rejected:
    return Rejected("rerate.invalid_question", message)
