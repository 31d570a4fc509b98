"""The command line of invoices: list them, read one, approve drafts."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, get_args

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.invoice_why import why_lines
from tollbook.cli.options import MONTH, console, json_option, write_json
from tollbook.errors import Rejected
from tollbook.flow.invoice.numbering import line_id
from tollbook.flow.invoice.step import approve as approve_drafts
from tollbook.flow.invoice.store import list_invoices, load_invoice
from tollbook.records.invoice import Invoice, InvoiceState, TaxLine
from tollbook.reports.views import invoice_view
from tollbook.reports.why import why
from tollbook.storage.database import Connection
from tollbook.values.period import Month
from tollbook.values.quantity import plain

_STATES: Final = get_args(InvoiceState)


def _period_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--period", "--month", "month", type=MONTH, help=text)


@click.group()
def invoices() -> None:
    """Invoices and credit memos: drafts, approval, what was issued."""


@invoices.command("list")
@_period_option("Only this service month.")
@click.option("--state", type=click.Choice(_STATES), help="Only documents in this state.")
@click.option("--entity", "entity_id", help="Only this legal entity.")
@json_option
def list_command(
    *, month: Month | None, state: InvoiceState | None, entity_id: str | None, is_json: bool
) -> None:
    """List invoices and credit memos with their totals."""
    with open_app() as app, app.database.transaction() as connection:
        found = list_invoices(connection, month=month, state=state, entity_id=entity_id)
    if is_json:
        write_json([invoice_view(invoice) for invoice in found])
        return
    table = Table(
        "Invoice", "Number", "State", "Month", "Customer", "Contract", box=box.SIMPLE_HEAD
    )
    for title in ("Net", "Tax", "Total"):
        table.add_column(title, justify="right")
    for invoice in found:
        cells = [
            invoice.invoice_id,
            invoice.number or "",
            invoice.state,
            str(invoice.service_month),
            invoice.customer_id,
            invoice.contract_id,
            *(str(amount) for amount in (invoice.net, invoice.tax, invoice.total)),
        ]
        table.add_row(*(escape(cell) for cell in cells))
    console().print(table)


@invoices.command()
@click.argument("reference")
@json_option
def show(reference: str, *, is_json: bool) -> None:
    """Show one document by its id or its number, as the customer reads it."""
    with open_app() as app, app.database.transaction() as connection:
        invoice = _load(connection, reference)
        corrected = load_invoice(connection, invoice.corrects) if invoice.corrects else None
    if is_json:
        write_json(invoice_view(invoice))
        return
    screen = console()
    for text in _head(invoice, corrected):
        screen.print(escape(text), highlight=False)
    screen.print(_paper(invoice))
    screen.print("How a line came about: tollbook trace LINE", highlight=False)
    for line in invoice.lines:
        reference = line_id(invoice.invoice_id, line.line_no)
        screen.print(f"  {line.line_no}  {reference}  {line.charge_id}", highlight=False)


@invoices.command("why")
@click.argument("reference")
@click.option("--line", "line_no", type=int, help="Only this line.")
@json_option
def why_command(reference: str, *, line_no: int | None, is_json: bool) -> None:
    """Explain the amounts of a document: working, price and policies, usage, taxes."""
    with open_app() as app, app.database.transaction() as connection:
        found = why(connection, reference, line_no=line_no)
    if is_json:
        write_json(found)
        return
    click.echo("\n\n".join("\n".join(why_lines(one)) for one in found))


@invoices.command()
@click.argument("references", nargs=-1)
@_period_option("Approve every draft of this service month.")
@click.option("--by", help="Who approves (default: TOLLBOOK_ACTOR or the user).")
@click.option("--reason", default="Reviewed.", show_default=True, help="Why, for the audit trail.")
@json_option
def approve(
    *, references: Sequence[str], month: Month | None, by: str | None, reason: str, is_json: bool
) -> None:
    """Approve drafts by their ids, or all drafts of a month."""
    if bool(references) == bool(month):
        raise click.UsageError("give the ids of drafts, or --period YYYY-MM")
    with open_app() as app, app.database.transaction() as connection:
        approved = approve_drafts(
            connection,
            invoice_ids=_drafts(connection, month) if month else references,
            by=by or app.settings.actor,
            at=app.clock.now(),
            reason=reason,
        )
    if is_json:
        write_json({"approved": approved.invoice_ids})
        return
    click.echo(f"{len(approved.invoice_ids)} approved; `tollbook run` issues them.")


def _drafts(connection: Connection, month: Month) -> list[str]:
    return [draft.invoice_id for draft in list_invoices(connection, month=month, state="draft")]


def _load(connection: Connection, reference: str) -> Invoice:
    invoice = load_invoice(connection, reference)
    if invoice is None:
        raise Rejected(
            "invoice.unknown",
            f"There is no invoice {reference}: see `tollbook invoices list`.",
            invoice_id=reference,
        )
    return invoice


def _head(invoice: Invoice, corrected: Invoice | None) -> list[str]:
    title = invoice.kind.replace("_", " ").capitalize()
    head = [
        f"{title} {invoice.number or '(' + invoice.state + ')'}  {invoice.invoice_id}",
        f"From {invoice.entity_id} to {invoice.customer_id}, contract {invoice.contract_id}",
        f"Service month {invoice.service_month}",
    ]
    if invoice.booked_on:
        head[-1] += f", booked on {invoice.booked_on}, due on {invoice.due_on}"
    if corrected:
        head.append(f"Corrects {corrected.number or corrected.invoice_id}")
    return head


def _paper(invoice: Invoice) -> Table:
    table = Table("", "Description", box=box.SIMPLE_HEAD)
    table.add_column(f"Amount {invoice.currency}", justify="right")
    for line in invoice.lines:
        table.add_row(str(line.line_no), escape(line.description), f"{line.amount.major:,f}")
    table.add_section()
    table.add_row("", "Net", f"{invoice.net.major:,f}")
    for text, amount in _tax_summary(invoice.taxes):
        table.add_row("", escape(text), f"{amount:,f}")
    table.add_row("", "Total", f"{invoice.total.major:,f}", style="bold")
    return table


def _tax_summary(taxes: Sequence[TaxLine]) -> list[tuple[str, Decimal]]:
    """Return one row a tax code: its text and the sum of its amounts, in major units."""
    rows: dict[str, Decimal] = defaultdict(Decimal)
    for tax in taxes:
        text = f"{tax.tax_code} {plain(tax.rate * 100)} % ({tax.jurisdiction})"
        rows[text] += tax.amount.major
    return sorted(rows.items())
