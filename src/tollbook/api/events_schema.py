"""The OpenAPI description of POST /v1/events, which FastAPI does not see."""

from typing import Any, Final

from tollbook.api.problems import PROBLEM_RESPONSE

_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject", "time"],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 1024},
        "source": {"type": "string", "minLength": 1, "maxLength": 1024},
        "type": {"type": "string", "minLength": 1, "maxLength": 1024},
        "subject": {"type": "string", "minLength": 1, "maxLength": 1024},
        "time": {"type": "string", "format": "date-time", "description": "With its zone."},
        "datacontenttype": {"type": "string"},
        "data": {"type": "object"},
    },
}
_RESULT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "index": {"type": "integer"},
        "source": {"type": "string"},
        "id": {"type": "string"},
        "status": {"enum": ["accepted", "duplicate", "conflict", "rejected"]},
        "event_id": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "conflict_id": {"type": "string"},
        "quarantine_id": {"type": "string"},
    },
}
_ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "receipt": {"type": "integer"},
        "accepted": {"type": "integer"},
        "duplicates": {"type": "integer"},
        "conflicts": {"type": "integer"},
        "rejected": {"type": "integer"},
        "results": {"type": "array", "items": _RESULT},
    },
}


def _answer(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ANSWER}}}


def _problem(description: str) -> dict[str, Any]:
    return {**PROBLEM_RESPONSE, "description": description}


EVENTS_PATH: Final[dict[str, Any]] = {
    "post": {
        "tags": ["capture"],
        "summary": "Send usage events",
        "description": "Takes CloudEvents 1.0 over HTTP in structured, batch and binary mode. "
        "Every event gets its own answer, after it is durable. `Prefer: return=minimal` leaves "
        "the answers of accepted events out.",
        "operationId": "post_events",
        "requestBody": {
            "required": True,
            "content": {
                "application/cloudevents+json": {"schema": _EVENT},
                "application/cloudevents-batch+json": {
                    "schema": {"type": "array", "items": _EVENT}
                },
                "application/json": {
                    "schema": {
                        "type": "object",
                        "description": "Binary mode: the data; the attributes are ce- headers.",
                    }
                },
            },
        },
        "responses": {
            "200": _answer("Every event has its answer."),
            "400": _problem("The body cannot be read; it is kept in quarantine."),
            "409": _answer("A single event reuses an id with other content."),
            "401": _problem("No key, or one that is not known."),
            "403": _problem("The key lacks the scope, or is bound to other sources."),
            "408": _problem("The body came too slowly."),
            "413": _problem("The body is too large."),
            "415": _problem("The content type is none of CloudEvents."),
            "422": _answer("A single event was rejected; it is kept in quarantine."),
            "429": _problem(
                "The key sends too much, or all together more than is stored: nothing was stored; send it again later."
            ),
            "431": _problem("The attributes in headers are too many or too large."),
            "503": _problem("Nothing was stored; send it again."),
        },
    }
}
