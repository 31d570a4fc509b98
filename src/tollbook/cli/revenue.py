"""The command line of revenue: what a month became, what is owed, how a document is scheduled."""

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, period_option, write_json
from tollbook.errors import Rejected
from tollbook.flow.invoice.store import load_invoice
from tollbook.flow.recognize.store import deferred_balance, recognized_totals, schedules_of_invoice
from tollbook.values.period import Month


@click.group()
def revenue() -> None:
    """What is recognized, what is owed as service, and by which schedule."""


@revenue.command()
@period_option
@json_option
def show(*, month: Month, is_json: bool) -> None:
    """Show what the documents of a service month became, and what is owed at its end."""
    with open_app() as app, app.database.transaction() as connection:
        totals = recognized_totals(connection, month)
        owed = deferred_balance(connection, month)
    if is_json:
        balances = [
            {"entity_id": entity_id, "currency": currency, "amount": str(money.major)}
            for (entity_id, currency), money in owed.items()
        ]
        write_json({"documents": totals, "owed_at_month_end": balances})
        return
    table = Table("Legal entity", "Currency", title=f"Service month {month}", box=box.SIMPLE)
    for title in ("Recognized", "Deferred", "Owed at month end, all documents"):
        table.add_column(title, justify="right")
    for total in totals:
        balance = owed.get((total.entity_id, total.currency))
        table.add_row(
            escape(total.entity_id),
            total.currency,
            f"{total.recognized.major:,f}",
            f"{total.deferred.major:,f}",
            f"{balance.major:,f}" if balance else "0",
        )
    console().print(table)


@revenue.command()
@click.argument("reference")
@json_option
def schedule(*, reference: str, is_json: bool) -> None:
    """Show when the lines of a document become revenue; REFERENCE is its number or id."""
    with open_app() as app, app.database.transaction() as connection:
        invoice = load_invoice(connection, reference)
        if invoice is None:
            raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
        schedules = schedules_of_invoice(connection, invoice.invoice_id)
    if is_json:
        write_json(schedules)
        return
    described = {line.line_no: line.description for line in invoice.lines}
    table = Table("Line", "What", "Method", "From", "To", "Month", box=box.SIMPLE)
    table.add_column("Amount", justify="right")
    for one in schedules:
        cells = (str(one.line_no), described[one.line_no], one.method, one.from_role, one.to_role)
        if not one.lines:
            table.add_row(*map(escape, cells), "as it is drawn down", str(one.amount))
        for line in one.lines:
            table.add_row(*map(escape, cells), str(line.month), str(line.amount))
    console().print(table)
