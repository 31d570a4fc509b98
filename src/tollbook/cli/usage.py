"""The command line of metered usage: what was counted, and from which events."""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.instant import INSTANT
from tollbook.cli.options import MONTH, console, json_option, period_option, write_json
from tollbook.cli.usage_charges import charges, entitlement
from tollbook.errors import Rejected
from tollbook.flow.meter.current import Ask
from tollbook.flow.meter.sealed.store import ENGINES, Engine
from tollbook.flow.meter.step import current_usage, events_behind_window
from tollbook.flow.meter.store import events_behind, latest_usages, usages_by_id
from tollbook.reports.recount import recount_month
from tollbook.values.period import Month
from tollbook.values.quantity import plain
from tollbook.values.zone import WindowKind


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


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what of whose usage is asked; the command gets them as `ask`."""

    @wraps(command)
    def with_ask(**options: Any) -> None:
        pairs = [pair.partition("=") for pair in options.pop("where")]
        ask = Ask(
            customer_id=options.pop("customer"),
            meter_id=options.pop("meter"),
            month=options.pop("month"),
            since=options.pop("since"),
            until=options.pop("until"),
            where={name: value for name, _, value in pairs},
        )
        command(ask=ask, **options)

    found: Callable[..., None] = with_ask
    for option in reversed(
        (
            click.option("--customer", default="", help="Only this customer."),
            click.option("--meter", default="", help="Only this meter."),
            click.option("--period", "month", type=MONTH, help="A month, in the customer's zone."),
            click.option("--from", "since", type=INSTANT, help="From this instant."),
            click.option("--to", "until", type=INSTANT, help="Until this instant, not inside."),
            click.option("--where", multiple=True, help="dimension=value; may be repeated."),
        )
    ):
        found = option(found)
    return found


@usage.command()
@asking
@click.option(
    "--window",
    type=click.Choice(["minute", "hour", "day", "month"]),
    default=None,
    help="Cut the time into windows, in the customer's zone.",
)
@click.option("--group-by", multiple=True, help="By this dimension; may be repeated.")
@json_option
def current(
    *,
    ask: Ask,
    window: WindowKind | None,
    group_by: tuple[str, ...],
    is_json: bool,
) -> None:
    """Show usage with every event acknowledged by now; of this month if no time is given."""
    ask = replace(ask, window=window, group_by=group_by)
    with open_app() as app, app.database.transaction() as connection:
        found = current_usage(connection, known=app.known.view, ask=ask, at=app.clock.now())
    if is_json:
        write_json(found)
        return
    table = Table("Customer", "Meter", "From", "Until", *group_by, box=box.SIMPLE)
    for name in ("Quantity", "Unit", "Events", "Digest"):
        table.add_column(name)
    for one in found.usages:
        table.add_row(
            escape(one.customer_id),
            escape(one.meter_id),
            f"{one.starts_at:%Y-%m-%dT%H:%M:%SZ}",
            f"{one.ends_at:%Y-%m-%dT%H:%M:%SZ}",
            *(escape(value) for value in one.dimensions.values()),
            plain(one.quantity),
            escape(one.unit),
            str(one.event_count),
            one.digest,
        )
    console().print(table)
    click.echo(f"As of {found.as_of:%Y-%m-%dT%H:%M:%SZ}, through receipt {found.latest_receipt}.")
    if found.recount_pending:
        click.echo("Some of these days are being counted again: ask again in a second.")


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
@click.argument("usage_id", required=False)
@asking
@click.option("--limit", default=100, show_default=True, help="At most this many.")
@click.option("--after", default=None, help="Continue after this event id.")
@json_option
def events(
    *,
    usage_id: str | None,
    ask: Ask,
    limit: int,
    after: str | None,
    is_json: bool,
) -> None:
    """List exactly the events that a metered usage counts, or those behind current usage."""
    with open_app() as app, app.database.transaction() as connection:
        if usage_id is None:
            found = events_behind_window(
                connection,
                view=app.known.view(connection),
                ask=ask,
                at=app.clock.now(),
                limit=limit,
                after=after,
            )
        elif not usages_by_id(connection, [usage_id]):
            raise Rejected("meter.unknown", f"There is no metered usage {usage_id}.")
        else:
            found = events_behind(connection, usage_id, limit=limit, after=after)
    if is_json:
        write_json(found)
        return
    for number, event in enumerate(found, start=1):
        click.echo(f"{number:>5}  {event.event_id}  {event.occurred_at}  {event.source}|{event.id}")


usage.add_command(charges)
usage.add_command(entitlement)
