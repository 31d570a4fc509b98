"""`tollbook demo`: a month of the demo company, from raw event to reconciled ERP."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.reconcile import reconcile_month
from tollbook.cli.reconcile import show as show_reconciliation
from tollbook.cli.run import spoken
from tollbook.cli.tryton import TARGET, TrytonServer
from tollbook.config import Settings
from tollbook.demo_company import directory
from tollbook.demo_company.usage import DEMO_MONTH, write_jsonl
from tollbook.flow.invoice.store import list_invoices
from tollbook.flow.post.store import listed
from tollbook.masterdata.step import apply_plan, plan_directory
from tollbook.reports.verify import verify
from tollbook.runtime.import_file import import_file
from tollbook.runtime.street import Run
from tollbook.values.period import Month
from tollbook.worklist.store import list_items

APPROVER: Final = "controller (demo)"
MARK: Final = "# Written by `tollbook demo`; delete this line to keep your own changes.\n"


@click.command()
@click.option(
    "--events",
    "events_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="JSONL (or .gz) of CloudEvents for the demo company, instead of generated ones.",
)
@click.option("--period", "month", default=str(DEMO_MONTH), show_default=True, help="Month to run.")
def demo(*, events_file: Path | None, month: str) -> None:
    """Run a month of the demo company on a real ERP, and reconcile it.

    Running it again changes nothing: events are duplicates, documents are there already.
    """
    console = Console()
    chosen = Month.parse(month)
    with open_app() as app:
        stage(console, "Master data of the demo company")
        _apply_company(app, console)
        with _tryton(app, chosen, console) as server:
            stage(console, "Capture: usage events")
            _import(app, console, events_file, chosen)
            stage(console, "Waiting for the ERP (Tryton) to be ready")
            server.wait_ready()
            _keep_target(app.settings, server)
            with _posting_to(app, server) as posting:
                _run(posting, console, chosen)
                stage(console, "The ERP's documents")
                _show_documents(posting, console, chosen)
                stage(console, "Reconcile: read back from the ERP, compare five ways")
                result = reconcile_month(posting, chosen)
                show_reconciliation(console, result)
    _show_next(console, app.settings, chosen)
    if result.variances:
        sys.exit(1)


def stage(console: Console, title: str) -> None:
    """Write the heading of a part of the demo."""
    console.print(f"\n[bold cyan]{escape(title)}[/]")


def _apply_company(app: App, console: Console) -> None:
    with app.database.transaction() as connection:
        at = app.clock.now()
        planned = plan_directory(connection, directory(), at)
        applied = apply_plan(connection, planned, by="demo", reason="demo company", at=at)
    console.print(
        f"{applied.created} created, {applied.changed} changed, {applied.unchanged} unchanged: "
        "2 legal entities (USD, EUR), 40 customers"
    )


@contextmanager
def _tryton(app: App, month: Month, console: Console) -> Iterator[TrytonServer]:
    """Start Tryton at once, so that it is made while events come in."""
    server = TrytonServer(app.settings, app.database.dsn, app.clock)
    with app.database.transaction() as connection:
        catalog = app.catalog(connection)
    server.start(catalog, years=(month.year, month.year + 1), on=month.last)
    console.print("Tryton is being started on the same database server, with its own environment")
    try:
        yield server
    finally:
        server.stop()


def _import(app: App, console: Console, events_file: Path | None, month: Month) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        file = events_file
        if file is None:
            file = Path(temporary) / "usage.jsonl"
            write_jsonl(file, month)
            console.print(f"generated a month of usage: {file.name}")
        imported = import_file(app.desk(), file)
    counts = imported.counts
    console.print(
        f"{imported.lines:,} events: {counts['accepted']:,} accepted, "
        f"{counts['duplicate']:,} duplicates, {counts['conflict']:,} conflicts, "
        f"{counts['rejected']:,} rejected (kept in quarantine)"
    )


@contextmanager
def _posting_to(app: App, server: TrytonServer) -> Iterator[App]:
    """Give the application with the demo's ERP as its target."""
    settings = replace(app.settings, targets={TARGET: server.target})
    posting = App(settings, app.clock, app.database)
    try:
        yield posting
    finally:
        posting.close_targets()


def _run(app: App, console: Console, month: Month) -> None:
    stage(console, f"Meter, rate, invoice, tax, post, recognize: {month}")
    for ran in app.street().run(Run(month, approver=APPROVER, reason="demo month end")):
        console.print(spoken(ran), highlight=False)
    with app.database.transaction() as connection:
        items = list_items(connection)
        invoices = list_invoices(connection, month=month, state="issued")
        verified = [verify(connection, invoice.invoice_id) for invoice in invoices]
    right = sum(one.is_right for one in verified)
    console.print(
        f"{right} of {len(verified)} issued documents verified: recomputed from "
        f"{sum(one.event_count for one in verified):,} counted events",
        highlight=False,
    )
    console.print(f"{len(items)} work items wait on the finance worklist", highlight=False)


def _show_documents(app: App, console: Console, month: Month) -> None:
    with app.database.transaction() as connection:
        postings = listed(connection, month=month, limit=1000)
    table = Table("ERP number", "Kind", "Our number", "Customer", "State", box=box.SIMPLE)
    for title in ("Net", "Tax", "Total"):
        table.add_column(title, justify="right")
    for posting in postings:
        receipt, document = posting.receipt, posting.payload
        if receipt is None or document is None:
            table.add_row("-", posting.document_kind, "", "", posting.state, posting.message or "")
            continue
        amounts = (receipt.net, receipt.tax, receipt.total)
        table.add_row(
            receipt.number,
            posting.document_kind,
            document.number,
            receipt.customer or document.company,
            posting.state,
            *(f"{amount:,.2f} {receipt.currency}" for amount in amounts),
        )
    console.print(table)


def _keep_target(settings: Settings, server: TrytonServer) -> None:
    """Write the target into tollbook.toml, so that later commands reach the same ERP."""
    path = settings.home / "tollbook.toml"
    if path.is_file() and not path.read_text().startswith(MARK):
        return
    path.touch(mode=0o600)
    path.write_text(f"{MARK}{server.settings_lines()}\n")


def _show_next(console: Console, settings: Settings, month: Month) -> None:
    stage(console, "What to try next")
    console.print(f"export TOLLBOOK_HOME={settings.home}", highlight=False, soft_wrap=True)
    for command, what in (
        ("tollbook invoices list", "every document, with its totals"),
        ("tollbook trace US-000001", "from an invoice to its events and its ERP document"),
        ("tollbook verify US-000001", "recompute it from raw events"),
        ("tollbook worklist list", "what finance must look at"),
        ("tollbook events quarantine list", "what was refused, with its bytes"),
        ("tollbook doctor", "check the invariants of the books"),
        (f"tollbook sandbox tryton --years {month.year}-{month.year + 1}", "the ERP again"),
        (f"tollbook reconcile --period {month}", "with the ERP running in another terminal"),
        ("tollbook up", "the API on http://127.0.0.1:8420/openapi.json"),
    ):
        console.print(f"  {command:<46} {what}", highlight=False, soft_wrap=True)
