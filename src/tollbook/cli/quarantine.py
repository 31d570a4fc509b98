"""The command line of refused events: list, group by cause, correct, replay, discard."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Any, Final

import click
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
from tollbook.cli.shown import echo_fields, id_column, print_effect, with_text
from tollbook.errors import Rejected
from tollbook.flow.capture import step
from tollbook.flow.capture.quarantine.step import discard_all
from tollbook.flow.capture.quarantine.store import Cause, Which, causes, find
from tollbook.flow.capture.step import Answer
from tollbook.flow.capture.store import get_quarantined
from tollbook.reports.estimate import Estimate, estimate
from tollbook.reports.leakage import ESTIMATED_EVENTS_MAX, refused_events
from tollbook.runtime.replay import try_replay
from tollbook.storage.database import Connection
from tollbook.values.codec import to_builtins
from tollbook.values.quantity import plain

_SHOWN: Final = 1000


@click.group()
def quarantine() -> None:
    """Work on events that were refused: their bytes are kept until somebody decides."""


def which_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which refused events are meant."""
    day = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])
    for option in (
        click.option("--until", type=day, help="Only those received before this (UTC)."),
        click.option("--since", type=day, help="Only those received from this on (UTC)."),
        click.option("--type", "event_type", help="Only this event type."),
        click.option("--source", help="Only this source."),
        click.option("--door", help="Only this door, like http, file or backfill:ID."),
        click.option("--cause", help="Only this cause, like a subject."),
        click.option("--code", help="Only this reason, like capture.unknown_subject."),
    ):
        command = option(command)
    return command


@quarantine.command("list")
@which_options
@click.option("--all", "is_all", is_flag=True, help="Closed ones too.")
@click.option("--after", default="", help="Continue after this id.")
@click.option(
    "--limit",
    default=_SHOWN,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="At most this many.",
)
@json_option
def list_command(*, is_all: bool, after: str, limit: int, is_json: bool, **which: Any) -> None:
    """List refused events with the reason of each."""
    with open_app() as app, app.database.transaction() as connection:
        found = find(
            connection,
            _which(which),
            state=None if is_all else "open",
            after=after,
            limit=limit,
        )
    if is_json:
        write_json([with_text(held) for held in found])
        return
    table = Table(id_column("Quarantine"), "Code", "Cause", "What is wrong", "State")
    for held in found:
        table.add_row(
            held.quarantine_id, held.code, escape(held.cause), escape(held.message), held.state
        )
    console().print(table)
    if len(found) == limit:
        console().print(f"There may be more: --after {found[-1].quarantine_id}")


@quarantine.command("causes")
@which_options
@click.option("--estimate", "is_estimated", is_flag=True, help="What they are worth at list price.")
@json_option
def causes_command(*, is_estimated: bool, is_json: bool, **which: Any) -> None:
    """Count the open refusals by code and cause, most numerous first."""
    with open_app() as app, app.database.transaction() as connection:
        found = causes(connection, _which(which))
        worth = [_worth(app, connection, one) if is_estimated else None for one in found]
    if is_json:
        write_json(
            [
                {**to_builtins(one), "estimate": to_builtins(value)}
                for one, value in zip(found, worth, strict=True)
            ]
        )
        return
    table = Table("Refusals", "Code", "Cause", "Since", *(["Worth"] if is_estimated else []))
    for one, value in zip(found, worth, strict=True):
        amount = f"{plain(value.amount)} {value.currency}" if value else "unknown"
        table.add_row(
            f"{one.count:,}",
            one.code,
            escape(one.cause),
            f"{one.first_at:%Y-%m-%d %H:%M}",
            *([amount] if is_estimated else []),
        )
    console().print(table)


