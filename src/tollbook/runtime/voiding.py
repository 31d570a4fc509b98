"""The act of voiding many events, for a preview that undoes it."""

from collections.abc import Callable
from datetime import date, datetime

from tollbook.flow.capture.corrections.step import Voided, void_events
from tollbook.flow.capture.corrections.store import Which
from tollbook.storage.database import Connection


def try_void(
    which: Which, *, at: datetime
) -> Callable[[Connection], tuple[Voided, tuple[date, ...]]]:
    """Return the act of voiding all events that are meant."""

    def act(connection: Connection) -> tuple[Voided, tuple[date, ...]]:
        voided = void_events(connection, which, by="preview", reason="preview", at=at)
        return voided, voided.days

    return act
