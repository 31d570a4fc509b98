"""How the intake stands: what came in since ever, what waits, and how old the summaries are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tollbook.flow.capture.store import tallies
from tollbook.storage.database import Connection


@dataclass(frozen=True, slots=True)
class IntakeState:
    """Counts since ever by door, and what waits now.

    `answers` are by door and answer, `refusals` by door and code. Ages are in whole seconds;
    `last_event_age` is None before the first event.
    """

    answers: Mapping[tuple[str, str], int]
    refusals: Mapping[tuple[str, str], int]
    quarantine_open: Mapping[str, int]
    dirty_days: int
    summary_age: int
    last_event_age: int | None


def intake_state(connection: Connection, *, at: datetime) -> IntakeState:
    """Return how the intake stands at an instant."""
    counted = tallies(connection)
    days, oldest = connection.execute(
        """select count(distinct d.day), min(r.received_at)
           from (select day, receipt from dirty_day
                 union all select day, receipt from usage_delta_day) d
           left join intake_receipt r using (receipt)"""
    ).fetchone() or (0, None)
    last = connection.execute(
        "select received_at from intake_receipt order by receipt desc limit 1"
    ).fetchone()
    return IntakeState(
        # A code has a dot, an answer has none.
        answers={key: n for key, n in counted.items() if "." not in key[1]},
        refusals={key: n for key, n in counted.items() if "." in key[1]},
        quarantine_open=dict(
            connection.execute(
                """select code, count(*) from quarantine where state = 'open'
                   group by code order by code"""
            ).fetchall()
        ),
        dirty_days=days,
        summary_age=_seconds(oldest, at) or 0,
        last_event_age=_seconds(last[0], at) if last else None,
    )


def _seconds(since: datetime | None, at: datetime) -> int | None:
    return None if since is None else max(0, int((at - since).total_seconds()))
