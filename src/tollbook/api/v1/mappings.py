"""Source mappings over HTTP: preview what a mapping would make of a sample."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from tollbook.api.context import AppHere, ExactJson, Identifier, InTransaction
from tollbook.api.typed import one
from tollbook.errors import Rejected
from tollbook.runtime.mapping_preview import rehearse_stored, run_preview
from tollbook.runtime.sample import FORMATS, read_stream
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rows import FileRule, read_rule
from tollbook.sdk.source import SourceRecord

router = APIRouter(tags=["capture"])

RECORDS_MAX: Final = 1_000
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
# A sample in a request is text.
_TEXT_FORMATS: Final = (*(form for form in FORMATS if form != "parquet"), "fixed")

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "Either `records`, or a file as text in `sample`.",
                    "properties": {
                        "records": {"type": "array", "maxItems": RECORDS_MAX},
                        "sample": {"type": "string"},
                        "format": {"enum": list(_TEXT_FORMATS)},
                        "options": {
                            "type": "object",
                            "description": "How the sample is written: the options of a source.",
                            "additionalProperties": {"type": "string"},
                        },
                        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                    },
                },
                "example": {"records": [{"tenant": "cus_001", "tokens": 12}]},
            }
        },
    }
}


@router.post(
    "/v1/source-mappings/{mapping_id}/preview",
    summary="Preview a mapping",
    responses=one("Preview"),
    openapi_extra=_BODY,
)
def preview_mapping(
    mapping_id: Identifier, body: ExactJson, app: AppHere, connection: InTransaction
) -> Response:
    """Return which events a sample would become and the door's answer; nothing is stored."""
    at = app.clock.now()
    rehearsal = rehearse_stored(
        connection, mapping_id, at=at, future_hours_max=app.settings.future_hours_max
    )
    found = run_preview(connection, rehearsal, _records(body), at=at)
    return Response(_ENCODER.encode(found), media_type="application/json")


def _records(body: Mapping[str, Any]) -> Iterator[SourceRecord]:
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _invalid("metadata is an object of texts.")
    records, sample, form = body.get("records"), body.get("sample"), body.get("format")
    if isinstance(records, list) and sample is None and len(records) <= RECORDS_MAX:
        for row, record in enumerate(records, start=1):
            yield SourceRecord(_ENCODER.encode(record), metadata={"row": str(row), **metadata})
    elif isinstance(sample, str) and records is None and form in _TEXT_FORMATS:
        stream = io.BytesIO(sample.encode())
        for record in read_stream(stream, "sample", _rule(form, body), limit=RECORDS_MAX):
            place = {**record.metadata, **metadata}
            yield SourceRecord(record.body, metadata=place, refusal=record.refusal)
    else:
        raise _invalid(
            f"Send at most {RECORDS_MAX} records in `records`, or a file as text in `sample` with "
            f"its `format`, one of {', '.join(_TEXT_FORMATS)}."
        )


def _rule(form: str, body: Mapping[str, Any]) -> FileRule:
    given = body.get("options", {})
    if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
        raise _invalid("options is an object of texts.")
    options = Options({**given, "format": form})
    rule = read_rule(options)
    options.refuse_others()
    return rule


def _invalid(message: str) -> Rejected:
    return Rejected("api.invalid_request", message)
