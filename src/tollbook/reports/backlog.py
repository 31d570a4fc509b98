"""What waits right now: work items by code, postings by state, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tollbook.flow.post.store import counts, oldest_unposted
from tollbook.storage.database import Connection
from tollbook.worklist.store import open_counts


@dataclass(frozen=True, slots=True)
class Backlog:
    """Open work items by code; postings by target and state; seconds that the oldest one waits."""

    open_work_items: Mapping[str, int]
    postings: Mapping[tuple[str, str], int]
    oldest_unposted_seconds: int


def backlog(connection: Connection, *, at: datetime) -> Backlog:
    """Return what waits at an instant."""
    oldest = oldest_unposted(connection)
    return Backlog(
        open_work_items=open_counts(connection),
        postings={(target, state): count for target, state, count in counts(connection)},
        oldest_unposted_seconds=max(0, int((at - oldest).total_seconds())) if oldest else 0,
    )
