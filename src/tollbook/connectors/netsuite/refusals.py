"""What NetSuite's refusals mean: nearly all are USER_ERROR, so the sentence and the field decide."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tollbook.errors import Failure
from tollbook.records.posting import FinanceDocument
from tollbook.sdk.http import Reply, decode
from tollbook.sdk.outcomes import (
    Reason,
    closed_period,
    duplicate_key,
    not_executed,
    rejected,
    throttled,
    unavailable,
)

NOT_THERE: Final = "NONEXISTENT_ID"

_THROTTLE_CODES: Final = frozenset(
    {
        "CONCURRENCY_LIMIT_EXCEEDED",
        "SSS_REQUEST_LIMIT_EXCEEDED",
        "WS_CONCUR_SESSION_DISALLWD",
        "WS_REQUEST_BLOCKED",
    }
)
# The gateway or the server gave up; the write may still be carried out, or have been.
_DOUBTFUL_STATUSES: Final = frozenset({408, 500, 502, 504})
_DOOR_STATUSES: Final = frozenset({401, 403, 404, 405, 406, 415, 428})

# By sentence, first match wins; the sources of the sentences are in README.md.
_BY_SENTENCE: Final[tuple[tuple[str, Reason], ...]] = (
    (r"invalid tax ?code", "missing_or_invalid_tax"),
    (r"not in balance", "unbalanced"),
    (r"account cannot be used", "invalid_account"),
    (r"account .*inactive", "inactive_account"),
    (r"too (large|long)|maximum length|decimal places", "precision_or_length"),
    (r"permission", "permission"),
)
# By the last name in o:errorPath, such as `item.items[0].taxCode`.
_BY_FIELD: Final[Mapping[str, Reason]] = {
    "entity": "unknown_customer",
    "item": "invalid_account",
    "account": "invalid_account",
    "taxCode": "missing_or_invalid_tax",
    "taxType": "missing_or_invalid_tax",
    "nexus": "missing_or_invalid_tax",
    "taxDetailsReference": "missing_or_invalid_tax",
    "currency": "invalid_currency",
    "department": "invalid_dimension",
    "class": "invalid_dimension",
    "location": "invalid_dimension",
}
_CLOSED: Final = re.compile(r"accounting period|period (is )?(closed|locked)", re.IGNORECASE)
_DUPLICATE: Final = re.compile(r"(record|entity) already exists", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """The first error of a problem body."""

    code: str
    detail: str
    path: str

    @property
    def field(self) -> str:
        """The last name in the path: what the refusal is about."""
        return self.path.rpartition(".")[2].partition("[")[0]


def problem_of(reply: Reply) -> Problem | None:
    """Return the error of a problem body, or None when the answer is not one of NetSuite's."""
    try:
        body = decode(reply.body)
    except ValueError:
        return None
    details = body.get("o:errorDetails") if isinstance(body, dict) else None
    if not isinstance(details, list) or not details or not isinstance(details[0], dict):
        return None
    first: dict[str, Any] = details[0]
    return Problem(
        code=str(first.get("o:errorCode", "")),
        detail=str(first.get("detail", "")),
        path=str(first.get("o:errorPath", "")),
    )


def refusal(reply: Reply, document: FinanceDocument | None = None) -> Failure:
    """Sort an answer that is no success; `document` is what was sent, when something was."""
    problem = problem_of(reply)
    words = problem.detail if problem else reply.words
    if reply.status == 429 or (problem and problem.code in _THROTTLE_CODES):
        return throttled(words, retry_after_seconds=reply.retry_after_seconds)
    if problem is None or reply.status in _DOUBTFUL_STATUSES:
        return reply.silence(words)
    if reply.status in _DOOR_STATUSES:
        return unavailable(f"NetSuite does not let us in: HTTP {reply.status} {words}")
    if reply.status == 503:
        return not_executed(words, retry_after_seconds=reply.retry_after_seconds)
    if reply.status != 400 or document is None:
        return reply.silence(words)
    return _of_document(problem, document)


def is_absent(reply: Reply) -> bool:
    """Return whether the answer says that there is no such record, and nothing else."""
    problem = problem_of(reply)
    return reply.status == 404 and problem is not None and problem.code == NOT_THERE


def _of_document(problem: Problem, document: FinanceDocument) -> Failure:
    if _DUPLICATE.search(problem.detail):
        return duplicate_key(document.key)
    if problem.field == "postingPeriod" or _CLOSED.search(problem.detail):
        month = f"{document.accounting_date:%Y-%m}"
        return closed_period(month, problem.detail, company=document.company)
    for pattern, reason in _BY_SENTENCE:
        if re.search(pattern, problem.detail, re.IGNORECASE):
            return _rejected(reason, problem, document)
    return _rejected(_BY_FIELD.get(problem.field, "validation"), problem, document)


def _rejected(reason: Reason, problem: Problem, document: FinanceDocument) -> Failure:
    # One correction cures every document with the same complaint, unless it names none.
    is_shared = problem.field in _BY_FIELD
    cause = f"{document.company}|{problem.detail}" if is_shared else ""
    return rejected(reason, problem.detail, cause=cause)
