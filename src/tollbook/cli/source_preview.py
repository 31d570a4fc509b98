"""The command line of source mappings: preview one on a sample, test one by files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.markup import escape
from rich.table import Column, Table

from tollbook.app import App, open_app
from tollbook.cli.file_options import file_options, file_rule
from tollbook.cli.options import console, json_option, write_json
from tollbook.errors import Rejected
from tollbook.runtime.mapped_sample import Preview, PreviewedEvent, PreviewedRecord
from tollbook.runtime.mapping_check import EVENTS, check_directory
from tollbook.runtime.mapping_preview import (
    Rehearsal,
    rehearse_file,
    rehearse_stored,
    run_preview,
)
from tollbook.runtime.sample import FORMATS, read_sample
from tollbook.storage.database import Connection

RECORDS_SHOWN: Final = 20
_SHOWN_FIRST: Final = ("subject", "time", "data", "type", "source", "id")
_ENCODE: Final = msgspec.json.Encoder(decimal_format="number").encode

_file_argument = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
_format_option = click.option(
    "--format", "form", type=click.Choice(FORMATS), help="What FILE is (default: by its name)."
)
_id_option = click.option("--id", "mapping_id", help="Which mapping, where a file holds several.")


@click.command("preview")
@_file_argument
@click.option(
    "--mapping", required=True, help="The id of a stored mapping, or a YAML file (or directory)."
)
@_id_option
@_format_option
@file_options
@click.option(
    "--limit",
    default=RECORDS_SHOWN,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Read at most this many records.",
)
@json_option
def preview_command(
    file: Path,
    *,
    mapping: str,
    mapping_id: str | None,
    form: str | None,
    options: tuple[str, ...],
    limit: int,
    is_json: bool,
) -> None:
    """Show which events the records of FILE would become, and the door's answer; stores nothing.

    A YAML file is taken as if it were applied, with all else in it.
    """
    rule = file_rule(options, form)
    with open_app() as app, app.database.transaction() as connection:
        rehearsal = _rehearse(app, connection, mapping, mapping_id)
        records = read_sample(file, rule=rule, limit=limit)
        found = run_preview(connection, rehearsal, records, at=app.clock.now())
    if is_json:
        click.echo(msgspec.json.format(preview_json(found), indent=2))
        return
    _show_preview(found)


@click.command("test")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_id_option
@click.option("--accept", is_flag=True, help="Write events.jsonl from what was found; review it.")
@json_option
def test_command(*, directory: Path, mapping_id: str | None, accept: bool, is_json: bool) -> None:
    """Test the mapping of DIRECTORY: mapping.yaml, records.* and the events.jsonl they must become.

    Needs no database. Exit code 1 when anything differs.
    """
    checked = check_directory(directory, mapping_id=mapping_id)
    if accept:
        (directory / EVENTS).write_bytes(b"".join(line + b"\n" for line in checked.outcomes))
        click.echo(f"{len(checked.outcomes)} lines written to {directory / EVENTS}: review them.")
        return
    if is_json:
        counts = {"records": checked.records, "outcomes": len(checked.outcomes)}
        write_json({**counts, "mismatches": checked.mismatches})
    else:
        for mismatch in checked.mismatches:
            click.echo(f"{EVENTS}:{mismatch.line}")
            click.echo(f"  expected {mismatch.expected or 'nothing'}")
            click.echo(f"  found    {mismatch.found or 'nothing'}")
        click.echo(
            f"{checked.records} records, {len(checked.outcomes)} outcomes, "
            f"{len(checked.mismatches)} differ."
        )
    if checked.mismatches:
        raise Rejected(
            "capture.mapping_differs", "The mapping does not make the events that are expected."
        )


def preview_json(found: Preview) -> bytes:
    """Write a preview as JSON, with every number of an event exactly as it would be stored."""
    return _ENCODE(found)


def _rehearse(app: App, connection: Connection, mapping: str, mapping_id: str | None) -> Rehearsal:
    path = Path(mapping)
    if not path.exists():
        return _rehearse_stored(app, connection, mapping)
    return rehearse_file(
        connection,
        path,
        at=app.clock.now(),
        future_hours_max=app.settings.future_hours_max,
        mapping_id=mapping_id,
    )


def _rehearse_stored(app: App, connection: Connection, mapping_id: str) -> Rehearsal:
    return rehearse_stored(
        connection,
        mapping_id,
        at=app.clock.now(),
        future_hours_max=app.settings.future_hours_max,
    )


def _show_preview(found: Preview) -> None:
    screen = console()
    table = Table("Record", "Answer", Column("Event", overflow="fold"), "Counted as")
    for record in found.records:
        for row in _rows(record):
            table.add_row(*map(escape, row))
    screen.print(table)
    screen.print(f"Mapping {escape(found.mapping)} version {found.version}; nothing was stored.")
    names = ("records", "events", "accepted", "duplicate", "conflict", "rejected", "ignored")
    _show_counts({name: found.counts[name] for name in names})
    _show_refusals(found.refusals)
    for meter in found.meters:
        screen.print(escape(f"meter {meter.meter}: {meter.quantity} {meter.unit}"))
    if found.unknown_subjects:
        screen.print(escape(f"unknown subjects: {', '.join(found.unknown_subjects)}"))
    if found.unmapped_fields:
        screen.print(escape(f"fields not read: {', '.join(found.unmapped_fields)}"))


def _rows(record: PreviewedRecord) -> list[tuple[str, str, str, str]]:
    place = record.place.get("row", "")
    if record.code:
        return [(place, f"rejected {record.code}", record.message, "")]
    rows = [(place, *_event_row(event)) for event in record.events]
    if record.ignored:
        rows.append((place, "ignored", f"{record.ignored} by `when`", ""))
    return rows


def _event_row(event: PreviewedEvent) -> tuple[str, str, str]:
    answer = f"{event.status} {event.code}".rstrip()
    text = _event_text(event.event)
    counted = ", ".join(f"{m.meter} {m.quantity} {m.unit}" for m in event.meters)
    return answer, event.message or text, counted


def _event_text(event: Any) -> str:
    # Who and what first: an id says little to a reader, and may be long.
    shown = {name: event[name] for name in _SHOWN_FIRST} | event
    del shown["specversion"]
    return _ENCODE(shown).decode()


def _show_counts(counts: Mapping[str, int]) -> None:
    table = Table(*(name.capitalize() for name in counts))
    table.add_row(*map(str, counts.values()))
    console().print(table)


def _show_refusals(refusals: Mapping[str, int]) -> None:
    for code, number in sorted(refusals.items()):
        console().print(f"{code}: {number}")
