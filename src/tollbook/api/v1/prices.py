"""Rate a quantity against a price, without storing anything."""

from typing import Any, Final

from fastapi import APIRouter

from tollbook.api.context import ExactJson
from tollbook.errors import Rejected
from tollbook.flow.rate.evaluate import evaluate, shown
from tollbook.flow.rate.used import KEYS

router = APIRouter(tags=["prices"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["price"],
                    "properties": {
                        "price": {"type": "object", "description": "As in a price book."},
                        "quantity": {"type": ["string", "number"]},
                        "events": {
                            "type": ["string", "number", "array"],
                            "description": "How many events, or each with quantity and amount.",
                        },
                        "amount": {"type": ["string", "number"]},
                        "cells": {"type": "array", "items": {"type": "object"}},
                        "windows": {"type": "array", "items": {"type": ["string", "number"]}},
                        "before": {
                            "type": ["string", "number", "object"],
                            "description": "What was used earlier in the same span.",
                        },
                    },
                },
                "example": {
                    "price": {"model": "unit", "currency": "USD", "unit_price": "0.002"},
                    "quantity": "1250",
                },
            }
        },
    }
}


@router.post("/v1/price-evaluations", summary="Rate a quantity", openapi_extra=_BODY)
def evaluate_price(body: ExactJson) -> Any:
    """Return the working, the exact amount and what is payable: the code path of production."""
    used = {key: body[key] for key in KEYS if key in body}
    if "price" not in body or not used:
        raise Rejected("api.incomplete", "The body must have a price and a quantity.")
    return shown(evaluate(body["price"], used, before=body.get("before"), name="price"))
