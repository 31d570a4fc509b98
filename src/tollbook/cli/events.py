"""The command line of usage events: import a file, look at events, void and amend them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli import segments
from tollbook.cli.backfill import backfill
from tollbook.cli.file_options import file_options, file_rule
from tollbook.cli.options import (
    by_option,
    console,
    json_option,
    preview_option,
    reason_option,
    write_json,
)
from tollbook.cli.quarantine import quarantine
from tollbook.cli.shown import echo_fields, id_column, print_effect, text_of, with_text
from tollbook.cli.watermark import watermark
from tollbook.errors import Rejected
from tollbook.flow.capture import step, store
from tollbook.flow.capture.corrections.step import amend_event, void_events
from tollbook.flow.capture.corrections.store import Which
from tollbook.flow.capture.events import store as stored
from tollbook.reports.arrival import SeenEvent, seen
from tollbook.runtime.import_file import OTHERWISE, import_file
from tollbook.runtime.mapping_preview import rehearse_stored
from tollbook.runtime.process import collect_rarely
from tollbook.runtime.voiding import try_void
from tollbook.storage.database import Connection, decode_json
from tollbook.values.codec import to_builtins

SHOWN_RAW_CHARACTERS: Final = 100

_NEWEST: Final = 20
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def events() -> None:
    """Import usage events; work on what was refused."""


events.add_command(quarantine)
events.add_command(backfill)
events.add_command(watermark)
segments.add_to(events)


@events.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@file_options
@click.option("--mapping", help="The id of the mapping that makes events of the rows.")
@json_option
def import_command(
    file: Path, *, options: tuple[str, ...], mapping: str | None, is_json: bool
) -> None:
    """Import a file of CloudEvents as JSON lines, or of other rows through a mapping, packed or not.

    Rows may be JSON, CSV, Parquet or of fixed width. Each is stored, known already, in conflict or
    kept in quarantine; importing a file again changes nothing.
    """
    # Rows of another form are not guessed: each would be refused, and kept, one by one.
    rule = replace(file_rule(options), otherwise="" if mapping else OTHERWISE)
    collect_rarely()
    with open_app() as app, _progress(file, is_quiet=is_json) as on_progress:
        if mapping:
            _require_mapping(app, mapping)
        imported = import_file(
            app.desk(), file, rule=rule, mapping=mapping, on_progress=on_progress
        )
    counts = {
        "lines": imported.lines,
        "accepted": imported.counts["accepted"],
        "duplicates": imported.counts["duplicate"],
        "conflicts": imported.counts["conflict"],
        "rejected": imported.counts["rejected"],
    }
    if mapping:
        counts["ignored"] = imported.counts["ignored"]
    if is_json:
        write_json({"file": str(file), **counts, "rejected_by_code": dict(imported.refusals)})
        return
    _print_counts(counts, imported.refusals)


def _require_mapping(app: App, mapping: str) -> None:
    with app.database.transaction() as connection:
        rehearse_stored(
            connection,
            mapping,
            at=app.clock.now(),
            future_hours_max=app.settings.future_hours_max,
        )


@events.command("list")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="UTC day (default: the newest).")
@click.option("--subject", help="Only events of this subject.")
@click.option(
    "--limit",
    default=_NEWEST,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most this many.",
)
@json_option
def list_command(*, day: datetime | None, subject: str | None, limit: int, is_json: bool) -> None:
    """List the events of a UTC day, the latest taken first."""
    with open_app() as app, app.database.transaction() as connection:
        on = day.date() if day else stored.latest_day(connection)
        listed = stored.list_events(connection, on=on, subject=subject, limit=limit) if on else []
        found = seen(connection, listed)
    if is_json:
        write_json(found)
        return
    table = Table(id_column("Event"), "Occurred at", "Arrived", "Subject", "Type", "Data")
    for event in found:
        table.add_row(
            event.event_id,
            event.occurred_at.isoformat(),
            event.arrived,
            event.subject,
            event.type + _mark(event),
            json.dumps(to_builtins(event.data)),
        )
    console().print(table)


@events.command("show")
@click.argument("event_id")
@json_option
def show_command(event_id: str, *, is_json: bool) -> None:
    """Show one event by our id of it (evt_...): how it came, and what became of it."""
    with open_app() as app, app.database.transaction() as connection:
        (event,) = seen(connection, [step.find_event(connection, event_id)])
    echo_fields(event, is_json=is_json)


@events.command("void")
@click.argument("event_id", required=False)
@click.option("--from", "first", type=_DAY, help="Without an id: all from this UTC day on.")
@click.option(
    "--until", type=_DAY, help="Up to this UTC day, which is not included (default: one day)."
)
@click.option("--source", help="Only this source.")
@click.option("--subject", help="Only this subject.")
@click.option("--type", "event_type", help="Only this event type.")
@click.option("--door", help="Only what came this way, like http or file.")
@preview_option
@reason_option
@by_option
@json_option
def void_command(
    event_id: str | None,
    *,
    is_preview: bool,
    reason: str,
    by: str | None,
    is_json: bool,
    **which: Any,
) -> None:
    """Stop counting an event, or all that are meant, that were reported by mistake.

    With --preview it is done, metered and rated, shown and undone.
    """
    if event_id is None:
        _void_many(_which(which), is_preview=is_preview, reason=reason, by=by, is_json=is_json)
        return
    with _writing() as (app, connection):
        step.void_event(
            connection, event_id=event_id, by=_actor(app, by), reason=reason, at=app.clock.now()
        )
    click.echo(f"{event_id} no longer counts; what it was billed is corrected by the next run.")


def _void_many(
    which: Which, *, is_preview: bool, reason: str, by: str | None, is_json: bool
) -> None:
    with open_app() as app:
        if is_preview:
            previewed = app.preview(try_void(which, at=app.clock.now()))
            if is_json:
                write_json(previewed)
                return
            click.echo(f"{previewed.result.events} events would no longer count.")
            print_effect(previewed.effect)
            return
        with app.database.transaction() as connection:
            voided = void_events(
                connection, which, by=_actor(app, by), reason=reason, at=app.clock.now()
            )
    if is_json:
        write_json(voided)
        return
    click.echo(f"{voided.events} events no longer count.")


@events.command("amend")
@click.argument("event_id")
@click.argument("data", type=click.File("rb"), required=False)
@click.option("--id", "new_id", help="Id of the new event (default: one that follows from it).")
@click.option("--time", help="Its time, if that was wrong (RFC 3339).")
@click.option("--subject", help="Its subject, if that was wrong.")
@reason_option
@by_option
@json_option
def amend_command(
    event_id: str,
    data: IO[bytes] | None,
    *,
    reason: str,
    by: str | None,
    is_json: bool,
    **attributes: str | None,
) -> None:
    """Let a new event stand for one that is wrong: DATA is a file with its data (- for input).

    What is not given stays as it was. The old event no longer counts; both are kept.
    """
    changes: dict[str, Any] = {
        name.removeprefix("new_"): value for name, value in attributes.items() if value is not None
    }
    if data is not None:
        changes["data"] = _json_object(data.read())
    if not changes.keys() - {"id"}:
        raise click.UsageError("Say what is different: DATA, --time or --subject.")
    with _writing() as (app, connection):
        amended = amend_event(
            connection,
            event_id=event_id,
            changes=changes,
            admission=app.admission(connection, takes_any_age=True),
            by=_actor(app, by),
            reason=reason,
            at=app.clock.now(),
        )
    if is_json:
        write_json(amended)
        return
    click.echo(f"{amended.event_id} stands for {amended.amends}, which no longer counts.")


@events.group()
def conflicts() -> None:
    """Look at events that reuse the source and id of another event."""


@conflicts.command("list")
@json_option
def list_conflicts_command(*, is_json: bool) -> None:
    """List conflicts; the first event stands, these were not counted."""
    with open_app() as app, app.database.transaction() as connection:
        found = store.list_conflicts(connection)
    if is_json:
        write_json([with_text(conflict) for conflict in found])
        return
    table = Table(id_column("Conflict"), "Source", "Id", "Subject", "Not counted")
    for conflict in found:
        table.add_row(
            conflict.conflict_id,
            conflict.source,
            conflict.event_id,
            conflict.subject,
            text_of(conflict.raw)[:SHOWN_RAW_CHARACTERS],
        )
    console().print(table)


@conflicts.command("dismiss")
@click.argument("conflict_id")
@reason_option
@by_option
def dismiss_command(conflict_id: str, *, reason: str, by: str | None) -> None:
    """Let the first event stand and take the conflict off the worklist."""
    with _writing() as (app, connection):
        step.dismiss_conflict(
            connection, conflict=conflict_id, by=_actor(app, by), reason=reason, at=app.clock.now()
        )
    click.echo(f"{conflict_id} is dismissed.")


@contextmanager
def _progress(file: Path, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how much of a file is done, on a terminal."""
    errors = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=is_quiet or not errors.is_terminal,
    ) as progress:
        task = progress.add_task(file.name, total=file.stat().st_size)
        yield lambda done: progress.update(task, completed=done)


