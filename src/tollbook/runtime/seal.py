"""Seals what the policy says is old enough: asked for by a person, or by the worker each round."""

from dataclasses import dataclass
from datetime import date, timedelta

from tollbook.flow.capture.sealing import step
from tollbook.flow.capture.sealing.fields import fields_known
from tollbook.flow.capture.sealing.step import Sealing, Waiting
from tollbook.flow.capture.segments.manifest import Segment
from tollbook.masterdata.store import load_catalog
from tollbook.runtime.street import sweep_all
from tollbook.storage.database import Database
from tollbook.values.clock import Clock


@dataclass(frozen=True, slots=True)
class Sealed:
    """What sealing did: the segments it wrote, and the days that wait."""

    segments: tuple[Segment, ...] = ()
    waiting: tuple[Waiting, ...] = ()


def seal(
    database: Database, clock: Clock, *, through: date, by: str, newest_days: int = 1
) -> Sealed:
    """Seal every day up to one (that included) which is over since `newest_days` days.

    A day that is not ready waits, and the others go on.
    """
    at = clock.now()
    sweep_all(database, clock)
    last = min(through, at.date() - timedelta(days=newest_days))
    with database.transaction() as connection:
        catalog = load_catalog(connection, known_at=at)
    sealing = Sealing(fields_known(catalog), by=by, at=at)
    done = list(step.seal_through(database, last, sealing))
    return Sealed(
        segments=tuple(one for found in done if isinstance(found, list) for one in found),
        waiting=tuple(found for found in done if isinstance(found, Waiting)),
    )


def seal_by_policy(database: Database, clock: Clock, *, seal_after_days: int, by: str) -> Sealed:
    """Seal the days that are over for longer than the policy says; nothing when it is off (0)."""
    if seal_after_days == 0:
        return Sealed()
    return seal(database, clock, through=date.max, by=by, newest_days=seal_after_days)
