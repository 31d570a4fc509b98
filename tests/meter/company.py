"""A small company whose events, contracts and prices the tests of metering and rating change."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tollbook.flow.capture.admit import Admitted, CrosswalkRow, admit_all, build_admission
from tollbook.flow.capture.events.store import ensure_days
from tollbook.flow.capture.step import capture, days_of, void_event
from tollbook.flow.capture.store import read_crosswalk
from tollbook.flow.meter.step import Metered, meter
from tollbook.flow.meter.store import latest_usages
from tollbook.flow.meter.summary.store import add_deltas
from tollbook.flow.meter.tally import Tally
from tollbook.flow.rate.step import Rated, rate
from tollbook.flow.rate.store import load_charges, mark_billed, open_charges
from tollbook.ledger.credit_store import balances
from tollbook.masterdata.catalog import SINCE_EVER, Catalog, Record, Version
from tollbook.masterdata.store import insert_version, load_catalog, replace_crosswalk
from tollbook.records.charge import Charge, PriceVersion, Tier
from tollbook.records.commercial import (
    Contract,
    ContractItem,
    EventType,
    Meter,
    PriceBook,
    Product,
)
from tollbook.records.parties import Customer
from tollbook.records.usage import MeteredUsage
from tollbook.runtime.street import summarize_swept
from tollbook.storage.database import Connection, Database
from tollbook.values.codec import content_hash
from tollbook.values.ids import CustomerId, EntityId, MeterId, event_id
from tollbook.values.period import Month

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
NOVEMBER = Month(2023, 11)
ANYTHING = EventType("llm.request", {"type": "object"})
TOKENS = Meter(
    MeterId("tokens"), "llm.request", "sum", "token", value="tokens", dimensions=("model",)
)
LARGE = Product("large", "Large", "usage", "saas", MeterId("tokens"), {"model": "large"})
SMALL = Product("small", "Small", "usage", "saas", MeterId("tokens"), {"model": "small"})
SEATS = Product("seats", "Seats", "ratable", "saas")
CREDITS = Product("credits", "Credits", "on_drawdown", "none")


def unit_price(product_id: str, amount: str, **changes: Any) -> PriceVersion:
    """Build a price a unit."""
    return PriceVersion(
        f"book/{product_id}@1",
        "USD",
        (Tier(None, Decimal(amount)),),
        model="unit",
        product_id=product_id,
        **changes,
    )


def flat_price(product_id: str, amount: str) -> PriceVersion:
    """Build a price a period."""
    return PriceVersion(
        f"book/{product_id}@1",
        "USD",
        model="flat",
        flat_amount=Decimal(amount),
        product_id=product_id,
    )


BOOK = PriceBook(
    "standard",
    1,
    "USD",
    SINCE_EVER,
    (
        unit_price("large", "0.002"),
        unit_price("small", "0.001"),
        flat_price("seats", "10"),
        unit_price("credits", "1"),
    ),
)


def contract(**changes: Any) -> Contract:
    """Build a contract of customer acme for the large model."""
    terms: dict[str, Any] = {
        "contract_id": "acme-1",
        "version": 1,
        "customer_id": CustomerId("acme"),
        "entity_id": EntityId("us"),
        "currency": "USD",
        "price_book_id": "standard",
        "effective_from": date(2023, 1, 1),
        "items": (ContractItem("large"),),
        "credit_product_id": "credits",
    }
    return Contract(**terms | changes)


_NUMBERS = msgspec.json.Encoder(decimal_format="number")


def to_json_numbers(value: Any) -> bytes:
    """Write JSON with decimals as numbers."""
    return _NUMBERS.encode(value)


def _without_meters(catalog: Catalog) -> Catalog:
    versions = {key: found for key, found in catalog.versions.items() if key[0] != "meter"}
    return Catalog(catalog.known_at, versions)


class Company:
    """Master data, events and the two stages, on one database."""

    def __init__(self, database: Database, *records: Record, meter: Meter = TOKENS) -> None:
        self.database = database
        self.counts_at_door = True
        # A door that does not know yet which fields meters add lets all values through.
        self.knows_quantities = True
        self._sent = 0
        known: Sequence[Record] = (ANYTHING, meter, LARGE, SMALL, SEATS, CREDITS, BOOK)
        self.decide(*known, *(records or (contract(),)))
        self.names("acme", "beta")

    def decide(self, *records: Record, effective_from: date | None = None) -> None:
        """Store the next version of each record."""
        with self.database.transaction() as connection:
            for record in records:
                self._decide(connection, record, effective_from)

    def _decide(self, connection: Connection, record: Record, since: date | None) -> None:
        kinds = {
            EventType: "event_type",
            Meter: "meter",
            Product: "product",
            PriceBook: "price_book",
            Contract: "contract",
            Customer: "customer",
        }
        kind = kinds[type(record)]
        key = str(getattr(record, fields(record)[0].name))
        taken = load_catalog(connection, known_at=AT).versions.get((kind, key), ())
        written: date = getattr(record, "effective_from", SINCE_EVER)
        start = since or written
        version = Version(kind, key, len(taken) + 1, start, record, content_hash(record))
        insert_version(connection, version, decided_at=AT, decided_by="test")

    def names(self, *customers: str) -> None:
        """Let each customer be known by its own name."""
        with self.database.transaction() as connection:
            replace_crosswalk(connection, [(name, name, None, None) for name in customers])

    def catalog(self) -> Catalog:
        """Return all master data."""
        with self.database.transaction() as connection:
            return load_catalog(connection, known_at=AT)

    def crosswalk(self) -> list[CrosswalkRow]:
        """Return which customer each subject means."""
        with self.database.transaction() as connection:
            return read_crosswalk(connection)

    def use(
        self,
        *uses: dict[str, Any],
        known: Catalog | None = None,
        crosswalk: Sequence[CrosswalkRow] | None = None,
    ) -> list[str]:
        """Send events and return our ids; each use is data with, if need be, `at` and `who`.

        `known` and `crosswalk` are what the door knows, if not all there is.
        """
        raws: list[bytes] = []
        ids: list[str] = []
        for use in uses:
            self._sent += 1
            data = {"model": "large", "tokens": 1} | use
            name = str(data.pop("id", f"e{self._sent}"))
            event = {
                "specversion": "1.0",
                "id": name,
                "source": "/test",
                "type": "llm.request",
                "subject": data.pop("who", "acme"),
                "time": data.pop("at", "2023-11-16T18:17:03Z"),
                "datacontenttype": "application/json",
                "data": {key: value for key, value in data.items() if value is not None},
            }
            raws.append(json.dumps(event).encode())
            ids.append(event_id("/test", name))
        self._send(raws, known, crosswalk)
        return ids

    def send(
        self,
        data: dict[str, Any],
        *,
        at: str,
        name: str,
        event_type: str = "llm.request",
        known: Catalog | None = None,
    ) -> str:
        """Send one event of acme with these data and no others, and return our id."""
        event = {
            "specversion": "1.0",
            "id": name,
            "source": "/test",
            "type": event_type,
            "subject": "acme",
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }
        self._send([to_json_numbers(event)], known)
        return event_id("/test", name)

    def forget_events(self) -> None:
        """Begin anew with the same master data."""
        with self.database.transaction() as connection:
            connection.execute(
                """truncate usage_event, event_identity, usage_hour, usage_day, usage_point,
                            usage_delta, usage_delta_point, usage_delta_day, dirty_day"""
            )

    def _send(
        self,
        raws: Iterable[bytes],
        known: Catalog | None = None,
        crosswalk: Sequence[CrosswalkRow] | None = None,
    ) -> None:
        catalog = self.catalog()
        crosswalk = self.crosswalk() if crosswalk is None else crosswalk
        judged_by = catalog if self.knows_quantities else _without_meters(catalog)
        admission = build_admission(judged_by, crosswalk, future_hours_max=24)
        verdicts = admit_all(raws, admission, at=AT)
        with self.database.transaction() as connection:
            ensure_days(connection, days_of(verdicts))
        tally = Tally.of(known or catalog, crosswalk)

        def count(connection: Connection, events: Sequence[Admitted], receipt: int) -> None:
            add_deltas(connection, tally.add(events), receipt)

        counting = count if self.counts_at_door else None
        with self.database.transaction() as connection:
            found = capture(connection, verdicts=verdicts, door="test", at=AT, counting=counting)
        assert {answer.status for answer in found.answers} <= {"accepted", "duplicate"}, found

    def void(self, event: str) -> None:
        """Stop counting an event."""
        with self.database.transaction() as connection:
            void_event(connection, event_id=event, by="test", reason="mistake", at=AT)

    def summarize(self) -> None:
        """Bring the summaries up to date."""
        catalog = self.catalog()
        with self.database.transaction() as connection:
            summarize_swept(connection, catalog, AT)

    def meter(self, month: Month = NOVEMBER) -> Metered:
        """Summarize and meter a month."""
        self.summarize()
        catalog = self.catalog()
        with self.database.transaction() as connection:
            return meter(connection, catalog=catalog, month=month, at=AT)

    def usages(self, month: Month = NOVEMBER) -> list[MeteredUsage]:
        """Return the usages that count."""
        with self.database.transaction() as connection:
            return latest_usages(connection, month)

    def rate(self, month: Month = NOVEMBER) -> Rated:
        """Meter and rate a month."""
        self.meter(month)
        catalog = self.catalog()
        with self.database.transaction() as connection:
            return rate(connection, catalog=catalog, month=month, at=AT)

    def charges(self, month: Month = NOVEMBER) -> list[Charge]:
        """Return the charges that count, in the order of their decision."""
        with self.database.transaction() as connection:
            return [rated.charge for rated in load_charges(connection, month)]

    def bill(self, month: Month = NOVEMBER) -> None:
        """Let everything open be on an issued invoice."""
        with self.database.transaction() as connection:
            ids = [rated.charge.charge_id for rated in open_charges(connection, month)]
            mark_billed(connection, ids, f"inv_{len(ids)}", at=AT)

    def grants(self) -> dict[str, Decimal]:
        """Return the balance of each grant of prepaid credits."""
        with self.database.transaction() as connection:
            return {grant_id: amount for _, grant_id, _, amount in balances(connection)}
