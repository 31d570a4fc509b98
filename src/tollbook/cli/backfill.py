"""The command line of back-fills: files of old events, shown, applied, and taken back."""

from pathlib import Path

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import (
    by_option,
    console,
    json_option,
    preview_option,
    reason_option,
    write_json,
)
from tollbook.cli.shown import echo_fields, print_effect
from tollbook.flow.capture.admit import Admission
from tollbook.flow.capture.corrections.step import get_backfill, revert_backfill
from tollbook.flow.capture.corrections.store import list_backfills
from tollbook.runtime.backfill import Order, apply_backfill, try_backfill, try_revert
from tollbook.storage.database import Connection

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def backfill() -> None:
    """Import old events under an id: preview, apply, and revert as a whole."""


@backfill.command("preview")
@click.argument("file", type=_FILE)
@json_option
def preview_command(file: Path, *, is_json: bool) -> None:
    """Show what importing a file would bring and what it does to the money; store nothing."""
    with open_app() as app:

        def admission_of(connection: Connection) -> Admission:
            return app.admission(connection, takes_any_age=True)

        previewed = app.preview(try_backfill(file, admission_of=admission_of, at=app.clock.now()))
    if is_json:
        write_json(previewed)
        return
    brought = previewed.result
    counts = [f"{number} {answer}" for answer, number in sorted(brought.answers.items())]
    click.echo(", ".join(counts) or "The file is empty.")
    for code, number in sorted(brought.refusals.items()):
        click.echo(f"  {number:>6,}  {code}")
    print_effect(previewed.effect)


@backfill.command("apply")
@click.argument("file", type=_FILE)
@click.option("--id", "backfill_id", required=True, help="Under which id; it is used once.")
@reason_option
@by_option
@json_option
def apply_command(
    file: Path, *, backfill_id: str, reason: str, by: str | None, is_json: bool
) -> None:
    """Import a file of CloudEvents, of whatever age, under an id that it can be reverted by.

    Cut off, the same command goes on where it ended.
    """
    with open_app() as app:
        done = apply_backfill(
            app.database,
            app.backfill_desk(),
            file,
            order=Order(backfill_id, by or app.settings.actor, reason),
            clock=app.clock,
        )
    if is_json:
        write_json(done)
        return
    click.echo(
        f"{done.backfill_id}: {done.accepted} accepted, {done.duplicates} duplicates, "
        f"{done.conflicts} conflicts, {done.rejected} rejected."
    )


@backfill.command("list")
@json_option
def list_command(*, is_json: bool) -> None:
    """List all back-fills, the latest first."""
    with open_app() as app, app.database.transaction() as connection:
        found = list_backfills(connection)
    if is_json:
        write_json(found)
        return
    table = Table("Back-fill", "File", "State", "Accepted", "By", "Reason", box=box.SIMPLE)
    for one in found:
        table.add_row(
            escape(one.backfill_id),
            escape(one.file_name),
            one.state,
            f"{one.accepted:,}",
            escape(one.applied_by),
            escape(one.reason),
        )
    console().print(table)


@backfill.command("show")
@click.argument("backfill_id")
@json_option
def show_command(backfill_id: str, *, is_json: bool) -> None:
    """Show one back-fill."""
    with open_app() as app, app.database.transaction() as connection:
        found = get_backfill(connection, backfill_id)
    echo_fields(found, is_json=is_json)


@backfill.command("revert")
@click.argument("backfill_id")
@preview_option
@reason_option
@by_option
@json_option
def revert_command(
    backfill_id: str, *, is_preview: bool, reason: str, by: str | None, is_json: bool
) -> None:
    """Stop counting exactly what a back-fill brought; what it was billed is corrected."""
    with open_app() as app:
        if is_preview:
            _preview_revert(app, backfill_id, by=by or app.settings.actor, is_json=is_json)
            return
        with app.database.transaction() as connection:
            voided = revert_backfill(
                connection,
                backfill_id,
                by=by or app.settings.actor,
                reason=reason,
                at=app.clock.now(),
            )
    if is_json:
        write_json(voided)
        return
    click.echo(f"{backfill_id} is reverted: {voided.events} events no longer count.")


def _preview_revert(app: App, backfill_id: str, *, by: str, is_json: bool) -> None:
    previewed = app.preview(try_revert(backfill_id, by=by, at=app.clock.now()))
    if is_json:
        write_json(previewed)
        return
    click.echo(f"{previewed.result.events} events would no longer count.")
    print_effect(previewed.effect)
