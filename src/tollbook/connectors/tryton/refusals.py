"""What Tryton's refusals mean; pure. The sentences were provoked on Tryton 8.2 (see README.md)."""

from typing import Final

from tollbook.errors import Failure
from tollbook.records.posting import FinanceDocument
from tollbook.sdk.outcomes import Reason, closed_period, duplicate_key, rejected

# In order: the first phrase found in the refusal decides.
_REASONS: Final[tuple[tuple[str, Reason], ...]] = (
    ('for field "Account"', "invalid_account"),
    ('for field "Party"', "unknown_customer"),
    ('for field "Invoice Address"', "unknown_customer"),
    ('for field "Tax"', "missing_or_invalid_tax"),
    ('for field "Currency"', "invalid_currency"),
    ("No rate found", "invalid_currency"),
    ("must set an invoice date after", "sequence_order"),
    ("balance all its lines", "unbalanced"),
    ("number of digits", "precision_or_length"),
)
_CLOSED: Final = (
    "reopen the period",
    "reopen the fiscal year",
    "in closed period",
    # Reopening a period in Tryton leaves its journals closed.
    "on closed journal-period",
    "must create a period",
)
_DUPLICATE: Final = ("external key is already used", 'You can not call "post" on')


def classify(message: str, document: FinanceDocument) -> Failure:
    """Return the failure that a refusal of a document means."""
    if any(phrase in message for phrase in _DUPLICATE):
        return duplicate_key(document.key)
    if any(phrase in message for phrase in _CLOSED):
        month = f"{document.accounting_date:%Y-%m}"
        return closed_period(month, message, company=document.company)
    reason: Reason = "validation"
    for phrase, meaning in reversed(_REASONS):
        reason = meaning if phrase in message else reason
    return rejected(reason, message, cause=f"{document.company}|{message}")
