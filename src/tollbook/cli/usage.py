"""The command line of metered usage: what was counted, and from which events."""

import sys

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, period_option, write_json
from tollbook.errors import Rejected
from tollbook.flow.meter.sealed.store import ENGINES, Engine
from tollbook.flow.meter.store import events_behind, latest_usages, usages_by_id
from tollbook.reports.recount import recount_month
from tollbook.values.period import Month
from tollbook.values.quantity import plain


@click.group()
def usage() -> None:
    """Metered usage: what was counted, and from which events."""


@usage.command("list")
@period_option
@click.option("--customer", default=None, help="Only this customer.")
@json_option
def list_command(*, month: Month, customer: str | None, is_json: bool) -> None:
    """List the metered usage of a month."""
    with open_app() as app, app.database.transaction() as connection:
        found = [
            one for one in latest_usages(connection, month) if customer in {None, one.customer_id}
        ]
    if is_json:
        write_json(found)
        return
    table = Table("Usage", "Customer", "Product", "Quantity", "Events", "Digest", box=box.SIMPLE)
    for one in found:
        table.add_row(
            one.usage_id,
            escape(one.customer_id),
            escape(one.product_id),
            plain(one.quantity),
            str(one.event_count),
            one.digest,
        )
    console().print(table)


@usage.command()
@period_option
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default=None,
    help="Who counts (default: the database, and DuckDB for sealed days).",
)
@json_option
def recount(*, month: Month, engine: Engine | None, is_json: bool) -> None:
    """Count a month again straight from its events; exit code 1 when a usage differs."""
    with open_app() as app, app.database.transaction() as connection:
        found = recount_month(connection, month, engine=engine)
    different = [one for one in found if not one.is_same]
    if is_json:
        write_json(found)
    else:
        for one in different:
            click.echo(
                f"{one.usage_id}: stored {plain(one.stored)}, its events come to "
                f"{plain(one.recounted)}"
            )
        events = sum(one.event_count for one in found)
        click.echo(f"{len(found)} usages of {events} events, {len(different)} different")
    if different:
        sys.exit(1)


@usage.command()
@click.argument("usage_id")
@click.option("--limit", default=100, show_default=True, help="At most this many.")
@click.option("--after", default=None, help="Continue after this event id.")
@json_option
def events(*, usage_id: str, limit: int, after: str | None, is_json: bool) -> None:
    """List exactly the events that a usage counts."""
    with open_app() as app, app.database.transaction() as connection:
        if not usages_by_id(connection, [usage_id]):
            raise Rejected("meter.unknown", f"There is no metered usage {usage_id}.")
        found = events_behind(connection, usage_id, limit=limit, after=after)
    if is_json:
        write_json(found)
        return
    for number, event in enumerate(found, start=1):
        click.echo(f"{number:>5}  {event.event_id}  {event.occurred_at}  {event.source}|{event.id}")
