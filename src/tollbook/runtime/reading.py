"""Reads every number that metrics and the live view show, in one transaction."""

from datetime import datetime
from typing import Final, get_args

from tollbook.flow.capture.step import Status
from tollbook.observe.metrics import HELD, Numbers
from tollbook.reports.backlog import backlog
from tollbook.reports.intake import intake_state
from tollbook.runtime.signals import LATENCY_SECONDS, heard, sum_of
from tollbook.storage.database import Connection

HTTP: Final = "http"


def read_numbers(connection: Connection, *, at: datetime) -> Numbers:
    """Return what was counted by all processes since ever, and what they hold now."""
    signals = heard(connection)
    counted = sum_of(signals)
    alive = {one.process: one.body for one in signals if one.is_heard(at)}
    intake, waiting = intake_state(connection, at=at), backlog(connection, at=at)
    return Numbers(
        events={(HTTP, answer): 0 for answer in get_args(Status)} | dict(intake.answers),
        refusals=intake.refusals,
        refused_requests=counted["refused"],
        bounds=LATENCY_SECONDS,
        latency=counted["latency"],
        latency_sum=counted["latency_sum"],
        processes={
            process: {name: int(body.get(name, 0)) for name in HELD}
            for process, body in alive.items()
        },
        connections={
            (process, state): int(count)
            for process, body in alive.items()
            for state, count in body.get("connections", {}).items()
        },
        open_work_items=waiting.open_work_items,
        quarantine_open=intake.quarantine_open,
        dirty_days=intake.dirty_days,
        summary_age=intake.summary_age,
        last_event_age=intake.last_event_age,
        postings=waiting.postings,
        oldest_unposted_seconds=waiting.oldest_unposted_seconds,
    )
