"""A few customers of the demo company, on a Tollbook and a Tryton that a test has to itself."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Self

from tollbook.app import App
from tollbook.cli.reconcile import reconcile_month
from tollbook.config import Settings, SystemSettings
from tollbook.connectors.tryton.client import TrytonClient
from tollbook.demo_company import directory
from tollbook.flow.capture.step import void_event
from tollbook.flow.invoice.store import list_invoices
from tollbook.flow.post.posting import Posting
from tollbook.flow.post.step import replay as send_again
from tollbook.flow.post.store import listed
from tollbook.flow.reconcile.step import Reconciled
from tollbook.masterdata.step import Applied, apply_plan, plan_directory
from tollbook.masterdata.store import insert_version
from tollbook.records.commercial import GlMap
from tollbook.records.control import WorkItem
from tollbook.records.invoice import Invoice
from tollbook.runtime.replay import Replayed
from tollbook.runtime.street import Run
from tollbook.sdk.http import HttpClient
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.values.codec import content_hash
from tollbook.values.ids import event_id
from tollbook.values.period import Month
from tollbook.worklist.store import list_items, objects_of

NOVEMBER = Month(2023, 11)
# Who pays as they go, and two subscriptions for a year: usage in two currencies, and deferral.
CONTRACTS = ("61-contracts-pay-as-you-go.yaml", "67-contracts-support.yaml")


class Rehearsal:
    """The street of a small company, its ERP, and what a person may do to either."""

    def __init__(
        self, database: Database, target: SystemSettings, clock: FixedClock, workplace: Path
    ) -> None:
        self.database = database
        self.clock = clock
        self.app = App(
            Settings(home=workplace, targets={target.name: target}, actor="tester"), clock, database
        )
        self.files = workplace / "company"
        self.erp = Erp(target, clock)
        self._numbers = count(1)

    def __enter__(self) -> Self:
        self.files.mkdir()
        for file in sorted(directory().glob("*.yaml")):
            if "contracts" not in file.name or file.name in CONTRACTS:
                shutil.copy(file, self.files)
        self.apply()
        return self

    def __exit__(self, *_: object) -> None:
        self.erp.close()
        self.app.close_targets()

    def apply(self, *changes: tuple[str, str, str]) -> Applied:
        """Apply the company's files, after replacing a text in each: (file, old, new)."""
        for name, old, new in changes:
            text = (self.files / name).read_text()
            assert old in text, f"{old!r} is not in {name}"
            (self.files / name).write_text(text.replace(old, new, 1))
        with self.database.transaction() as connection:
            at = self.clock.now()
            planned = plan_directory(connection, self.files, at)
            assert not planned.problems, planned.problems
            return apply_plan(connection, planned, by="tester", reason="test", at=at)

    def map_with(self, **changes: Mapping[str, str]) -> None:
        """Store the next version of the GL map of nwi-us: its first one, with these changes.

        Nothing is checked: `apply` would not take a map that lacks something.
        """
        with self.database.transaction() as connection:
            known = self.app.catalog(connection).versions["gl_map", "nwi-us"]
            first = known[0].record
            assert isinstance(first, GlMap)
            record = GlMap(
                **{field.name: getattr(first, field.name) for field in fields(first)} | changes
            )
            version = replace(
                known[0],
                version=len(known) + 1,
                record=record,
                content_hash=content_hash(record),
            )
            insert_version(connection, version, decided_at=self.clock.now(), decided_by="tester")

    def use(
        self, customer: str, tokens: int = 1_000_000, *, day: str = "2023-11-16", name: str = ""
    ) -> str:
        """Send the usage event of one request and return our id of it."""
        name = name or f"request-{next(self._numbers)}"
        event = {
            "specversion": "1.0",
            "id": name,
            "source": "/inference/us",
            "type": "llm.request",
            "subject": customer,
            "time": f"{day}T10:00:00Z",
            "data": {
                "model": "code-small",
                "region": "us",
                "input_tokens": tokens,
                "output_tokens": tokens // 10,
            },
        }
        captured = self.app.desk().take([json.dumps(event).encode()], door="test")
        assert captured.answers[0].status in {"accepted", "duplicate"}, captured
        return event_id("/inference/us", name)

    def void(self, event: str) -> None:
        """Stop counting an event."""
        with self.database.transaction() as connection:
            void_event(
                connection, event_id=event, by="tester", reason="mistake", at=self.clock.now()
            )

    def run(self, month: Month = NOVEMBER, **options: Any) -> None:
        """Run the street to its end, approving all."""
        for _ in self.app.street().run(Run(month, approver="tester", **options)):
            pass

    def replay(self) -> Replayed:
        """Try again what waits, and deliver."""
        replayed = self.app.replayer().replay_all(by="tester", reason="corrected")
        self.run()
        return replayed

    def replay_posting(self, posting_id: str) -> None:
        """Send one refused document again."""
        with self.database.transaction() as connection:
            send_again(
                connection,
                posting_ids=[posting_id],
                by="tester",
                reason="corrected",
                at=self.clock.now(),
            )
        self.run()

    def reconcile(self, month: Month = NOVEMBER) -> Reconciled:
        """Read Tryton back and compare."""
        return reconcile_month(self.app, month)

    def postings(self, month: Month = NOVEMBER) -> list[Posting]:
        """Return the postings of a month in the order of queueing."""
        with self.database.transaction() as connection:
            return listed(connection, month=month)

    def invoices(self, month: Month = NOVEMBER) -> list[Invoice]:
        """Return the issued documents of a month."""
        with self.database.transaction() as connection:
            return list(list_invoices(connection, month=month, state="issued"))

    def items(self) -> dict[str, tuple[WorkItem, list[str]]]:
        """Return the open work items of posting by code, each with what it holds."""
        with self.database.transaction() as connection:
            items = [item for item in list_items(connection) if item.stage == "post"]
            assert len(items) == len({item.code for item in items}), "one item a cause"
            return {
                item.code: (item, list(objects_of(connection, item.work_item_id))) for item in items
            }

    def invoice_rows(self) -> list[tuple[Any, ...]]:
        """Return every stored invoice and line, column by column."""
        with self.database.transaction() as connection:
            return [
                *connection.execute("select * from invoice order by invoice_id"),
                *connection.execute("select * from invoice_line order by invoice_id, line_no"),
                *connection.execute("select * from invoice_tax order by 1, 2, 3"),
            ]


