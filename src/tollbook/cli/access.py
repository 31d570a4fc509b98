"""The command line of access: keys, scopes, and what tokens are signed with."""

from datetime import timedelta

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.access import step, store
from tollbook.access.keys import Grant, new_secret
from tollbook.access.scopes import MEANINGS, Scope, known_scopes
from tollbook.api.v1.access import GRACE_HOURS_MAX, key_view
from tollbook.app import open_app
from tollbook.cli.options import console, json_option, write_json

_REASON = click.option("--reason", required=True, help="Why, for the audit.")


@click.group()
def access() -> None:
    """Who may call the API: keys and scopes."""


@access.command()
def scopes() -> None:
    """List the scopes."""
    for scope, meaning in MEANINGS.items():
        click.echo(f"{scope:<18} {meaning}")


@access.command("replace-signing-key")
@_REASON
def replace_signing_key(*, reason: str) -> None:
    """Sign access tokens with a new key; every token issued before is void."""
    with open_app() as app, app.database.transaction() as connection:
        step.replace_signing_key(
            connection, by=app.settings.actor, reason=reason, at=app.clock.now()
        )
    click.echo("Every access token issued before is void within seconds.")


@access.group()
def keys() -> None:
    """Keys: create, list, rotate, revoke."""


@keys.command("create")
@click.option("--name", required=True, help="Who uses it; the audit trail shows this name.")
@click.option(
    "--scope",
    "names",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help=f"What it may do; may be repeated: {', '.join(Scope)}.",
)
@click.option(
    "--source", "sources", multiple=True, help="Its events must be of sources that start so."
)
@click.option("--events-per-second", type=click.IntRange(min=0), default=0, help="0: no limit.")
@click.option("--requests-per-second", type=click.IntRange(min=0), default=0, help="0: no limit.")
@click.option("--days", type=click.IntRange(min=1), default=None, help="It ends after these days.")
@_REASON
@json_option
def create(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    names: tuple[str, ...],
    sources: tuple[str, ...],
    events_per_second: int,
    requests_per_second: int,
    days: int | None,
    reason: str,
    is_json: bool,
) -> None:
    """Create a key and show it, once."""
    with open_app() as app, app.database.transaction() as connection:
        at = app.clock.now()
        grant = Grant(
            name,
            known_scopes(names),
            sources,
            events_per_second,
            requests_per_second,
            at + timedelta(days=days) if days else None,
        )
        issued = step.create_key(
            connection, grant, secret=new_secret(), by=app.settings.actor, reason=reason, at=at
        )
    _show(issued, is_json=is_json)


@keys.command("list")
@json_option
def list_command(*, is_json: bool) -> None:
    """List all keys, those that ended too."""
    with open_app() as app, app.database.transaction() as connection:
        at = app.clock.now()
        found = [key_view(key, at=at) for key in store.all_keys(connection)]
    if is_json:
        write_json(found)
        return
    table = Table("Key", "Name", "State", "Scopes", "Sources", "Ends", box=box.SIMPLE)
    for one in found:
        ends = one["revoked_at"] or one["expires_at"]
        table.add_row(
            one["key_id"],
            escape(one["name"]),
            one["state"],
            " ".join(one["scopes"]),
            escape(" ".join(one["sources"])) or "any",
            f"{ends:%Y-%m-%d %H:%M}" if ends else "",
        )
    console().print(table)


@keys.command()
@click.argument("key_id")
@click.option(
    "--grace-hours",
    type=click.IntRange(0, GRACE_HOURS_MAX),
    default=24,
    show_default=True,
    help="How long the old secret goes on.",
)
@_REASON
@json_option
def rotate(*, key_id: str, grace_hours: int, reason: str, is_json: bool) -> None:
    """Create a key that allows the same, and let the old one end."""
    with open_app() as app, app.database.transaction() as connection:
        issued = step.rotate_key(
            connection,
            key_id,
            secret=new_secret(),
            grace=timedelta(hours=grace_hours),
            by=app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    _show(issued, is_json=is_json)


@keys.command()
@click.argument("key_id")
@_REASON
def revoke(*, key_id: str, reason: str) -> None:
    """End a key and its tokens; a running API knows it within two seconds."""
    with open_app() as app, app.database.transaction() as connection:
        key = step.revoke_key(
            connection, key_id, by=app.settings.actor, reason=reason, at=app.clock.now()
        )
    click.echo(f"{key.key_id} ({key.grant.name}) opens nothing any more.")


def _show(issued: step.Issued, *, is_json: bool) -> None:
    if is_json:
        write_json({**key_view(issued.key, at=issued.key.created_at), "secret": issued.secret})
        return
    click.echo(f"key     {issued.key.key_id}")
    click.echo(f"secret  {issued.secret}")
    click.echo("Keep the secret now: it is shown this once.")
