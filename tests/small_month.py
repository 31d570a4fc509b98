"""A month of a small company, run through every stage into an ERP in memory."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner, Result
from psycopg import conninfo, sql

from fake_erp import FakeErp
from tollbook import app
from tollbook.cli import cli
from tollbook.flow.invoice.store import issued_invoices
from tollbook.flow.reconcile.step import Reconciled, reconcile
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.step import plan_documents
from tollbook.masterdata.store import load_catalog
from tollbook.records.control import WorkItem
from tollbook.records.invoice import Invoice
from tollbook.runtime.apply import apply_master_data
from tollbook.runtime.intake import Desk
from tollbook.runtime.readback import read_back
from tollbook.runtime.street import Run, Street
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import FixedClock
from tollbook.values.period import Month
from tollbook.worklist.store import list_items

NOVEMBER = Month(2023, 11)
BILLED_AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
APPROVER = "controller"

COMPANY = """
entities:
  - {id: us, name: Example Inc, currency: USD, country: US, target: erp, invoice_prefix: US}
  - {id: de, name: Example GmbH, currency: EUR, country: DE, target: erp, invoice_prefix: DE,
     tax_rounding: document}
event_types:
  - {id: llm.request, schema: {type: object}}
meters:
  - {id: tokens, event_type: llm.request, aggregation: sum, value: tokens, unit: token,
     dimensions: [model]}
products:
  - {id: large, name: Large, meter: tokens, where: {model: large}, unit: token, revenue: usage,
     tax_class: standard}
  - {id: small, name: Small, meter: tokens, where: {model: small}, unit: token, revenue: usage,
     tax_class: standard}
  - {id: support, name: Support, revenue: ratable, tax_class: standard}
  - {id: credits, name: Credits, revenue: on_drawdown, tax_class: none}
price_books:
  - id: usd
    currency: USD
    effective_from: 2023-01-01
    prices: &prices
      - {product: large, model: graduated,
         tiers: [{up_to: 1000, unit_price: "0.01"}, {unit_price: "0.0075"}]}
      - {product: small, model: unit, unit_price: "0.00333"}
      - {product: support, model: flat, amount: 1200}
  - {id: eur, currency: EUR, effective_from: 2023-01-01, prices: *prices}
customers:
  - {id: acme, name: Acme, jurisdiction: US-WA, external_ids: {erp: C-1}}
  - {id: beta, name: Beta, jurisdiction: US-WA, external_ids: {erp: C-2}}
  - {id: coral, name: Coral, jurisdiction: US-WA, external_ids: {erp: C-3}}
  - {id: delta, name: Delta, jurisdiction: DE, external_ids: {erp: C-4}}
contracts:
  - {id: acme-1, customer: acme, entity: us, currency: USD, price_book: usd,
     effective_from: 2023-11-01, items: [large, small, {product: support, interval_months: 12}]}
  - {id: beta-1, customer: beta, entity: us, currency: USD, price_book: usd,
     effective_from: 2023-01-01, items: [large], commitment: {monthly_amount: 100}}
  - {id: coral-1, customer: coral, entity: us, currency: USD, price_book: usd,
     effective_from: 2023-01-01, items: [large], credit_product: credits,
     credits: [{id: coral-50, amount: 50, granted_on: 2023-11-01}]}
  - {id: delta-1, customer: delta, entity: de, currency: EUR, price_book: eur,
     effective_from: 2023-01-01, items: [large, small]}
tax_tables:
  - entity: us
    rates: [{jurisdiction: US-WA, tax_class: standard, tax_code: WA, rate: 10 %,
             effective_from: 2020-01-01}]
  - entity: de
    rates: [{jurisdiction: DE, tax_class: standard, tax_code: DE, rate: 19 %,
             effective_from: 2020-01-01}]
gl_maps:
  - {entity: us, target: erp, company: US, accounts: &accounts {accounts_receivable: 1100,
     unbilled_receivable: 1150, tax_payable: 2200, contract_liability: 2300, revenue: 4000},
     tax_codes: {WA: "12"}}
  - {entity: de, target: erp, company: DE, accounts: *accounts, tax_codes: {DE: "19"}}
