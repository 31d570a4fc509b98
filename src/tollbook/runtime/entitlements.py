"""Answers whether customers may use products, fast enough to be asked before each request."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from tollbook.flow.meter.definition import Counted
from tollbook.flow.meter.events.store import Group
from tollbook.flow.meter.store import answer
from tollbook.flow.rate.live.control import control_of
from tollbook.flow.rate.live.entitlement import Entitlement, Offer, entitlement_of, offer_of
from tollbook.flow.rate.live.store import standings
from tollbook.masterdata.by_customer import ByCustomer
from tollbook.records.alert import CreditControl
from tollbook.runtime.known import Known
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.values.ids import CustomerId

# An answer is given again for so long, and so long may master data be older.
KEPT_SECONDS: Final = 0.5
KEPT_MAX: Final = 100_000
SLOT_MINUTES: Final = 15

Check = tuple[str, str]


@dataclass(slots=True)
class _Kept:
    """What one process remembers; a new one takes its place when master data changes."""

    customers: ByCustomer
    asked_at: float
    slot: datetime
    offers: dict[Check, Offer] = field(default_factory=dict)
    answers: dict[Check, tuple[float, Entitlement]] = field(default_factory=dict)


class Entitlements:
    """Decides entitlements for one process; any number of threads may ask."""

    def __init__(self, database: Database, known: Known, clock: Clock) -> None:
        self._database = database
        self._known = known
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def check(self, checks: Sequence[Check]) -> list[Entitlement]:
        """Return whether each (customer, product) may be used now, in the order asked."""
        now = self._clock.monotonic()
        kept = self._kept
        found: dict[Check, Entitlement] = {}
        if kept is not None and now - kept.asked_at < KEPT_SECONDS:
            found = {
                check: known[1]
                for check in checks
                if (known := kept.answers.get(check)) is not None and now - known[0] < KEPT_SECONDS
            }
        missing = [check for check in dict.fromkeys(checks) if check not in found]
        if missing:
            with self._database.transaction() as connection:
                found |= self._read(connection, missing, now)
        return [found[check] for check in checks]

    def _read(
        self, connection: Connection, checks: Sequence[Check], now: float
    ) -> dict[Check, Entitlement]:
        at = self._clock.now()
        kept = self._fresh(connection, now, at)
        offers = [self._offer(kept, check, at) for check in checks]
        ids = {key for offer in offers for key in (offer.customer_id, offer.payer_id) if key}
        told = {
            key: control_of(CustomerId(key), *found, at=at)
            for key, found in standings(connection, sorted(ids)).items()
        }
        used = _used(connection, offers, at)
        answers = {
            check: entitlement_of(offer, told[offer.customer_id], _payer(offer, told), part, at=at)
            for check, offer, part in zip(checks, offers, used, strict=True)
        }
        if len(kept.answers) > KEPT_MAX:
            kept.answers.clear()
        kept.answers.update({check: (now, answer) for check, answer in answers.items()})
        return answers

    def _fresh(self, connection: Connection, now: float, at: datetime) -> _Kept:
        """Return what is remembered, with master data as it was known moments ago."""
        # No day begins within a quarter of an hour, in any zone: terms are the same all through.
        slot = at.replace(minute=at.minute // SLOT_MINUTES * SLOT_MINUTES, second=0, microsecond=0)
        with self._lock:
            kept = self._kept
            if kept is not None and kept.slot == slot and now - kept.asked_at < KEPT_SECONDS:
                return kept
        customers = self._known.by_customer(connection)
        with self._lock:
            kept = self._kept
            if kept is None or kept.customers is not customers or kept.slot != slot:
                kept = self._kept = _Kept(customers, now, slot)
            kept.asked_at = now
            return kept

    def _offer(self, kept: _Kept, check: Check, at: datetime) -> Offer:
        offer = kept.offers.get(check)
        if offer is None:
            offer = offer_of(kept.customers, *check, at=at)
            if len(kept.offers) > KEPT_MAX:
                kept.offers.clear()
            kept.offers[check] = offer
        return offer


def _payer(offer: Offer, told: dict[str, CreditControl]) -> CreditControl:
    return told[offer.payer_id or offer.customer_id]


def _used(connection: Connection, offers: Sequence[Offer], at: datetime) -> list[Decimal | None]:
    """Return what is used of each offer's included units, with every event acknowledged by now."""
    asked = [offer.window.asked for offer in offers if offer.window is not None]
    if not asked:
        return [None] * len(offers)
    answers = iter(answer(connection, asked, with_deltas=True, until=at))
    return [None if offer.window is None else _quantity(next(answers)) for offer in offers]


def _quantity(groups: Mapping[Group, Counted]) -> Decimal:
    counted = groups.get(())
    return Decimal(0) if counted is None else counted.quantity
