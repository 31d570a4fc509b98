"""The command line of reports on usage: where it may be lost, and what came late."""

from datetime import UTC, datetime
from typing import Final

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import MONTH, console, json_option, period_option, write_json
from tollbook.reports.arrival import late_events
from tollbook.reports.leakage import Leakage, Silence, leakage
from tollbook.values.period import Month
from tollbook.values.quantity import plain

_DEFAULT: Final = Silence()
_VOIDED_SHOWN: Final = 20


@click.group()
def report() -> None:
    """Reports on usage: where it may be lost, and what came late."""


@report.command("leakage")
@click.option("--period", "month", type=MONTH, help="Month (default: the present one).")
@click.option(
    "--silent-percent",
    default=_DEFAULT.percent,
    show_default=True,
    type=click.IntRange(0, 100),
    help="A source is silent below this share of the same hour last week.",
)
@click.option(
    "--silent-minimum",
    default=_DEFAULT.events_min,
    show_default=True,
    type=click.IntRange(1),
    help="Only sources that brought at least so many events in that hour.",
)
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="Look for silent sources as of this instant (default: now).",
)
@json_option
def leakage_command(
    *,
    month: Month | None,
    silent_percent: int,
    silent_minimum: int,
    at: datetime | None,
    is_json: bool,
) -> None:
    """Show usage that came and is not billed, and sources that fell silent."""
    with open_app() as app, app.database.transaction() as connection:
        now = at.replace(tzinfo=UTC) if at else app.clock.now()
        found = leakage(
            connection,
            catalog=app.catalog(connection),
            month=month or Month.of(now.date()),
            at=now,
            silence=Silence(silent_percent, silent_minimum),
        )
    if is_json:
        write_json(found)
        return
    _print_leakage(found)


@report.command("late")
@period_option
@json_option
def late_command(*, month: Month, is_json: bool) -> None:
    """Count the events of a month that came after it was metered or invoiced."""
    with open_app() as app, app.database.transaction() as connection:
        found = late_events(connection, month)
    if is_json:
        write_json(found)
        return
    late = sum(one.events for one in found.late)
    click.echo(f"{found.month}: {found.events:,} events, {late:,} of them late.")
    table = Table("Arrived", "Customer", "Type", "Events", "From", "To", box=box.SIMPLE)
    for one in found.late:
        table.add_row(
            one.arrived,
            escape(one.customer_id),
            escape(one.type),
            f"{one.events:,}",
            f"{one.first_received_at:%Y-%m-%d %H:%M}",
            f"{one.last_received_at:%Y-%m-%d %H:%M}",
        )
    if found.late:
        console().print(table)


def _print_leakage(found: Leakage) -> None:
    screen = console()
    table = Table("Where", "What", "Events", "Worth", box=box.SIMPLE, title=found.month)
    for subject in found.unmapped_subjects:
        value = subject.estimate
        worth = f"about {plain(value.amount)} {value.currency}" if value else "unknown"
        table.add_row("unmapped subject", escape(subject.subject), f"{subject.events:,}", worth)
    for orphan in found.orphan_subjects:
        table.add_row("no customer any more", escape(orphan.subject), f"{orphan.events:,}", "")
    for usage in found.unpriced_usage:
        table.add_row("unpriced usage", escape(usage.message), "", "")
    for meter in found.unpriced_meters:
        table.add_row("meter without product", escape(meter), "", "")
    for kind in found.event_types_without_meter:
        table.add_row("type without meter", escape(kind.event_type), f"{kind.events:,}", "")
    for source in found.silent_sources:
        said = f"{source.source}: {source.events_last_week:,} a week before"
        table.add_row("silent source", escape(said), f"{source.events:,}", "")
    if found.open_conflicts:
        table.add_row("open conflicts", "", f"{found.open_conflicts:,}", "")
    for voided in found.voided[:_VOIDED_SHOWN]:
        said = f"{voided.event_type}: {voided.reason}"
        table.add_row("voided", escape(said), f"{voided.events:,}", "")
    if table.row_count:
        screen.print(table)
    else:
        screen.print(f"{found.month}: no leak was found.")
