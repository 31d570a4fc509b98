"""`tollbook demo`: a month of the demo company, from raw event to reconciled ERP."""

import sys
import tempfile
from collections import Counter
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
from tollbook.cli.options import console
from tollbook.cli.reconcile import reconcile_month
from tollbook.cli.reconcile import show as show_reconciliation
from tollbook.cli.run import spoken
from tollbook.cli.tryton import TARGET, TrytonServer
from tollbook.config import FILE_NAME, Settings
from tollbook.demo_company import directory
from tollbook.demo_company.usage import DEMO_MONTH, write_jsonl
from tollbook.flow.invoice.numbering import line_id
from tollbook.flow.invoice.store import list_invoices
from tollbook.flow.post.policy import DeliveryPolicy
from tollbook.flow.post.posting import Posting
from tollbook.flow.post.store import listed
from tollbook.masterdata.step import plan_directory
from tollbook.reports.trace import trace
from tollbook.reports.verify import verify
from tollbook.runtime.apply import apply_master_data
from tollbook.runtime.import_file import import_file
from tollbook.runtime.street import Run
from tollbook.values.period import Month
from tollbook.worklist.store import list_items

APPROVER: Final = "controller (demo)"
# A demo that was killed while it posted left a document in doubt: wait for the short lease to end,
# so that the next one looks it up. A local ERP answers within a second.
DELIVERY: Final = DeliveryPolicy(lease_seconds=20, patience_seconds=60)
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
    out = console()
    chosen = Month.parse(month)
    with open_app() as app:
        started = app.clock.monotonic()
        stage(out, "Master data of the demo company")
        _apply_company(app, out)
        with _tryton(app, chosen, out) as server:
            stage(out, "Capture: usage events")
            _import(app, out, events_file, chosen)
            stage(out, "The ERP: making Tryton's books ready")
            server.wait_ready()
            out.print(f"Tryton answers on {server.target.options['url']}")
            _keep_target(app.settings, server)
            with _posting_to(app, server) as posting:
                stage(out, f"Meter, rate, invoice, tax, post, recognize: {chosen}")
                _run(posting, out, chosen)
                stage(out, "What the ERP holds now")
                _show_documents(posting, out, chosen)
                stage(out, "One line of an invoice, from an event to the ERP")
                _show_chain(posting, out, chosen)
                stage(out, "Reconcile: every document read back from the ERP, five totals compared")
                result = reconcile_month(posting, chosen)
                show_reconciliation(out, result)
        _show_next(out, app.settings, chosen)
        out.print(f"\nDone in {app.clock.monotonic() - started:.0f} seconds.")
    if result.variances:
        sys.exit(1)


def stage(out: Console, title: str) -> None:
    """Write the heading of a part of the demo."""
    out.print(f"\n[bold cyan]{escape(title)}[/]")


def _apply_company(app: App, out: Console) -> None:
    with app.database.transaction() as connection:
        at = app.clock.now()
        planned = plan_directory(connection, directory(), at)
        applied = apply_master_data(connection, planned, by="demo", reason="demo company", at=at)
    kinds = Counter(version.kind for version in planned.wanted.versions)
    out.print(
        f"{kinds['entity']} legal entities, {kinds['customer']} customers, {kinds['contract']} "
        f"contract versions, {kinds['price_book']} price book versions"
    )
    out.print(
        f"{applied.created} records new, {applied.changed} changed, {applied.unchanged} as before"
    )


@contextmanager
def _tryton(app: App, month: Month, out: Console) -> Iterator[TrytonServer]:
    """Start Tryton at once, so that it is made while events come in."""
    server = TrytonServer(app.settings, app.database.dsn, app.clock)
    with app.database.transaction() as connection:
        catalog = app.catalog(connection)
    server.start(catalog, years=(month.year, month.year + 1), on=month.last)
    out.print("Meanwhile an ERP is made and started: Tryton, in an environment of its own")
    try:
        yield server
    finally:
        server.stop()


def _import(app: App, out: Console, events_file: Path | None, month: Month) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        file = events_file
        if file is None:
            file = Path(temporary) / "usage.jsonl"
            write_jsonl(file, month)
        imported = import_file(app.desk(), file)
    counts = imported.counts
    origin = "generated" if events_file is None else f"from {events_file.name}"
    out.print(
        f"{imported.lines:,} events {origin}: {counts['accepted']:,} accepted, "
        f"{counts['duplicate']:,} known already (not counted twice), "
        f"{counts['conflict']:,} in conflict, {counts['rejected']:,} refused",
        soft_wrap=True,
    )
    out.print("What is refused or in conflict is kept, and waits for a person")


@contextmanager
def _posting_to(app: App, server: TrytonServer) -> Iterator[App]:
    """Give the application with the demo's ERP as its target."""
    settings = replace(app.settings, targets={TARGET: server.target})
    posting = App(settings, app.clock, app.database)
    try:
        yield posting
    finally:
        posting.close_targets()


