"""The command line of prepaid credits: balances, movements, grants, refunds, early expiry."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import by_option, console, json_option, reason_option, write_json
from tollbook.errors import Rejected
from tollbook.flow.rate.grants.step import order_expiry, order_grant, order_refund
from tollbook.records.credits import CreditCommand
from tollbook.reports.credits import SOON_DAYS, ContractCredits, credits_of
from tollbook.values.quantity import parse_quantity, plain

_DAY = click.DateTime(["%Y-%m-%d"])
_INSTANT = click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"])


@click.group("credits")
def credits_() -> None:
    """Prepaid credits: who has how many, what moved, what expires; give, end and refund them."""


@credits_.command("list")
@click.option("--soon", "soon_days", default=SOON_DAYS, help="Days within which expiry is soon.")
@json_option
def list_command(*, soon_days: int, is_json: bool) -> None:
    """List the contracts that have credits, with their balances."""
    with open_app() as app, app.database.transaction() as connection:
        found = credits_of(
            connection, app.catalog(connection), at=app.clock.now(), soon_days=soon_days
        )
    if is_json:
        write_json(found)
        return
    table = Table("Contract", "Customer", "Currency", box=box.SIMPLE)
    for title in ("Balance", "Paid for it", "Expires soon"):
        table.add_column(title, justify="right")
    for one in found:
        numbers = (one.balance, one.cost_left, one.expiring_soon)
        names = (one.contract_id, one.customer_id, one.currency)
        table.add_row(*map(escape, names), *map(plain, numbers))
    console().print(table)


@credits_.command("show")
@click.argument("customer_id", metavar="CUSTOMER")
@json_option
def show_command(customer_id: str, *, is_json: bool) -> None:
    """Show the credits of a CUSTOMER: batches in the order in which they pay, and all movements."""
    with open_app() as app, app.database.transaction() as connection:
        catalog, at = app.catalog(connection), app.clock.now()
        if catalog.customer(customer_id, at.date()) is None:
            raise Rejected("credits.unknown_customer", f"There is no customer {customer_id}.")
        found = credits_of(connection, catalog, customer_id=customer_id, at=at, with_movements=True)
    if is_json:
        write_json(found)
        return
    if not found:
        click.echo(f"{customer_id} has no prepaid credits.")
    for one in found:
        _print(one)


@credits_.command("grant")
@click.argument("contract_id", metavar="CONTRACT")
@click.option("--id", "grant_id", required=True, help="The grant's own id.")
@click.option("--amount", required=True, help="How many credits.")
@click.option("--on", "granted_on", type=_DAY, required=True, help="From which day.")
@click.option("--expires", "expires_on", type=_DAY, help="The last day (default: never).")
@click.option("--promotional", is_flag=True, help="Given, not sold.")
@click.option("--cost", help="What all of them cost (default: what they pay).")
@click.option("--rate", help="What one credit pays (default: 1).")
@click.option("--priority", help="The lower pays first (default: 0).")
@click.option("--product", "products", multiple=True, help="Only for this product; repeatable.")
@reason_option
@by_option
@json_option
def grant_command(
    contract_id: str,
    *,
    granted_on: datetime,
    expires_on: datetime | None,
    promotional: bool,
    reason: str,
    by: str | None,
    is_json: bool,
    **written: Any,
) -> None:
    """Give credits to a CONTRACT; they are billed when their month is rated."""
    grant = {
        "id": written["grant_id"],
        "kind": "promotional" if promotional else "paid",
        "granted_on": granted_on.date(),
        **{name: written[name] for name in ("amount", "cost", "rate", "priority")},
        "products": list(written["products"]),
        "expires_on": expires_on and expires_on.date(),
    }
    with open_app() as app, app.database.transaction() as connection:
        ordered = order_grant(
            connection,
            catalog=app.catalog(connection),
            contract_id=contract_id,
            written={key: value for key, value in grant.items() if value is not None},
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    _told(ordered, f"{written['amount']} credits are given to {contract_id}.", is_json=is_json)


@credits_.command("expire")
@click.argument("contract_id", metavar="CONTRACT")
@click.argument("grant_id", metavar="GRANT")
@click.option("--at", "effective_at", type=_INSTANT, help="When, in UTC (default: now).")
@reason_option
@by_option
@json_option
def expire_command(
    contract_id: str,
    grant_id: str,
    *,
    effective_at: datetime | None,
    reason: str,
    by: str | None,
    is_json: bool,
) -> None:
    """Let what is left of a GRANT of a CONTRACT lapse."""
    with open_app() as app, app.database.transaction() as connection:
        ordered = order_expiry(
            connection,
            catalog=app.catalog(connection),
            contract_id=contract_id,
            grant_id=grant_id,
            effective_at=effective_at and effective_at.replace(tzinfo=UTC),
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    _told(ordered, f"{grant_id} expires at {ordered.effective_at:%Y-%m-%d %H:%M}.", is_json=is_json)


@credits_.command("refund")
@click.argument("contract_id", metavar="CONTRACT")
@click.argument("grant_id", metavar="GRANT")
@click.option("--amount", help="How many credits (default: all that are left).")
@reason_option
@by_option
@json_option
def refund_command(
    contract_id: str,
    grant_id: str,
    *,
    amount: str | None,
    reason: str,
    by: str | None,
    is_json: bool,
) -> None:
    """Pay back what is left of a GRANT of a CONTRACT, at what it had cost."""
    with open_app() as app, app.database.transaction() as connection:
        ordered = order_refund(
            connection,
            catalog=app.catalog(connection),
            contract_id=contract_id,
            grant_id=grant_id,
            amount=_number(amount),
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    text = f"{ordered.amount} credits of {grant_id} are refunded: {ordered.cost}."
    _told(ordered, text, is_json=is_json)


def _told(ordered: CreditCommand, text: str, *, is_json: bool) -> None:
    if is_json:
        write_json(ordered)
    else:
        click.echo(f"{text} It is booked when the month is rated.")


def _number(text: str | None) -> Decimal | None:
    try:
        return None if text is None else parse_quantity(text)
    except ValueError as error:
        raise Rejected("credits.invalid", f"The amount cannot be used: {error}.") from error


def _print(one: ContractCredits) -> None:
    title = f"{one.contract_id}: {plain(one.balance)} credits, {plain(one.cost_left)} paid for them"
    table = Table("Batch", "Kind", "From", "Until", title=escape(title), box=box.SIMPLE)
    for name in ("Granted", "Balance", "Paid for it"):
        table.add_column(name, justify="right")
    for batch in one.batches:
        until = f"{batch.expires_at:%Y-%m-%d %H:%M}" if batch.expires_at else "never"
        cells = (batch.block_id, batch.kind, f"{batch.starts_at:%Y-%m-%d %H:%M}", until)
        numbers = (batch.granted, batch.balance, batch.cost_left)
        table.add_row(*map(escape, cells), *map(plain, numbers))
    console().print(table)
    moved = Table("On", "Batch", "What", "Because of", box=box.SIMPLE)
    for name in ("Credits", "Cost", "Balance"):
        moved.add_column(name, justify="right")
    for move in one.movements:
        cells = (str(move.moved_on), move.grant_id, move.kind, move.charge_id or move.cause)
        numbers = (move.amount, move.cost, move.balance)
        moved.add_row(*map(escape, cells), *map(plain, numbers))
    console().print(moved)
