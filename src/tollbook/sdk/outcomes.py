"""The refusals a connector tells apart, each with its stable code."""

from typing import Final, Literal, get_args

from tollbook.errors import Blocked, Rejected, Transient, Unknown

Reason = Literal[
    "missing_or_invalid_tax",
    "unknown_customer",
    "invalid_account",
    "inactive_account",
    "invalid_currency",
    "invalid_dimension",
    "duplicate_foreign",
    "unbalanced",
    "precision_or_length",
    "sequence_order",
    "permission",
    "validation",
]

REASONS: Final[tuple[Reason, ...]] = get_args(Reason)

CLOSED_PERIOD: Final = "post.closed_period"
MISSING_SETTING: Final = "post.missing_setting"
THROTTLED: Final = "post.throttled"
UNAVAILABLE: Final = "post.target_unavailable"
NOT_EXECUTED: Final = "post.not_executed"
NO_ANSWER: Final = "post.no_answer"
DUPLICATE_KEY: Final = "post.duplicate_key"


def rejected(reason: Reason, words: str, *, cause: str = "") -> Rejected:
    """Make the refusal of a document; `words` are the ERP's own, `cause` what would cure it."""
    return Rejected(
        f"post.rejected.{reason}",
        f"The ERP refused the document: {words.rstrip('.')}. Correct the cause, then replay.",
        cause=cause,
    )


def closed_period(month: str, words: str, *, company: str) -> Blocked:
    """Make the refusal of a document whose accounting period is closed in the ERP."""
    return Blocked(
        CLOSED_PERIOD,
        f"The ERP's period {month} of company {company} does not take documents: "
        f"{words.rstrip('.')}. Reopen it there; the document is then sent again by itself.",
        cause=f"{company}|{month}",
    )


def missing_setting(name: str, *, company: str, purpose: str) -> Blocked:
    """Make the refusal of a document that the GL map's settings are too thin for."""
    return Blocked(
        MISSING_SETTING,
        f"The GL map of company {company} has no setting {name}, {purpose}: add it.",
        cause=f"{company}|{name}",
    )


def throttled(words: str, *, retry_after_seconds: int | None = None) -> Transient:
    """Make the answer of an ERP that takes no more requests now; nothing happened."""
    return Transient(THROTTLED, words, retry_after_seconds=retry_after_seconds)


def unavailable(words: str) -> Transient:
    """Make the answer of an ERP that does not let us in: no document is to blame."""
    return Transient(UNAVAILABLE, words)


def not_executed(words: str, *, retry_after_seconds: int | None = None) -> Transient:
    """Make the failure of a request that certainly had no effect."""
    return Transient(NOT_EXECUTED, words, retry_after_seconds=retry_after_seconds)


def no_answer(words: str) -> Unknown:
    """Make the failure of a write that may have taken effect."""
    return Unknown(NO_ANSWER, words)


def duplicate_key(key: str) -> Unknown:
    """Make the refusal of a key the ERP already holds; a look-up tells whose document it is."""
    return Unknown(DUPLICATE_KEY, f"The ERP already holds a document under {key}.")
