"""The command line of completeness: up to when sources have sent everything, and what waits."""

from datetime import UTC, datetime

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import (
    by_option,
    console,
    json_option,
    period_option,
    reason_option,
    write_json,
)
from tollbook.errors import Rejected
from tollbook.flow.capture.completeness.step import gaps, override_gap, set_watermark
from tollbook.flow.capture.completeness.store import watermarks
from tollbook.values.codec import to_builtins
from tollbook.values.period import Month

_INSTANT = click.DateTime(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"])


@click.group()
def watermark() -> None:
    """Up to when sources have sent everything, and which months wait for them."""


@watermark.command("set")
@click.argument("source")
@click.argument("complete_until", type=_INSTANT)
@click.option("--reason", default="", help="Why; needed to go back.")
@by_option
@json_option
def set_command(
    source: str, complete_until: datetime, *, reason: str, by: str | None, is_json: bool
) -> None:
    """Note that SOURCE has sent everything that occurred before an instant (UTC)."""
    with open_app() as app, app.database.transaction() as connection:
        found = set_watermark(
            connection,
            source=source,
            complete_until=complete_until.replace(tzinfo=UTC),
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    if is_json:
        write_json(found)
        return
    click.echo(f"{found.source} is complete up to {found.complete_until:%Y-%m-%d %H:%M:%S} UTC.")


@watermark.command("list")
@json_option
def list_command(*, is_json: bool) -> None:
    """List the watermark of each source."""
    with open_app() as app, app.database.transaction() as connection:
        found = watermarks(connection)
    if is_json:
        write_json(found)
        return
    table = Table("Source", "Complete up to", "Declared at", "By", box=box.SIMPLE)
    for one in found:
        table.add_row(
            escape(one.source),
            one.complete_until.isoformat(),
            one.declared_at.isoformat(),
            escape(one.declared_by),
        )
    console().print(table)


@watermark.command("gaps")
@period_option
@json_option
def gaps_command(*, month: Month, is_json: bool) -> None:
    """List the sources that a month still waits for before it is invoiced."""
    with open_app() as app, app.database.transaction() as connection:
        catalog = app.catalog(connection)
        entities = [catalog.entity(key, month.last) for key in catalog.keys("entity")]
        found = [gap for entity in entities if entity for gap in gaps(connection, entity, month)]
    if is_json:
        write_json([{**to_builtins(gap), "blocks": gap.blocks} for gap in found])
        return
    for gap in found:
        by = f" (overridden by {gap.overridden_by})" if gap.overridden_by else ""
        click.echo(f"{gap.entity_id}  {gap}{by}")
    if not found:
        click.echo(f"{month} waits for no source.")


@watermark.command("override")
@click.argument("source")
@period_option
@click.option("--entity", "entity_id", required=True, help="The legal entity that invoices.")
@reason_option
@by_option
def override_command(
    source: str, *, month: Month, entity_id: str, reason: str, by: str | None
) -> None:
    """Let an entity invoice a month although SOURCE is not complete."""
    with open_app() as app, app.database.transaction() as connection:
        entity = app.catalog(connection).entity(entity_id, month.last)
        if entity is None:
            raise Rejected("invoice.no_such_entity", f"There is no legal entity {entity_id}.")
        override_gap(
            connection,
            entity=entity,
            month=month,
            source=source,
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    click.echo(f"{entity_id} may invoice {month} without {source}.")
