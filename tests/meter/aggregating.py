"""What tests of aggregations share: vectors, meters as documents, and every way to count."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from meter.company import AT, Company
from meter.slow_model import Use
from tollbook.flow.meter.current import Ask, CurrentUsage, WindowUsage, view_of
from tollbook.flow.meter.definition import Counted, finish
from tollbook.flow.meter.events import store as events
from tollbook.flow.meter.step import current_usage
from tollbook.flow.meter.window import question
from tollbook.masterdata.documents import documents_to_versions
from tollbook.records.commercial import Meter
from tollbook.records.parties import Customer
from tollbook.storage.database import Connection
from tollbook.values.ids import CustomerId, event_digest
from tollbook.values.period import Period

VECTORS = Path(__file__).parent.parent / "vectors" / "metering"


class ExactLoader(yaml.SafeLoader):
    """Reads numbers exactly, and instants as they are written."""


ExactLoader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Decimal(node.value))
ExactLoader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def cases(name: str) -> list[Any]:
    """Read the cases of a vector file."""
    found = yaml.load((VECTORS / f"{name}.yaml").read_text(), Loader=ExactLoader)
    return [pytest.param(case, id=f"{name}: {case['why']}") for case in found]


def meter_of(document: Mapping[str, Any], name: str = "m", **more: Any) -> Meter:
    """Read a meter as master data is read."""
    whole = {"id": name, "event_type": "llm.request", "unit": "u", **document, **more}
    wanted = documents_to_versions({"meters": [whole]})
    assert not wanted.problems, wanted.problems
    [version] = wanted.versions
    assert isinstance(version.record, Meter)
    return version.record


def send(company: Company, found: Sequence[Mapping[str, Any]], start: int = 0) -> list[Use]:
    """Send events of vectors, with ids from `start` on, and return them as the slow model sees them."""
    uses = []
    for place, one in enumerate(found, start=start):
        data = {key: value for key, value in one.items() if key not in {"at", "id"}}
        name = one.get("id", f"v{place}")
        company.send(data, at=one["at"], name=name)
        uses.append(Use(datetime.fromisoformat(one["at"]), event_digest("/test", name), data))
    return uses


def current(company: Company, **ask: Any) -> CurrentUsage:
    """Return current usage as the door and the command give it."""
    view = view_of(company.catalog())

    def known(_: Connection) -> Any:
        return view

    with company.database.transaction() as connection:
        return current_usage(connection, known=known, ask=Ask(**ask), at=AT)


def only(found: CurrentUsage) -> WindowUsage:
    """Return the one window there is."""
    [usage] = found.usages
    return usage


def recounted(company: Company, meter_id: str, period: Period, customer: str = "acme") -> Counted:
    """Count a window straight from the events."""
    asked = question(company.catalog(), customer, meter_id, period, {})
    assert asked is not None
    with company.database.transaction() as connection:
        [parts] = events.parts_of(connection, [asked], through=None)
    return finish(asked.meter, parts[()], period.start, period.end) if parts else Counted()


def is_same(usage: WindowUsage, counted: Counted) -> bool:
    """Tell whether two ways of counting agree to the last digit and event."""
    return (usage.quantity, usage.event_count, usage.digest) == (
        counted.quantity,
        counted.event_count,
        counted.digest,
    )


def customer(name: str = "acme", zone: str = "") -> Customer:
    """Build a customer."""
    return Customer(CustomerId(name), name, "US-NY", zone=zone)
