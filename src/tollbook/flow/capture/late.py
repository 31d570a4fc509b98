"""What comes too late: events of days that were deleted by the policy of retention."""

from collections.abc import Set as AbstractSet
from datetime import date

from tollbook.flow.capture.admit import Refused, Verdict


def not_on(gone: AbstractSet[date], verdict: Verdict) -> Verdict:
    """Refuse an event of a day whose events were deleted: nobody could count that day again."""
    if isinstance(verdict, Refused) or verdict.occurred_at.date() not in gone:
        return verdict
    day = verdict.occurred_at.date().isoformat()
    message = f"The events of {day} were deleted by the policy of retention: this one is too late."
    return Refused("capture.day_deleted", message, day, verdict.source, verdict.id, verdict.raw)
