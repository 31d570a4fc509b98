"""The command line of sources: look at them, run one, pause one, move a lane."""

import click
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.cli.source_objects import objects_command, retry_command
from tollbook.cli.source_preview import preview_command, test_command
from tollbook.flow.capture.sources import store
from tollbook.observe.log import configure
from tollbook.runtime import sources
from tollbook.runtime.process import collect_rarely, stop_on_signals
from tollbook.runtime.sources import SourceView
from tollbook.values.codec import to_builtins

_by_option = click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
_reason_option = click.option("--reason", required=True, help="Why; it goes into the audit trail.")


@click.group()
def source() -> None:
    """Read usage from Kafka and other sources; the configuration names them."""


@source.command("list")
@json_option
def list_command(*, is_json: bool) -> None:
    """List the configured sources: state, what is stored, what waits, the last failure."""
    with open_app() as app, app.database.transaction() as connection:
        found = sources.list_sources(connection, app.settings.sources, at=app.clock.now())
    if is_json:
        write_json(found)
        return
    table = Table(
        "Source",
        "Connector",
        "State",
        "Lanes",
        "Records",
        "Waiting",
        "Oldest",
        "Last read",
        "Last failure",
    )
    for one in found:
        table.add_row(
            escape(one.name),
            one.connector,
            one.state,
            f"{one.lanes:,}",
            f"{one.records:,}",
            "?" if one.backlog_records is None else f"{one.backlog_records:,}",
            "?" if one.oldest_seconds is None else f"{one.oldest_seconds} s",
            one.read_at.isoformat(timespec="seconds") if one.read_at else "never",
            escape(_failure(one)),
        )
    console().print(table)


@source.command("show")
@click.argument("name")
@click.option("--after", default="", help="Continue after this lane.")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most this many lanes.",
)
@json_option
def show_command(name: str, *, after: str, limit: int, is_json: bool) -> None:
    """Show a source with the position of each lane (partition, object, subscription)."""
    with open_app() as app, app.database.transaction() as connection:
        settings = {name: app.source_settings(name)}
        found = sources.list_sources(connection, settings, at=app.clock.now())[0]
        positions = store.list_positions(connection, name, after=after, limit=limit)
    if is_json:
        write_json({**to_builtins(found), "positions": positions})
        return
    for label, value in to_builtins(found).items():
        if value not in {None, ""}:
            click.echo(f"{label:16}{value}")
    table = Table("Lane", "Next", "Records", "Stored at", "Facts")
    for one in positions:
        facts = ", ".join(f"{key} {value}" for key, value in sorted(one.facts.items()))
        following = "done" if one.is_done else str(one.next)
        at = one.updated_at.isoformat(timespec="seconds")
        table.add_row(escape(one.lane), following, f"{one.records:,}", at, escape(facts))
    console().print(table)


@source.command("run")
@click.argument("name")
@click.option("--until-idle", is_flag=True, help="Return when nothing waits there any more.")
@json_option
def run_command(name: str, *, until_idle: bool, is_json: bool) -> None:
    """Read one source in the foreground, until interrupted; workers read all of them."""
    stop = stop_on_signals()
    with open_app() as app:
        configure(app.settings.log_format)
        collect_rarely()
        pumped = app.pump(name).run(stop, until_idle=until_idle)
    counts = {answer: pumped.answers[answer] for answer in _ANSWERS}
    if is_json:
        write_json({"source": name, **counts, "transactions": pumped.transactions})
        return
    click.echo(", ".join(f"{number:,} {answer}" for answer, number in counts.items()))


_ANSWERS = ("accepted", "duplicate", "conflict", "rejected")


@source.command("pause")
@click.argument("name")
@_reason_option
@_by_option
def pause_command(name: str, *, reason: str, by: str | None) -> None:
    """Have all workers leave a source alone, within seconds; nothing is lost."""
    with open_app() as app, app.database.transaction() as connection:
        app.source_settings(name)
        actor = by or app.settings.actor
        sources.pause(connection, source=name, by=actor, reason=reason, at=app.clock.now())
    click.echo(f"{name} is paused; tollbook source resume {name} lets it go on.")


@source.command("resume")
@click.argument("name")
@_reason_option
@_by_option
def resume_command(name: str, *, reason: str, by: str | None) -> None:
    """Let a paused source go on where it stands."""
    with open_app() as app, app.database.transaction() as connection:
        app.source_settings(name)
        actor = by or app.settings.actor
        sources.resume(connection, source=name, by=actor, reason=reason, at=app.clock.now())
    click.echo(f"{name} goes on.")


@source.command("seek")
@click.argument("name")
@click.argument("lane")
@click.argument("position", type=click.IntRange(0, 2**63 - 1))
@_reason_option
@_by_option
def seek_command(name: str, lane: str, position: int, *, reason: str, by: str | None) -> None:
    """Let a lane of a paused source go on from another position.

    Going back does no harm: what was stored is known. Going forward skips records for good.
    """
    with open_app() as app, app.database.transaction() as connection:
        app.source_settings(name)
        stood = sources.seek(
            connection,
            source=name,
            lane=lane,
            position=position,
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    before = "it had no position" if stood is None else f"it stood at {stood}"
    click.echo(f"{lane} goes on at {position}; {before}.")


def _failure(one: SourceView) -> str:
    if one.failed_at is None:
        return ""
    return f"{one.failed_at.isoformat(timespec='seconds')} {one.message} [{one.code}]"


for _command in (
    *(preview_command, test_command),
    *(objects_command, retry_command),
):
    source.add_command(_command)
