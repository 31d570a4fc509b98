"""The command line of sealed days: seal, list, verify, restore, hold, expire and delete."""

import sys
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import click
from rich import box
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.flow.capture.sealing import step
from tollbook.flow.capture.sealing.store import holds
from tollbook.flow.capture.segments.manifest import Segment
from tollbook.flow.capture.segments.store import list_segments
from tollbook.reports.segments import verify_segments
from tollbook.runtime import retention
from tollbook.runtime.seal import seal

_by_option = click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
_reason_option = click.option("--reason", required=True, help="Why; it goes into the audit trail.")
_day_argument = click.argument("day", type=click.DateTime(["%Y-%m-%d"]))


@click.command("seal")
@click.option(
    "--through",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last UTC day to seal (default: yesterday).",
)
@_by_option
@json_option
def seal_command(*, through: datetime | None, by: str | None, is_json: bool) -> None:
    """Move the events of closed days into sorted Parquet files in the archive."""
    with open_app() as app:
        last = through.date() if through else date.max
        done = seal(app.database, app.clock, through=last, by=by or app.settings.actor)
    if is_json:
        write_json(done)
        return
    _show(done.segments, is_json=False)
    for waiting in done.waiting:
        click.echo(f"{waiting.day} waits: {waiting.message}")


@click.command("segments")
@json_option
def segments_command(*, is_json: bool) -> None:
    """List the files of sealed days: what they hold, and where their events are now."""
    with open_app() as app, app.database.transaction() as connection:
        found = list_segments(connection)
    _show(found, is_json=is_json)


@click.command("verify-segments")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Only this UTC day.")
@json_option
def verify_command(*, day: datetime | None, is_json: bool) -> None:
    """Prove each file by its SHA-256 and by its events hashed anew; exit code 1 when one fails."""
    first = day.date() if day else None
    with open_app() as app, app.database.transaction() as connection:
        until = first + timedelta(days=1) if first else None
        found = list(verify_segments(connection, first=first, until=until))
    if is_json:
        write_json(found)
    else:
        for check in found:
            said = "; ".join(check.wrong) or f"{check.event_count} events, as they were sealed"
            click.echo(f"{check.day}/{check.segment}: {said}")
    if any(check.wrong for check in found):
        sys.exit(1)


@click.command("restore")
@_day_argument
@_reason_option
@_by_option
@json_option
def restore_command(day: datetime, *, reason: str, by: str | None, is_json: bool) -> None:
    """Bring a sealed day back into the database, proven by its digest; the files stay."""
    with open_app() as app:
        found = step.restore_day(
            app.database,
            day.date(),
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    _show(found, is_json=is_json)


@click.command("expire")
@_day_argument
@click.option("--take-back", is_flag=True, help="Take the request back.")
@_reason_option
@_by_option
def expire_command(day: datetime, *, take_back: bool, reason: str, by: str | None) -> None:
    """Ask for the deletion of a sealed day's events; another person confirms it."""
    with open_app() as app, app.database.transaction() as connection:
        said = _said(app, by, reason)
        if take_back:
            retention.keep_after_all(connection, day.date(), **said)
        else:
            keep = app.settings.keep_raw_days
            retention.expire(connection, day.date(), keep_raw_days=keep, **said)
    click.echo(f"{day:%Y-%m-%d} is {'kept' if take_back else 'to be deleted; nothing is yet'}.")


@click.command("delete")
@_day_argument
@_reason_option
@_by_option
def delete_command(day: datetime, *, reason: str, by: str | None) -> None:
    """Confirm the deletion of a day that another person asked for; manifests stay for ever."""
    with open_app() as app:
        with app.database.transaction() as connection:
            found = retention.delete(
                connection,
                day.date(),
                keep_raw_days=app.settings.keep_raw_days,
                **_said(app, by, reason),
            )
        with app.database.transaction() as connection:
            retention.remove_files(connection)
    events = sum(segment.event_count for segment in found)
    click.echo(f"{day:%Y-%m-%d}: {events} events are deleted; their manifest is kept.")


@click.command("hold")
@click.argument("first", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("last", type=click.DateTime(["%Y-%m-%d"]))
@_reason_option
@_by_option
def hold_command(first: datetime, last: datetime, *, reason: str, by: str | None) -> None:
    """Keep the events of some days (both included) from being deleted."""
    with open_app() as app, app.database.transaction() as connection:
        hold = retention.hold_days(connection, first.date(), last.date(), **_said(app, by, reason))
    click.echo(hold.hold_id)


@click.command("release")
@click.argument("hold_id")
@_reason_option
@_by_option
def release_command(hold_id: str, *, reason: str, by: str | None) -> None:
    """End a hold."""
    with open_app() as app, app.database.transaction() as connection:
        retention.release_hold(connection, hold_id, **_said(app, by, reason))
    click.echo(f"{hold_id} is released.")


@click.command("holds")
@json_option
def holds_command(*, is_json: bool) -> None:
    """List the days that are held."""
    with open_app() as app, app.database.transaction() as connection:
        found = holds(connection)
    if is_json:
        write_json(found)
        return
    for hold in found:
        click.echo(
            f"{hold.hold_id}  {hold.first_day} - {hold.last_day}  {hold.held_by}: {hold.reason}"
        )


def add_to(group: click.Group) -> None:
    """Add the commands of sealed days to the group of events."""
    for command in (
        seal_command,
        segments_command,
        verify_command,
        restore_command,
        expire_command,
        delete_command,
        hold_command,
        release_command,
        holds_command,
    ):
        group.add_command(command)


def _said(app: App, by: str | None, reason: str) -> dict[str, Any]:
    return {"by": by or app.settings.actor, "reason": reason, "at": app.clock.now()}


def _show(found: Iterable[Segment], *, is_json: bool) -> None:
    if is_json:
        write_json(list(found))
        return
    table = Table("Day", "No", "Events", "Bytes", "State", "SHA-256", "File", box=box.SIMPLE)
    for segment in found:
        table.add_row(
            str(segment.day),
            str(segment.segment),
            str(segment.event_count),
            str(segment.bytes),
            segment.state,
            segment.sha256[:16],
            segment.path,
        )
    console().print(table)
