"""What the live view shows: rates between two looks, what waits, and the last refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tollbook.flow.capture.completeness.store import watermarks
from tollbook.observe.metrics import Numbers
from tollbook.runtime.reading import read_numbers
from tollbook.storage.database import Connection

ERRORS_SHOWN: Final = 5
ANSWERS: Final = ("accepted", "duplicate", "conflict", "rejected")


@dataclass(frozen=True, slots=True)
class View:
    """One look at everything; two of them give the rates."""

    at: datetime
    numbers: Numbers
    sources: Sequence[Mapping[str, Any]]
    last_errors: Sequence[Mapping[str, str]]

    def since(self, before: "View") -> dict[str, Any]:
        """Return what is shown: rates a second since an earlier look, and what is the case now."""
        seconds = max((self.at - before.at).total_seconds(), 1e-3)
        return {
            "at": f"{self.at:%Y-%m-%dT%H:%M:%SZ}",
            "seconds": round_down(seconds),
            "doors": self._doors(before, seconds),
            "waits": self._waits(),
            "refused_requests": dict(self.numbers.refused_requests),
            "rejected": _by_code(self.numbers.refusals),
            "sources": list(self.sources),
            "last_errors": list(self.last_errors),
        }

    def _doors(self, before: "View", seconds: float) -> dict[str, dict[str, int]]:
        now, then = self.numbers.events, before.numbers.events
        found: dict[str, dict[str, int]] = {}
        for door in dict.fromkeys(door for door, _ in now):
            rates = {
                answer: round_down(
                    (now.get((door, answer), 0) - then.get((door, answer), 0)) / seconds
                )
                for answer in ANSWERS
            }
            ever = sum(count for (one, _), count in now.items() if one == door)
            found[door] = {"events": sum(rates.values()), **rates, "ever": ever}
        return found

    def _waits(self) -> dict[str, int | None]:
        numbers = self.numbers
        said = numbers.processes.values()
        return {
            "api_processes": len(numbers.processes),
            "queued_events": sum(one["waiting_events"] for one in said),
            "queued_bytes": sum(one["waiting_bytes"] for one in said),
            "oldest_queued_milliseconds": max(
                (one["oldest_waiting_milliseconds"] for one in said), default=0
            ),
            "inflight_bytes": sum(one["inflight_bytes"] for one in said),
            "last_event_age_seconds": numbers.last_event_age,
            "dirty_days": numbers.dirty_days,
            "summary_age_seconds": numbers.summary_age,
            "quarantine": sum(numbers.quarantine_open.values()),
            "work_items": sum(numbers.open_work_items.values()),
        }


def read_view(connection: Connection, *, at: datetime) -> View:
    """Look at everything now."""
    return View(at, read_numbers(connection, at=at), _sources(connection, at), _errors(connection))


def round_down(number: float) -> int:
    """Return the whole part of a number that is shown and never calculated with."""
    return int(number)


def _by_code(refusals: Mapping[tuple[str, str], int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, code), count in refusals.items():
        found[code] = found.get(code, 0) + count
    return found


def _errors(connection: Connection) -> list[dict[str, str]]:
    rows = connection.execute(
        """select received_at, code, message from quarantine
           order by received_at desc, quarantine_id limit %s""",
        [ERRORS_SHOWN],
    )
    return [
        {"at": f"{at:%Y-%m-%d %H:%M:%S}", "code": code, "message": message}
        for at, code, message in rows
    ]


def _sources(connection: Connection, at: datetime) -> list[dict[str, Any]]:
    """Return how far each source that is read lags, and how old what it declared complete is."""
    found: dict[str, dict[str, Any]] = {}
    for source, lag in connection.execute(
        """select source, sum(backlog_records)::bigint from source_report
           where reported_at > %s - interval '1 minute' group by source order by source""",
        [at],
    ):
        found[source] = {"source": source, "lag": lag, "age": None}
    for declared in watermarks(connection):
        nothing = {"source": declared.source, "lag": None, "age": None}
        shown = found.setdefault(declared.source, nothing)
        shown["age"] = max(0, int((at - declared.complete_until).total_seconds()))
    return [found[name] for name in sorted(found)]