class Erp:
    """Tryton as its own users see it."""

    def __init__(self, target: SystemSettings, clock: FixedClock) -> None:
        options = target.options
        self._client = TrytonClient(
            HttpClient(clock),
            options["url"],
            options["database"],
            user=options["user"],
            password=options["password"],
        )

    def close(self) -> None:
        """Log out."""
        self._client.close()

    def rows(self, model: str, domain: list[Any], *fields: str) -> list[dict[str, Any]]:
        """Read records, oldest first."""
        order = [["id", "ASC"]]
        found: list[dict[str, Any]] = self._client.call(
            None, model, "search_read", domain, 0, None, order, list(fields)
        )
        return found

    def act(self, model: str, method: str, *arguments: Any) -> Any:
        """Do what a user of Tryton does."""
        return self._client.call(None, model, method, *arguments)

    def company(self, code: str) -> int:
        """Return the id of a company."""
        found: int = self.rows("company.company", [["party.code", "=", code]])[0]["id"]
        return found

    def period(self, code: str, month: Month) -> int:
        """Return the id of a company's period."""
        domain = [["company", "=", self.company(code)], ["name", "=", str(month)]]
        found: int = self.rows("account.period", domain)[0]["id"]
        return found

    def close_period(self, code: str, month: Month) -> None:
        """Close a month, as an accountant does."""
        self.act("account.period", "close", [self.period(code, month)])

    def open_period(self, code: str, month: Month) -> None:
        """Open it again, and its journals, which closing it has closed too."""
        period = self.period(code, month)
        self._reopen("account.period", ["id", "=", period])
        self._reopen("account.journal.period", ["period", "=", period])

    def _reopen(self, model: str, clause: list[Any]) -> None:
        found = self.rows(model, [clause, ["state", "=", "closed"]])
        if found:
            self.act(model, "reopen", [row["id"] for row in found])

    def documents(self) -> list[tuple[str, str, str, Decimal]]:
        """Return (key, number, state, total) of every invoice and move, in the order they came."""
        invoices = self.rows(
            "account.invoice", [], "external_key", "number", "state", "total_amount"
        )
        moves = self.rows(
            "account.move", [["external_key", "!=", None]], "external_key", "number", "state"
        )
        return [
            *((i["external_key"], i["number"], i["state"], i["total_amount"]) for i in invoices),
            *((m["external_key"], m["number"], m["state"], Decimal(0)) for m in moves),
        ]

    def move_count(self) -> int:
        """Return how many moves there are, whoever made them."""
        return len(self.rows("account.move", []))


def by_key(postings: list[Posting]) -> Iterator[tuple[str, str]]:
    """Yield the key and the ERP's number of each posted posting."""
    for posting in postings:
        if posting.receipt is not None:
            yield posting.key, posting.receipt.number
