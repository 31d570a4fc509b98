"""The company of these tests, its usage, and a worker's look at it."""

from dataclasses import dataclass
from typing import Any

import yaml

from api_client import Api, company, event
from tollbook.app import App
from tollbook.flow.meter.step import summarize
from tollbook.records.alert import ThresholdReached
from tollbook.runtime.watch import Watch
from tollbook.values.clock import FixedClock

# A million tokens cost 3 USD. bob has bought 30 USD of credits, eve's first 5 million are included.
CONTRACTS = """
products:
  - {id: included, name: Included, meter: tokens, revenue: usage, tax_class: standard}
contracts:
  - id: ada-1
    customer: ada
    entity: us
    currency: USD
    price_book: list
    effective_from: 2023-01-01
    items: [tokens, fee]
    commitment: {monthly_amount: 100}
    alerts:
      - {id: twenty, amount: 20}
      - {id: half, watches: commitment, percent: 50, action: warn}
      - {id: pace, watches: projection, amount: 90}
      - {id: stop, amount: 70, action: block}
  - id: bob-1
    customer: bob
    entity: us
    currency: USD
    price_book: list
    effective_from: 2023-11-01
    items: [tokens]
    credit_product: credits
    credits: [{id: bob-30, amount: 30, granted_on: 2023-11-01}]
    alerts:
      - {id: low, watches: balance, amount: 10, action: warn}
      - {id: most, watches: credits, percent: 50}
      - {id: empty, watches: balance, amount: 0, action: block}
  - id: eve-1
    customer: eve
    entity: us
    currency: USD
    price_book: list
    effective_from: 2023-01-01
    items:
      - {product: included, price: {model: unit, unit_price: 3.00, per: 1_000_000, included: 5_000_000}}
      - fee
    alerts:
      - {id: most, watches: allowance, product: included, percent: 80, action: warn}
      - {id: all, watches: allowance, product: included, percent: 100, action: block}
"""


def documents() -> dict[str, Any]:
    """Give the documents of the company, as a caller of the API writes them."""
    found = company()
    for section, records in yaml.safe_load(CONTRACTS).items():
        ids = {record["id"] for record in records}
        kept = [record for record in found.get(section, []) if record["id"] not in ids]
        found[section] = [*kept, *_jsonable(records)]
    return found


def _jsonable(records: Any) -> Any:
    if isinstance(records, dict):
        return {key: _jsonable(value) for key, value in records.items()}
    if isinstance(records, list):
        return [_jsonable(value) for value in records]
    return records if isinstance(records, str | int) else str(records)


@dataclass
class Watched:
    """The API, the application behind it, and the clock of both."""

    api: Api
    app: App
    clock: FixedClock
    sent: int = 0

    def use(self, customer: str, millions: int, *, at: str = "2023-11-15T10:00:00Z") -> None:
        """Send one event of so many million tokens."""
        self.sent += 1
        data = {"model": "m", "tokens": millions * 1_000_000}
        [answer] = self.api.send(event(self.sent, subject=customer, data=data, time=at))
        assert answer["status"] == "accepted", answer

    def fold(self) -> None:
        """Do what a worker does every half second."""
        with self.app.database.transaction() as connection:
            catalog = self.app.known.catalog(connection)
            summarize(connection, catalog=catalog, at=self.clock.now())

    def look(self) -> list[ThresholdReached]:
        """Fold, and look at thresholds as a new worker would."""
        self.fold()
        return Watch(self.app.database, self.clock, self.app.known).look_at_all()

    def alerts(self, customer: str = "") -> list[str]:
        """Return the ids of the alerts raised, in order."""
        query = {"customer": customer} if customer else {}
        return [one["alert_id"] for one in self.api.get("/v1/alerts", **query)["items"]]

    def charges(self, customer: str) -> Any:
        """Return current charges."""
        return self.api.get(f"/v1/customers/{customer}/current-charges")

    def control(self, customer: str) -> Any:
        """Return the credit-control state."""
        return self.api.get(f"/v1/customers/{customer}/credit-control")

    def may(self, customer: str, product: str) -> Any:
        """Return the entitlement, half a second later: no answer is remembered for longer."""
        self.clock.wait(1)
        return self.api.get(f"/v1/customers/{customer}/entitlements/{product}")
