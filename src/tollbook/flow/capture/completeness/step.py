"""Takes declarations of completeness, and tells what a month still waits for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture.completeness import store
from tollbook.flow.capture.completeness.store import Override, Watermark
from tollbook.flow.capture.reason import require_reason
from tollbook.records.parties import LegalEntity
from tollbook.storage.database import Connection
from tollbook.values.period import Month
from tollbook.values.zone import instants


@dataclass(frozen=True, slots=True)
class Gap:
    """A source that has not said that a month is complete; `complete_until` is how far it is.

    `overridden_by` is who decided to invoice all the same; empty when nobody did.
    """

    entity_id: str
    month: str
    source: str
    complete_until: datetime | None
    overridden_by: str = ""

    @property
    def blocks(self) -> bool:
        """Whether invoices of the entity wait for the source."""
        return not self.overridden_by

    def __str__(self) -> str:
        how_far = (
            f"is complete up to {self.complete_until:%Y-%m-%d %H:%M:%S} UTC only"
            if self.complete_until
            else "has not said up to when it is complete"
        )
        return f"Source {self.source} {how_far}"


def set_watermark(
    connection: Connection,
    *,
    source: str,
    complete_until: datetime,
    by: str,
    reason: str,
    at: datetime,
) -> Watermark:
    """Note that a source is complete up to an instant (not included), as a person or system says.

    Going back needs a reason: what was invoiced meanwhile stays invoiced.
    """
    if complete_until.tzinfo is None:
        raise Rejected("capture.invalid_time", "A watermark is an instant with its zone.")
    present = store.watermarks(connection, [source])
    is_lower = bool(present) and complete_until < present[0].complete_until
    if is_lower and not reason.strip():
        raise Rejected(
            "capture.watermark_backwards",
            f"Source {source} is complete up to {present[0].complete_until.isoformat()} already: "
            "give a reason to go back.",
        )
    is_news = store.declare(
        connection,
        source=source,
        complete_until=complete_until,
        by=by,
        reason=reason,
        at=at,
        may_lower=True,
    )
    if is_news:
        audit.record(
            connection,
            at=at,
            actor=by,
            action="capture.watermark",
            object_id=source,
            reason=reason or "declared",
            before=present[0].complete_until.isoformat() if present else None,
            after=complete_until.isoformat(),
        )
    return store.watermarks(connection, [source])[0]


def gaps(connection: Connection, entity: LegalEntity, month: Month) -> list[Gap]:
    """Return the sources that an entity's month waits for, in order, overridden ones too.

    The month ends at midnight in the entity's time zone.
    """
    end = instants(month.period, entity.zone).end
    required = set(entity.required_sources)
    if entity.sources_seen_days:
        until = month.plus(1).first
        first = until - timedelta(days=entity.sources_seen_days)
        required.update(store.sources_seen(connection, first, until))
    if not required:
        return []
    known = {
        one.source: one.complete_until for one in store.watermarks(connection, sorted(required))
    }
    decided = {
        one.source: one.decided_by
        for one in store.overrides(connection, str(month))
        if one.entity_id == entity.entity_id
    }
    return [
        Gap(entity.entity_id, str(month), source, known.get(source), decided.get(source, ""))
        for source in sorted(required)
        if source not in known or known[source] < end
    ]


def override_gap(
    connection: Connection,
    *,
    entity: LegalEntity,
    month: Month,
    source: str,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Let an entity invoice a month although a source is not complete; audited."""
    require_reason(reason)
    found = [gap for gap in gaps(connection, entity, month) if gap.source == source]
    if not found:
        raise Rejected(
            "capture.not_waiting",
            f"{entity.entity_id} does not wait for source {source} in {month}: nothing to override.",
        )
    override = Override(entity.entity_id, str(month), source, reason, at, by)
    if store.insert_override(connection, override):
        audit.record(
            connection,
            at=at,
            actor=by,
            action="capture.override",
            object_id=f"{entity.entity_id}/{month}/{source}",
            reason=reason,
            before=str(found[0]),
        )
