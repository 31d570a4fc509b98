"""The command line of usage events: import a file, look at events, work on what was refused."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from tollbook.app import App, open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.errors import Rejected
from tollbook.flow.capture import step, store
from tollbook.flow.capture.admit import Admission
from tollbook.flow.capture.events import store as stored
from tollbook.flow.capture.store import Conflict, Quarantined
from tollbook.runtime.import_file import OTHERWISE, import_file
from tollbook.runtime.intake import current_admission
from tollbook.runtime.process import collect_rarely
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rows import FileRule, read_rule
from tollbook.storage.database import Connection
from tollbook.values.codec import to_builtins

SHOWN_RAW_CHARACTERS: Final = 100
ID_CHARACTERS: Final = 30

_NEWEST: Final = 20

_by_option = click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
_reason_option = click.option("--reason", required=True, help="Why; it goes into the audit trail.")


@click.group()
def events() -> None:
    """Import usage events; work on what was refused."""


@events.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="How the file is written, as in the options of a source: format, encoding, columns, ...",
)
@click.option("--mapping", help="The id of the mapping that makes events of the rows.")
@json_option
def import_command(
    file: Path, *, options: tuple[str, ...], mapping: str | None, is_json: bool
) -> None:
    """Import a file of CloudEvents as JSON lines, or of other rows through a mapping, packed or not.

    Rows may be JSON, CSV, Parquet or of fixed width. Each is stored, known already, in conflict or
    kept in quarantine; importing a file again changes nothing.
    """
    rule = _file_rule(options)
    collect_rarely()
    with open_app() as app, _progress(file, is_quiet=is_json) as on_progress:
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
    if is_json:
        write_json({"file": str(file), **counts, "rejected_by_code": dict(imported.refusals)})
        return
    _print_counts(counts, imported.refusals)


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
        found = stored.list_events(connection, on=on, subject=subject, limit=limit) if on else []
    if is_json:
        write_json(found)
        return
    table = Table(_id_column("Event"), "Occurred at", "Subject", "Type", "Data")
    for event in found:
        table.add_row(
            event.event_id,
            event.occurred_at.isoformat(),
            event.subject,
            event.type + (" (voided)" if event.voided_for else ""),
            json.dumps(to_builtins(event.data)),
        )
    console().print(table)


@events.command("show")
@click.argument("event_id")
@json_option
def show_command(event_id: str, *, is_json: bool) -> None:
    """Show one event by our id of it (evt_...)."""
    with open_app() as app, app.database.transaction() as connection:
        event = step.find_event(connection, event_id)
    _echo_fields(event, is_json=is_json)


@events.command("void")
@click.argument("event_id")
@_reason_option
@_by_option
def void_command(event_id: str, *, reason: str, by: str | None) -> None:
    """Stop counting an event that was reported by mistake."""
    with _writing() as (app, connection):
        step.void_event(
            connection, event_id=event_id, by=_actor(app, by), reason=reason, at=app.clock.now()
        )
    click.echo(f"{event_id} no longer counts; what it was billed is corrected by the next run.")


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
        write_json([_with_text(conflict) for conflict in found])
        return
    table = Table(_id_column("Conflict"), "Source", "Id", "Subject", "Not counted")
    for conflict in found:
        table.add_row(
            conflict.conflict_id,
            conflict.source,
            conflict.event_id,
            conflict.subject,
            _text(conflict.raw)[:SHOWN_RAW_CHARACTERS],
        )
    console().print(table)


@conflicts.command("dismiss")
@click.argument("conflict_id")
@_reason_option
@_by_option
def dismiss_command(conflict_id: str, *, reason: str, by: str | None) -> None:
    """Let the first event stand and take the conflict off the worklist."""
    with _writing() as (app, connection):
        step.dismiss_conflict(
            connection, conflict=conflict_id, by=_actor(app, by), reason=reason, at=app.clock.now()
        )
    click.echo(f"{conflict_id} is dismissed.")


@events.group()
def quarantine() -> None:
    """Work on events that were refused: their bytes are kept until somebody decides."""


_code_option = click.option("--code", help="Only this reason, like capture.unknown_subject.")
_cause_option = click.option("--cause", help="Only this cause, like a subject.")


@quarantine.command("list")
@_code_option
@_cause_option
@click.option("--all", "is_all", is_flag=True, help="Closed ones too.")
@json_option
def list_quarantine_command(
    *, code: str | None, cause: str | None, is_all: bool, is_json: bool
) -> None:
    """List refused events with the reason of each."""
    with open_app() as app, app.database.transaction() as connection:
        found = store.list_quarantine(
            connection, state=None if is_all else "open", code=code, cause=cause
        )
    if is_json:
        write_json([_with_text(held) for held in found])
        return
    table = Table(_id_column("Quarantine"), "Code", "Cause", "What is wrong", "State")
    for held in found:
        table.add_row(held.quarantine_id, held.code, held.cause, held.message, held.state)
    console().print(table)


@quarantine.command("causes")
@json_option
def causes_command(*, is_json: bool) -> None:
    """Count the open refusals by code and cause, most numerous first."""
    with open_app() as app, app.database.transaction() as connection:
        found = store.count_quarantine(connection)
    if is_json:
        write_json([{"code": code, "cause": cause, "count": n} for code, cause, n in found])
        return
    table = Table("Refusals", "Code", "Cause")
    for code, cause, number in found:
        table.add_row(f"{number:,}", code, escape(cause))
    console().print(table)


@quarantine.command("show")
@click.argument("quarantine_id")
@json_option
def show_quarantine_command(quarantine_id: str, *, is_json: bool) -> None:
    """Show one refused event with its bytes."""
    with open_app() as app, app.database.transaction() as connection:
        held = store.get_quarantined(connection, quarantine_id)
    if held is None:
        raise Rejected("capture.no_such_refusal", f"There is no refused event {quarantine_id}.")
    _echo_fields(_with_text(held), is_json=is_json)


@quarantine.command("correct")
@click.argument("quarantine_id")
@click.argument("file", type=click.File("rb"))
@_reason_option
@_by_option
def correct_command(quarantine_id: str, file: IO[bytes], *, reason: str, by: str | None) -> None:
    """Replace a refused event by the corrected one in FILE (- for standard input) and replay it."""
    corrected = file.read()
    with _writing() as (app, connection):
        actor, at = _actor(app, by), app.clock.now()
        step.correct(
            connection,
            quarantined=quarantine_id,
            corrected=corrected,
            by=actor,
            reason=reason,
            at=at,
        )
        answer = step.replay(
            connection,
            quarantined=quarantine_id,
            admission=_admission(app, connection),
            by=actor,
            reason=reason,
            at=at,
        )
    click.echo(f"{quarantine_id}: {answer.status} {answer.message}".rstrip())


@quarantine.command("replay")
@click.argument("quarantine_id", required=False)
@_code_option
@_cause_option
@_reason_option
@_by_option
@json_option
def replay_command(
    quarantine_id: str | None,
    *,
    code: str | None,
    cause: str | None,
    reason: str,
    by: str | None,
    is_json: bool,
) -> None:
    """Bring one refused event, or all of a code and cause, to the door again."""
    with _writing() as (app, connection):
        actor, at, admission = _actor(app, by), app.clock.now(), _admission(app, connection)
        if quarantine_id:
            answers = [
                step.replay(
                    connection,
                    quarantined=quarantine_id,
                    admission=admission,
                    by=actor,
                    reason=reason,
                    at=at,
                )
            ]
        else:
            answers = step.replay_all(
                connection,
                admission=admission,
                by=actor,
                reason=reason,
                at=at,
                code=code,
                cause=cause,
            )
    counts = Counter(answer.status for answer in answers)
    if is_json:
        write_json(dict(counts))
        return
    click.echo(
        ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none"
    )


@quarantine.command("discard")
@click.argument("quarantine_id")
@_reason_option
@_by_option
def discard_command(quarantine_id: str, *, reason: str, by: str | None) -> None:
    """Close a refused event that will never be counted; its bytes are kept."""
    with _writing() as (app, connection):
        step.discard(
            connection,
            quarantined=quarantine_id,
            by=_actor(app, by),
            reason=reason,
            at=app.clock.now(),
        )
    click.echo(f"{quarantine_id} is discarded.")


def _file_rule(given: tuple[str, ...]) -> FileRule:
    pairs = [pair.partition("=") for pair in given]
    options = Options({name.strip(): value for name, _, value in pairs})
    rule = read_rule(options)
    options.refuse_others()
    return replace(rule, otherwise=OTHERWISE)


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
    table = Table("Lines", "Accepted", "Duplicates", "Conflicts", "Rejected")
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


def _admission(app: App, connection: Connection) -> Admission:
    return current_admission(
        connection, at=app.clock.now(), future_hours_max=app.settings.future_hours_max
    )


def _with_text(record: Quarantined | Conflict) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {
        name: _text(value) if isinstance(value, bytes) else value for name, value in fields.items()
    }


def _id_column(header: str) -> Column:
    # An id that is cut off cannot be given to the next command.
    return Column(header, no_wrap=True, min_width=ID_CHARACTERS)


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _echo_fields(record: object, *, is_json: bool) -> None:
    if is_json:
        write_json(record)
        return
    for name, value in to_builtins(record).items():
        if value is not None:
            click.echo(f"{name:14}{value if isinstance(value, str) else json.dumps(value)}")
