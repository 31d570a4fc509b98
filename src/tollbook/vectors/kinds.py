"""Which production code a kind of vector goes through."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tollbook.vectors import (
    allowance,
    calendar,
    commitment,
    contract,
    credit_memo,
    invoice,
    price,
    proration,
    tax,
)
from tollbook.vectors import credits as credits_

# A kind takes what is given, every scalar a text, and returns all that a vector may expect. It
# raises Failure for what production refuses, and Rejected `vectors.invalid` for what it cannot read.
Run = Callable[[Mapping[str, Any]], dict[str, Any]]

KINDS: Final[Mapping[str, Run]] = {
    "allowance": allowance.run,
    "calendar": calendar.run,
    "commitment": commitment.run,
    "contract": contract.run,
    "credit_memo": credit_memo.run,
    "invoice": invoice.run,
    "credits": credits_.run,
    "price": price.run,
    "proration": proration.run,
    "tax": tax.run,
}
