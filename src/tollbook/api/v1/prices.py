"""Rate a quantity against a price, without storing anything."""

from typing import Any, Final

from fastapi import APIRouter, Request

from tollbook.errors import Rejected
from tollbook.flow.rate.evaluate import evaluate, shown
from tollbook.storage.database import decode_json

router = APIRouter(tags=["prices"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["price", "quantity"],
                    "properties": {
                        "price": {"type": "object", "description": "As in a price book."},
                        "quantity": {"type": ["string", "number"]},
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
async def evaluate_price(request: Request) -> Any:
    """Return the working, the exact amount and what is payable: the code path of production."""
    try:
        body = decode_json(await request.body())
    except ValueError as error:
        raise Rejected("api.malformed_json", f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict) or not body.keys() >= {"price", "quantity"}:
        raise Rejected("api.not_an_object", "The body is an object with a price and a quantity.")
    return shown(evaluate(body["price"], body["quantity"], name="price"))