def _run(app: App, out: Console, month: Month) -> None:
    for ran in app.street(DELIVERY).run(Run(month, approver=APPROVER, reason="demo month end")):
        out.print(escape(spoken(ran)), soft_wrap=True)
    with app.database.transaction() as connection:
        items = list_items(connection)
        invoices = list_invoices(connection, month=month, state="issued")
        verified = [verify(connection, invoice.invoice_id) for invoice in invoices]
    right = sum(one.is_right for one in verified)
    out.print(
        f"{right} of {len(verified)} issued documents recomputed from "
        f"{sum(one.event_count for one in verified):,} counted events to the same cent"
    )
    out.print(f"{len(items)} exceptions wait on the finance worklist")


def _show_documents(app: App, out: Console, month: Month) -> None:
    with app.database.transaction() as connection:
        postings = listed(connection, month=month, limit=1000)
    table = Table(box=box.SIMPLE)
    for title in ("ERP number", "Kind", "Our number", "Customer", "State"):
        table.add_column(title, no_wrap=True)
    for title in ("Net", "Tax", "Total"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Currency", no_wrap=True)
    for posting in sorted(postings, key=_erp_number):
        table.add_row(*_row(posting))
    out.print(table)
    for posting in postings:
        if posting.message:
            out.print(escape(f"{posting.posting_id}: {posting.message}"), soft_wrap=True)


def _erp_number(posting: Posting) -> tuple[bool, str]:
    """Return what documents are sorted by: those without a number last."""
    receipt = posting.receipt
    return receipt is None, receipt.number if receipt else posting.posting_id


def _row(posting: Posting) -> list[str]:
    kind = posting.document_kind.replace("_", " ")
    number = posting.payload.number if posting.payload else posting.document_id
    receipt = posting.receipt
    if receipt is None:
        return ["-", kind, number, "", posting.state, "", "", "", ""]
    amounts = [f"{amount:,.2f}" for amount in (receipt.net, receipt.tax, receipt.total)]
    customer = receipt.customer or ""
    return [receipt.number, kind, number, customer, posting.state, *amounts, receipt.currency]


def _show_chain(app: App, out: Console, month: Month) -> None:
    """Show what one line was made from, and what was made from it, a stage a row."""
    with app.database.transaction() as connection:
        issued = list_invoices(connection, month=month, state="issued")
        lines = [(i.invoice_id, line) for i in issued for line in i.lines if line.kind == "usage"]
        if not lines:
            return
        invoice_id, line = max(lines, key=lambda one: one[1].amount.minor)
        found = trace(connection, line_id(invoice_id, line.line_no))
    table = Table(box=None, show_header=False, padding=(0, 2))
    first = next(node for node in found.nodes if node.stage == "capture")
    table.add_row("capture", escape(f"{first.summary}: one of {found.event_count:,} events"))
    for node in found.nodes:
        if node.stage != "capture":
            table.add_row(node.stage, escape(node.summary))
    out.print(table)


def _keep_target(settings: Settings, server: TrytonServer) -> None:
    """Write the target into tollbook.toml, so that later commands reach the same ERP."""
    path = settings.home / FILE_NAME
    if path.is_file() and not path.read_text().startswith(MARK):
        return
    path.touch(mode=0o600)
    path.write_text(f"{MARK}{server.settings_lines()}\n")


def _show_next(out: Console, settings: Settings, month: Month) -> None:
    stage(out, "What to try next")
    for line in (
        f'export PATH="{Path(sys.executable).parent}:$PATH"',
        f'export TOLLBOOK_HOME="{settings.home}"',
        f'export TOLLBOOK_TRYTON="{settings.tryton_venv}"',
    ):
        out.print(f"  {line}", soft_wrap=True, markup=False)
    for command, what in (
        ("tollbook invoices list", "every document, with its totals"),
        ("tollbook trace US-000001", "from an invoice to its events and its ERP document"),
        ("tollbook verify US-000001", "recompute it from raw events"),
        ("tollbook worklist list", "what finance must look at"),
        ("tollbook events quarantine list", "what was refused, with its bytes"),
        ("tollbook doctor", "check the invariants of the books"),
        ("tollbook events void EVENT --reason ...", "take an event back ..."),
        ("tollbook demo", "... and run again: a credit memo, and equal totals"),
        (f"tollbook sandbox tryton --years {month.year}-{month.year + 1}", "the ERP alone"),
        (f"tollbook reconcile --period {month}", "with the ERP running in another terminal"),
        ("tollbook up", "the API on http://127.0.0.1:8420/openapi.json"),
    ):
        out.print(f"  {command:<44} {what}", soft_wrap=True, markup=False)
