"""All master data as known at one instant, and what of it was in force on a day."""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Final, TypeVar

from tollbook.records.commercial import (
    Contract,
    EventType,
    GlMap,
    Meter,
    PriceBook,
    Product,
    TaxTable,
)
from tollbook.records.parties import Customer, LegalEntity
from tollbook.records.source_mapping import SourceMapping
from tollbook.values.calendar import BillingCalendar, BillingPeriod, Days, billing_periods, days_of
from tollbook.values.grid import DAY
from tollbook.values.period import Month

Record = (
    LegalEntity
    | Customer
    | EventType
    | Meter
    | Product
    | PriceBook
    | Contract
    | TaxTable
    | GlMap
    | SourceMapping
)
R = TypeVar("R")

# The name of a kind in files, API and database, and its record.
KINDS: Final[dict[str, type]] = {
    "entity": LegalEntity,
    "customer": Customer,
    "event_type": EventType,
    "meter": Meter,
    "product": Product,
    "price_book": PriceBook,
    "contract": Contract,
    "tax_table": TaxTable,
    "gl_map": GlMap,
    "source_mapping": SourceMapping,
}

# The first day of a contract, and the day after its last.
Life = tuple[date, date | None]

SINCE_EVER: Final = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable version of a master record, in force from a day until a later one replaces it."""

    kind: str
    key: str
    version: int
    effective_from: date
    record: Record
    content_hash: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """Master data known at `known_at`; look-ups take the day on which it must be in force."""

    known_at: datetime
    versions: Mapping[tuple[str, str], tuple[Version, ...]] = field(default_factory=dict)

    def in_force(self, kind: str, key: str, on: date) -> Version | None:
        """Return the version in force on a day: the latest start, then the latest version."""
        found: Version | None = None
        for candidate in self.versions.get((kind, key), ()):
            if candidate.effective_from <= on and (found is None or _is_later(candidate, found)):
                found = candidate
        return found

    def numbered(self, kind: str, key: str, version: int) -> Version | None:
        """Return one version by its number."""
        for candidate in self.versions.get((kind, key), ()):
            if candidate.version == version:
                return candidate
        return None

    def keys(self, kind: str) -> list[str]:
        """Return the keys of a kind, in order."""
        return sorted(key for found, key in self.versions if found == kind)

    def entity(self, entity_id: str, on: date) -> LegalEntity | None:
        """Return the legal entity as of a day."""
        return _record(self.in_force("entity", entity_id, on), LegalEntity)

    def customer(self, customer_id: str, on: date) -> Customer | None:
        """Return the customer as of a day."""
        return _record(self.in_force("customer", customer_id, on), Customer)

    def contract(self, contract_id: str, on: date) -> Contract | None:
        """Return the contract version in force on a day."""
        return _record(self.in_force("contract", contract_id, on), Contract)

    def product(self, product_id: str, on: date) -> Product | None:
        """Return the product as of a day."""
        return _record(self.in_force("product", product_id, on), Product)

    def meter(self, meter_id: str, on: date) -> Meter | None:
        """Return the meter version in force on a day."""
        return _record(self.in_force("meter", meter_id, on), Meter)

    def event_type(self, event_type: str, on: date) -> EventType | None:
        """Return the event type in force on a day."""
        return _record(self.in_force("event_type", event_type, on), EventType)

    def source_mapping(self, mapping_id: str, on: date) -> SourceMapping | None:
        """Return the source mapping in force on a day."""
        return _record(self.in_force("source_mapping", mapping_id, on), SourceMapping)

    def price_book(self, price_book_id: str, on: date) -> PriceBook | None:
        """Return the price book version in force on a day."""
        return _record(self.in_force("price_book", price_book_id, on), PriceBook)

    def tax_table(self, entity_id: str, on: date) -> TaxTable | None:
        """Return the tax table of a legal entity in force on a day."""
        return _record(self.in_force("tax_table", entity_id, on), TaxTable)

    def gl_map(self, entity_id: str, on: date) -> GlMap | None:
        """Return the GL map of a legal entity in force on a day; its key is the entity id."""
        return _record(self.in_force("gl_map", entity_id, on), GlMap)

    def zone(self, customer_id: str, contract: Contract | None) -> str:
        """Return the time zone of a customer's days, under a contract if it has one.

        The contract's, else the customer's, else the entity's. The latest version of each decides,
        back in time too: so windows tile, also when a zone is corrected.
        """
        customer = self.customer(customer_id, date.max)
        entity = self.entity(contract.entity_id, date.max) if contract else None
        stated = (contract and contract.zone, customer and customer.zone, entity and entity.zone)
        return next((zone for zone in stated if zone), "UTC")

    @property
    def zones(self) -> frozenset[str]:
        """Every time zone that a record names."""
        found = [version.record for versions in self.versions.values() for version in versions]
        return frozenset(
            record.zone
            for record in found
            if isinstance(record, LegalEntity | Customer | Contract) and record.zone
        )

    def contract_segments(self, month: Month) -> Iterator[tuple[Contract, date, date]]:
        """Yield (contract version, first day, day after the last) for each part of what ends.

        That is every billing period whose last day is in the month: the month itself, where a
        contract says nothing else. An amendment in the middle of a period cuts it in two; segments
        of a contract tile the days of the period in which it is in force.
        """
        for key in self.keys("contract"):
            yield from self.segments_ending(key, month)

    def segments_ending(
        self, contract_id: str, month: Month
    ) -> Iterator[tuple[Contract, date, date]]:
        """Yield the `contract_segments` of one contract."""
        for days in self._ending(contract_id, month):
            yield from self.segments(contract_id, days)

    def segments_within(self, days: Days) -> Iterator[tuple[Contract, date, date]]:
        """Yield every contract version in force on some days, and on which of them."""
        for key in self.keys("contract"):
            yield from self.segments(key, days)

    def segments_meeting(self, month: Month) -> Iterator[tuple[Contract, date, date]]:
        """Yield the segments of every billing period that has a day in a month, with all its days."""
        days = days_of(month)
        for key in self.keys("contract"):
            for period in self.billing_periods(key, days):
                yield from self.segments(key, period.days)

    def contract_life(self, contract_id: str) -> Life:
        """Return the first day of a contract and the day after its last, None if it has no end."""
        versions = self.versions[("contract", contract_id)]
        last = max(versions, key=lambda version: (version.effective_from, version.version))
        contract = _record(last, Contract)
        assert contract is not None
        return min(version.effective_from for version in versions), contract.effective_until

    def contract_through(self, contract_id: str, until: date) -> "Catalog":
        """Return master data without versions of a contract that take effect on a day or later."""
        versions = self.versions["contract", contract_id]
        kept = tuple(version for version in versions if version.effective_from < until)
        if len(kept) == len(versions):
            return self
        # Read only: a copy of everything, for each contract that changes, would take minutes.
        above = {("contract", contract_id): kept}
        return replace(self, versions=ChainMap(above, self.versions))  # type: ignore[arg-type]

    def billing(self, contract_id: str) -> BillingCalendar | None:
        """Return when billing periods of a contract begin; None for calendar months."""
        contract = _record(self.versions[("contract", contract_id)][0], Contract)
        return contract.billing if contract is not None else None

    @property
    def states_billing(self) -> bool:
        """Whether billing periods of any contract are not calendar months."""
        return any(self.billing(key) is not None for key in self.keys("contract"))

    def months_billing(self, days: Iterable[date]) -> list[Month]:
        """Return the months that bill what happened on some UTC days, in any contract's zone."""
        touched = sorted(days)
        months = {Month.of(day) for day in touched}
        for key in self.keys("contract") if self.states_billing else ():
            for day in touched if self.billing(key) is not None else ():
                around = Days(day - DAY, day + 2 * DAY)
                found = self.billing_periods(key, around)
                months |= {Month.of(period.days.last) for period in found}
        return sorted(months)

    def billing_periods(self, contract_id: str, within: Days) -> Iterator[BillingPeriod]:
        """Yield the billing periods of a contract that have a day within some days."""
        start, until = self.contract_life(contract_id)
        calendar = self.billing(contract_id) or BillingCalendar()
        yield from billing_periods(calendar, start=start, until=until, within=within)

    def segments(self, contract_id: str, days: Days) -> Iterator[tuple[Contract, date, date]]:
        """Yield the versions of a contract in force on some days, each with its part of them."""
        cuts = {days.start, days.until}
        for version in self.versions[("contract", contract_id)]:
            contract = _record(version, Contract)
            assert contract is not None
            for day in (contract.effective_from, contract.effective_until):
                if day is not None and days.start < day < days.until:
                    cuts.add(day)
        for start, end in pairwise(sorted(cuts)):
            contract = _record(self.in_force("contract", contract_id, start), Contract)
            if contract is None:
                continue
            if contract.effective_until is None or start < contract.effective_until:
                yield contract, start, end

    def _ending(self, contract_id: str, month: Month) -> list[Days]:
        days = days_of(month)
        if self.billing(contract_id) is None:
            return [days]
        found = self.billing_periods(contract_id, days)
        return [period.days for period in found if period.days.last in days]


def _is_later(version: Version, other: Version) -> bool:
    if version.effective_from == other.effective_from:
        return version.version > other.version
    return version.effective_from > other.effective_from


def _record(version: Version | None, kind: type[R]) -> R | None:
    if version is None:
        return None
    assert isinstance(version.record, kind)
    return version.record
