"""The command line of what a customer owes so far, and of what it may use."""

import sys

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.flow.rate.live.charges import ContractNow
from tollbook.flow.rate.live.step import current_charges
from tollbook.values.quantity import plain


@click.command()
@click.argument("customer")
@json_option
def charges(*, customer: str, is_json: bool) -> None:
    """Show what a customer owes so far in the billing periods that run, before tax."""
    with open_app() as app, app.database.transaction() as connection:
        found = current_charges(
            connection, customer, known=app.known.by_customer, at=app.clock.now()
        )
    if is_json:
        write_json(found)
        return
    for one in found.contracts:
        _echo_contract(one, customer)
    for currency, amount in found.totals.items():
        click.echo(f"{customer} owes {amount:f} {currency} so far, before tax.")
    for currency, left in found.credit_balances.items():
        click.echo(f"Prepaid credits left after this usage: {left:f} {currency}.")
    click.echo(f"As of {found.as_of:%Y-%m-%dT%H:%M:%SZ}, through receipt {found.latest_receipt}.")
    if found.recount_pending:
        click.echo("Some of these days are being counted again: ask again in a second.")


@click.command()
@click.argument("customer")
@click.argument("product")
@json_option
def entitlement(*, customer: str, product: str, is_json: bool) -> None:
    """Tell whether a customer may use a product now; exit code 1 when it may not."""
    with open_app() as app:
        [found] = app.entitlements.check([(customer, product)])
    if is_json:
        write_json(found)
    else:
        click.echo(f"{'yes' if found.allowed else 'no'} ({found.reason}): {found.message}")
        if found.remaining is not None and found.included is not None:
            click.echo(f"{plain(found.remaining)} of {plain(found.included)} included units left")
        if found.credit_balance is not None:
            click.echo(f"{plain(found.credit_balance)} {found.currency} of prepaid credits left")
    if not found.allowed:
        sys.exit(1)


def _echo_contract(one: ContractNow, customer: str) -> None:
    payer = f", paid by {one.bill_to}" if one.bill_to != customer else ""
    click.echo(
        f"{one.contract_id} of {one.customer_id}: {one.starts_on} to before {one.ends_before} "
        f"({one.zone}){payer}"
    )
    table = Table("Product", "Kind", "Quantity", "Working", "Amount", box=box.SIMPLE)
    for line in one.charges:
        working = "; ".join(
            f"{part.label}: {plain(part.quantity)} x {plain(part.unit_price)}"
            + (f" / {plain(part.per)}" if part.per != 1 else "")
            for part in line.parts
        )
        table.add_row(
            escape(line.product_id),
            line.kind,
            plain(line.quantity),
            escape(working),
            f"{line.amount:f} {one.currency}",
        )
    console().print(table)
    for waits in one.waits:
        click.echo(f"Not in it: {waits.message}")
