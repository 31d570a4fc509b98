"""Nothing is decided about events without a reason."""

from tollbook.errors import Rejected


def require_reason(reason: str) -> None:
    """Refuse a decision without a reason; Rejected `capture.reason_missing`."""
    if not reason.strip():
        raise Rejected("capture.reason_missing", "Say why: the reason goes into the audit trail.")
