"""The OpenAPI description of the doors beside POST /v1/events that FastAPI does not see."""

from typing import Any, Final

from tollbook.api.problems import PROBLEM_RESPONSE

_ANY_OBJECT: Final[dict[str, Any]] = {"schema": {"type": "object"}}
_BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_REFUSALS: Final[dict[str, Any]] = {"422": PROBLEM_RESPONSE, "default": PROBLEM_RESPONSE}

DOORS: Final[dict[str, Any]] = {
    "/v1/otlp/v1/metrics": {
        "post": {
            "tags": ["capture"],
            "summary": "Send OpenTelemetry metrics",
            "description": "OTLP over HTTP, in protobuf or JSON. Monotonic sums become usage "
            "through the mapping `otlp`; what was not taken is told as a partial success.",
            "operationId": "post_metrics",
            "requestBody": {
                "required": True,
                "content": {"application/x-protobuf": _BYTES, "application/json": _ANY_OBJECT},
            },
            "responses": {
                "200": {
                    "description": "Stored, with what was not taken as a partial success.",
                    "content": {"application/x-protobuf": _BYTES, "application/json": _ANY_OBJECT},
                },
                **_REFUSALS,
            },
        }
    },
    "/v1/hooks/{source}": {
        "post": {
            "tags": ["capture"],
            "summary": "Deliver a signed webhook",
            "description": "For a source of the connector `webhook`. The sender signs what it "
            "sends; it shows no key. Answered after the events are durable.",
            "operationId": "post_delivery",
            "parameters": [
                {
                    "name": "source",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string"},
                    "description": "The name of the source in tollbook.toml.",
                }
            ],
            "requestBody": {"required": True, "content": {"application/json": _ANY_OBJECT}},
            "responses": {
                "200": {
                    "description": "Every event has its answer.",
                    "content": {"application/json": _ANY_OBJECT},
                },
                "401": {**PROBLEM_RESPONSE, "description": "The signature is not right."},
                **_REFUSALS,
            },
        }
    },
}
