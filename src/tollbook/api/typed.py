"""What the answers of read routes look like, for the OpenAPI document."""

import inspect
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tollbook.flow.capture.completeness.store import Watermark
from tollbook.flow.capture.corrections.step import Amended
from tollbook.flow.capture.corrections.store import Backfill
from tollbook.flow.capture.events.store import StoredEvent
from tollbook.flow.capture.objects.store import SourceObject
from tollbook.flow.capture.quarantine.store import Cause
from tollbook.flow.capture.sealing.store import Hold
from tollbook.flow.capture.segments.manifest import Segment
from tollbook.flow.capture.sources.store import Position
from tollbook.flow.meter.current import CurrentUsage
from tollbook.flow.meter.events.store import EventBehind
from tollbook.flow.rate.live.entitlement import Entitlement
from tollbook.flow.rate.live.step import CurrentCharges
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.rerate.compare import Report
from tollbook.flow.rate.rerate.store import RerateRun
from tollbook.records.alert import CreditControl, ThresholdReached
from tollbook.records.invoice import Invoice
from tollbook.records.usage import MeteredUsage
from tollbook.reports.arrival import LateReport
from tollbook.reports.leakage import Leakage
from tollbook.reports.recount import Recounted
from tollbook.reports.segments import SegmentCheck
from tollbook.runtime.mapped_sample import Preview
from tollbook.runtime.sources import SourceView

_REFERENCE: Final = "#/components/schemas/{name}"
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_TEXT_OR_NULL: Final[dict[str, Any]] = {"type": ["string", "null"]}
_INSTANT: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_INSTANT_OR_NULL: Final[dict[str, Any]] = {"type": ["string", "null"], "format": "date-time"}
_NUMBER: Final[dict[str, Any]] = {"type": "string", "format": "decimal"}


def _object(description: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": dict(properties),
        "required": list(properties),
    }


def _schema_of(kind: type) -> dict[str, Any]:
    """Describe what msgspec has no schema for."""
    if kind is Counter:
        return {"type": "object", "additionalProperties": {"type": "integer"}}
    raise TypeError(f"{kind} has no schema yet")


def _components() -> dict[str, Any]:
    records = [
        *(MeteredUsage, StoredEvent, RatedCharge, Invoice),
        *(SourceView, Position, SourceObject, Watermark, Cause, Backfill, Amended),
        *(
            CurrentUsage,
            EventBehind,
            Segment,
            SegmentCheck,
            Hold,
            Recounted,
            Leakage,
            LateReport,
            Preview,
            Report,
            RerateRun,
        ),
        *(CurrentCharges, CreditControl, Entitlement, ThresholdReached),
    ]
    _, found = msgspec.json.schema_components(
        records, ref_template=_REFERENCE, schema_hook=_schema_of
    )
    for schema in found.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    shown = found["Invoice"]["properties"] | {
        "service_month": _TEXT,
        "net": _NUMBER,
        "tax": _NUMBER,
        "total": _NUMBER,
    }
    source = found["SourceView"]["properties"]
    positions = {"type": "array", "items": {"$ref": _REFERENCE.format(name="Position")}}
    objects = {"type": "array", "items": {"$ref": _REFERENCE.format(name="SourceObject")}}
    return {
        **found,
        "Source": _object("A source and where its lanes stand.", source | {"positions": positions}),
        "SourceObjects": _object(
            "What became of the objects of a source.",
            {
                "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
                "complete_up_to": _INSTANT_OR_NULL,
                "objects": objects,
            },
        ),
        "RefusedCause": _object(
            "What one correction would cure, and what it is worth.",
            found["Cause"]["properties"] | {"estimate": {"type": ["object", "null"]}},
        ),
        "Answer": _object(
            "What became of one event.",
            {
                "status": {"enum": ["accepted", "duplicate", "conflict", "rejected", "ignored"]},
                **dict.fromkeys(("source", "id", "code", "message", "kept_as"), _TEXT),
            },
        ),
        "Invoice": _object("An invoice or credit memo with its totals.", shown),
        "Quarantined": _object(
            "A refused event with the bytes as they came, and what became of it.",
            {
                **dict.fromkeys(("quarantine_id", "door", "code", "message", "cause"), _TEXT),
                "received_at": _INSTANT,
                **dict.fromkeys(("source", "event_id", "closed_by", "reason"), _TEXT_OR_NULL),
                "state": {"enum": ["open", "replayed", "discarded"]},
                "closed_at": _INSTANT_OR_NULL,
                "raw": _TEXT,
                "corrected": _TEXT_OR_NULL,
                "mapping": _TEXT_OR_NULL,
                "metadata": {"type": ["object", "null"]},
            },
        ),
    }


# The schemas that the references below point to.
COMPONENTS: Final[Mapping[str, Any]] = _components()


def one(name: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is one record."""
    return _answer({"$ref": _REFERENCE.format(name=name)})


def many(name: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is a list of records."""
    return _answer({"type": "array", "items": {"$ref": _REFERENCE.format(name=name)}})


def page(name: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer that is a page of records."""
    items = {"type": "array", "items": {"$ref": _REFERENCE.format(name=name)}}
    cursor = {"type": ["string", "null"], "description": "The `cursor` of the next page, if any."}
    return _answer(_object("A page.", {"items": items, "next": cursor}))


def _answer(schema: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"schema": dict(schema)}}}}
