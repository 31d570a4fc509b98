"""What tests of the door need: events to bring, and the master data to judge them by."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from tollbook.flow.capture.admit import Admission, build_admission
from tollbook.masterdata.catalog import SINCE_EVER, Catalog, Record, Version
from tollbook.masterdata.store import insert_version, replace_crosswalk
from tollbook.records.commercial import EventType, Meter
from tollbook.storage.database import Database
from tollbook.values.codec import content_hash
from tollbook.values.ids import MeterId

SUBJECTS = [f"cus_{number:03}" for number in range(1, 41)]
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "required": ["model", "region", "input_tokens", "output_tokens"],
    "properties": {
        "model": TEXT,
        "region": TEXT,
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "minutes": {"type": ["number", "string"]},
    },
}
DECIDED_AT = datetime(2023, 1, 1, tzinfo=UTC)

Event = dict[str, Any]


def event(number: int = 1, **changes: Any) -> Event:
    """Give a valid event; a change to None takes the attribute away."""
    whole: Event = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "/inference/us",
        "type": "llm.request",
        "subject": "cus_001",
        "time": "2023-11-16T18:17:03.979960Z",
        "datacontenttype": "application/json",
        "data": data(number),
    } | changes
    return {name: value for name, value in whole.items() if value is not None}


def data(input_tokens: Any = 1, **changes: Any) -> dict[str, Any]:
    """Give valid data of an event."""
    return {
        "model": "m",
        "region": "us",
        "input_tokens": input_tokens,
        "output_tokens": 2,
    } | changes


def raw(number: int = 1, **changes: Any) -> bytes:
    """Give a valid event as bytes."""
    return msgspec.json.encode(event(number, **changes))


RECORDS: dict[tuple[str, str], Record] = {
    ("event_type", "llm.request"): EventType("llm.request", SCHEMA),
    **{
        ("meter", field): Meter(MeterId(field), "llm.request", "sum", "token", value=field)
        for field in ("input_tokens", "output_tokens", "minutes")
    },
}


def version(kind: str, key: str, record: Record) -> Version:
    """Give the first version of a record, in force since ever."""
    return Version(kind, key, 1, SINCE_EVER, record, content_hash(record))


def admission() -> Admission:
    """Give what the door knows, without a database."""
    versions = {name: (version(*name, record),) for name, record in RECORDS.items()}
    crosswalk = [(subject, subject, None, None) for subject in SUBJECTS]
    return build_admission(Catalog(DECIDED_AT, versions), crosswalk, future_hours_max=24)


def add_record(
    database: Database, kind: str, key: str, record: Record, *, at: datetime = DECIDED_AT
) -> None:
    """Put one record in force since ever, decided at an instant."""
    with database.transaction() as connection:
        insert_version(connection, version(kind, key, record), decided_at=at, decided_by="test")


def set_subjects(database: Database, subjects: list[str]) -> None:
    """Let each subject mean the customer of the same name."""
    with database.transaction() as connection:
        replace_crosswalk(connection, [(subject, subject, None, None) for subject in subjects])


def furnish(database: Database) -> None:
    """Put forty customers, one event type and three meters in place."""
    for (kind, key), record in RECORDS.items():
        add_record(database, kind, key, record)
    set_subjects(database, SUBJECTS)