@quarantine.command("show")
@click.argument("quarantine_id")
@json_option
def show_command(quarantine_id: str, *, is_json: bool) -> None:
    """Show one refused event with its bytes."""
    with open_app() as app, app.database.transaction() as connection:
        held = get_quarantined(connection, quarantine_id)
    if held is None:
        raise Rejected("capture.no_such_refusal", f"There is no refused event {quarantine_id}.")
    echo_fields(with_text(held), is_json=is_json)


@quarantine.command("correct")
@click.argument("quarantine_id")
@click.argument("file", type=click.File("rb"))
@reason_option
@by_option
def correct_command(quarantine_id: str, file: IO[bytes], *, reason: str, by: str | None) -> None:
    """Replace a refused event by the corrected one in FILE (- for standard input) and replay it."""
    corrected = file.read()
    with open_app() as app, app.database.transaction() as connection:
        step.correct(
            connection,
            quarantined=quarantine_id,
            corrected=corrected,
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
        answer = _replay_one(app, connection, quarantine_id, by=by, reason=reason)
    click.echo(f"{quarantine_id}: {answer.status} {answer.message}".rstrip())


@quarantine.command("replay")
@click.argument("quarantine_id", required=False)
@which_options
@preview_option
@reason_option
@by_option
@json_option
def replay_command(
    quarantine_id: str | None,
    *,
    is_preview: bool,
    reason: str,
    by: str | None,
    is_json: bool,
    **which: Any,
) -> None:
    """Bring one refused event, or all that are meant, to the door again.

    With --preview it is done, metered and rated, shown and undone.
    """
    with open_app() as app:
        if is_preview:
            _preview_replay(app, _which(which), is_json=is_json)
            return
        if quarantine_id:
            with app.database.transaction() as connection:
                answers = [_replay_one(app, connection, quarantine_id, by=by, reason=reason)]
        else:
            actor = by or app.settings.actor
            answers = app.replayer().replay_refused(_which(which), by=actor, reason=reason)
    counts = Counter(answer.status for answer in answers)
    if is_json:
        write_json(dict(counts))
        return
    click.echo(_said(counts))


@quarantine.command("discard")
@click.argument("quarantine_id", required=False)
@which_options
@reason_option
@by_option
@json_option
def discard_command(
    quarantine_id: str | None, *, reason: str, by: str | None, is_json: bool, **which: Any
) -> None:
    """Close one refused event, or all that are meant, that will never be counted.

    Their bytes are kept.
    """
    with open_app() as app, app.database.transaction() as connection:
        actor, at = by or app.settings.actor, app.clock.now()
        if quarantine_id:
            step.discard(connection, quarantined=quarantine_id, by=actor, reason=reason, at=at)
            closed = 1
        else:
            closed = discard_all(connection, _which(which), by=actor, reason=reason, at=at)
    if is_json:
        write_json({"discarded": closed})
        return
    click.echo(f"{quarantine_id} is discarded." if quarantine_id else f"{closed} are discarded.")


def _replay_one(
    app: App, connection: Connection, quarantine_id: str, *, by: str | None, reason: str
) -> Answer:
    return step.replay(
        connection,
        quarantined=quarantine_id,
        admission=app.admission(connection),
        by=by or app.settings.actor,
        reason=reason,
        at=app.clock.now(),
    )


def _preview_replay(app: App, which: Which, *, is_json: bool) -> None:
    previewed = app.preview(try_replay(which, admission_of=app.admission, at=app.clock.now()))
    if is_json:
        write_json(previewed)
        return
    click.echo(_said(previewed.result))
    print_effect(previewed.effect)


def _said(counts: Counter[Any]) -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none"


def _which(options: dict[str, Any]) -> Which:
    for name in ("since", "until"):
        moment: datetime | None = options[name]
        options[name] = moment and moment.replace(tzinfo=UTC)
    return Which(**options)


def _worth(app: App, connection: Connection, one: Cause) -> Estimate | None:
    if one.count > ESTIMATED_EVENTS_MAX:
        return None
    return estimate(app.catalog(connection), refused_events(connection, one.code, one.cause))