"""

# (id, customer, model, tokens). Acme uses 1501 large = 13.7575 and 1001 small = 3.33333 USD.
EVENTS = (
    ("a1", "acme", "large", 1000),
    ("a2", "acme", "large", 501),
    ("a3", "acme", "small", 1001),
    ("b1", "beta", "large", 2000),
    ("c1", "coral", "large", 1400),
    ("d1", "delta", "large", 700),
    ("d2", "delta", "small", 50),
)


@dataclass
class SmallMonth:
    """The company's database and its ERP, and what happens to them."""

    database: Database
    clock: FixedClock
    erp: FakeErp

    def know(self, documents: str) -> None:
        """Apply master data."""
        at = self.clock.now()
        with self.database.transaction() as connection:
            planned = plan_documents(connection, yaml.safe_load(documents), at)
            assert not planned.problems, planned.problems
            apply_master_data(connection, planned, by="ann", reason="test", at=at)

    def use(
        self, name: str, who: str, model: str, tokens: int, *, at: str = "2023-11-16T12:30:00Z"
    ) -> None:
        """Send one event."""
        event = {
            "specversion": "1.0",
            "id": name,
            "source": "/gateway",
            "type": "llm.request",
            "subject": who,
            "time": at,
            "data": {"model": model, "tokens": tokens},
        }
        desk = Desk(self.database, self.clock, future_hours_max=24)
        captured = desk.take([json.dumps(event).encode()], door="test")
        assert [answer.status for answer in captured.answers] == ["accepted"], captured

    def run(self, until: str = "recognize", *, month: Month = NOVEMBER) -> None:
        """Run the street."""
        street = Street(self.database, {"erp": self.erp}, catalog_of=self.catalog, clock=self.clock)
        for _ in street.run(Run(month, until=until, approver=APPROVER)):
            pass

    def later(self, documents: str = "") -> None:
        """Let a day pass; then, perhaps, decide other terms."""
        self.clock.wait(86_400)
        if documents:
            self.know(documents)

    def reconcile(self, month: Month = NOVEMBER) -> Reconciled:
        """Read the ERP back and compare."""
        receipts = read_back(self.database, {"erp": self.erp}, month)
        with self.database.transaction() as connection:
            return reconcile(
                connection,
                catalog=self.catalog(connection),
                month=month,
                receipts=receipts,
                at=self.clock.now(),
            )

    def catalog(self, connection: Connection) -> Catalog:
        """Return master data as known now."""
        return load_catalog(connection, known_at=self.clock.now())

    def invoices(self) -> dict[str, Invoice]:
        """Return the issued documents of November by number."""
        with self.database.transaction() as connection:
            found = issued_invoices(connection, NOVEMBER)
        return {str(invoice.number): invoice for invoice in found}

    def invoice_of(self, customer: str) -> Invoice:
        """Return the first invoice of a customer."""
        mine = [one for one in self.invoices().values() if one.customer_id == customer]
        return next(one for one in mine if one.corrects is None)

    def key_of(self, document_id: str) -> str:
        """Return the key under which the ERP holds a document."""
        return str(self.ask("select key from posting where document_id = %s", document_id)[0])

    def change_in_erp(self, document_id: str, **changes: Any) -> None:
        """Change a document in the ERP by hand."""
        key = self.key_of(document_id)
        self.erp.bodies[key] = replace(self.erp.bodies[key], **changes)

    def lose_in_erp(self, document_id: str) -> None:
        """Delete a document in the ERP."""
        self.erp.held[self.key_of(document_id)] = 0

    def add_in_erp(self, document_id: str, amount: str) -> None:
        """Add to the first line of a document in the ERP by hand."""
        first, *others = self.erp.bodies[self.key_of(document_id)].lines
        changed = replace(first, amount=first.amount + Decimal(amount))
        self.change_in_erp(document_id, lines=(changed, *others))

    def items(self) -> list[WorkItem]:
        """Return open work items."""
        with self.database.transaction() as connection:
            return list_items(connection)

    def ask(self, query: str, *values: object) -> list[Any]:
        """Return the first column of what a query finds."""
        with psycopg.connect(self.database.dsn) as connection:
            return [row[0] for row in connection.execute(query.encode(), values)]

    def tamper(self, *statements: str) -> None:
        """Change rows behind the product's back: no trigger, no constraint looks."""
        with psycopg.connect(self.database.dsn) as connection:
            connection.execute("set session_replication_role = replica")
            for statement in statements:
                assert connection.execute(statement.encode()).rowcount != 0, statement


def command_line(
    month: SmallMonth, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Give the command line of an installation whose one ERP is the month's."""
    (home / "tollbook.toml").write_text('[targets.erp]\nconnector = "in memory"\n')
    connectors = {"in memory": lambda *_: month.erp}
    monkeypatch.setattr(app, "CONNECTORS", connectors)
    monkeypatch.setenv("TOLLBOOK_HOME", str(home))
    monkeypatch.setenv("DATABASE_URL", month.database.dsn)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, words, catch_exceptions=False)

    return run


def build(server_dsn: str, template: str) -> tuple[str, FakeErp]:
    """Run the month once; return the database to copy tests from, and the ERP."""
    name = f"{template}_month"
    _create(server_dsn, name, template)
    clock = FixedClock(BILLED_AT)
    database = Database(conninfo.make_conninfo(server_dsn, dbname=name), size=4)
    month = SmallMonth(database, clock, FakeErp(clock))
    month.know(COMPANY)
    for event in EVENTS:
        month.use(*event)
    month.run()
    database.close()
    return name, month.erp


@contextmanager
def opened(server_dsn: str, dsn_name: str, built: tuple[str, FakeErp]) -> Iterator[SmallMonth]:
    """Give a copy of the built month, gone afterwards."""
    template, erp = built
    _create(server_dsn, dsn_name, template)
    clock = FixedClock(BILLED_AT)
    mine = replace(erp, clock=clock, held=erp.held.copy(), bodies=copy.copy(erp.bodies))
    database = Database(conninfo.make_conninfo(server_dsn, dbname=dsn_name), size=4)
    try:
        yield SmallMonth(database, clock, mine)
    finally:
        database.close()
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            name = sql.Identifier(dsn_name)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))


def _create(server_dsn: str, name: str, template: str) -> None:
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        new, old = sql.Identifier(name), sql.Identifier(template)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(new))
        connection.execute(sql.SQL("create database {} template {}").format(new, old))