def _print_counts(counts: dict[str, int], refusals: Counter[str]) -> None:
    table = Table(*map(str.capitalize, counts))
    table.add_row(*(f"{number:,}" for number in counts.values()))
    screen = console()
    screen.print(table)
    for code, number in sorted(refusals.items()):
        screen.print(f"  {number:>6,}  {code}")
    if refusals:
        screen.print("Rejected events are kept: tollbook events quarantine list")
    if counts["conflicts"]:
        screen.print("Conflicts wait for a person: tollbook events conflicts list")


@contextmanager
def _writing() -> Iterator[tuple[App, Connection]]:
    with open_app() as app, app.database.transaction() as connection:
        yield app, connection


def _actor(app: App, by: str | None) -> str:
    return by or app.settings.actor


def _mark(event: SeenEvent) -> str:
    if event.amended_by:
        return " (amended)"
    return " (voided)" if event.voided_for else ""


def _which(options: dict[str, Any]) -> Which:
    first, until = options["first"], options["until"]
    if first is None:
        raise click.UsageError("Name an event, or say --from which day on.")
    return Which(
        first.date(),
        until.date() if until else (first + timedelta(days=1)).date(),
        source=options["source"],
        subject=options["subject"],
        type=options["event_type"],
        door=options["door"],
    )


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        found = decode_json(raw)
    except ValueError as error:
        raise Rejected("capture.malformed_json", f"DATA is not JSON ({error}).") from error
    if not isinstance(found, dict):
        raise Rejected("capture.not_an_object", "DATA must be a JSON object.")
    return found
