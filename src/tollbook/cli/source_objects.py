"""The command line of the objects that a source of files has seen."""

import click
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.flow.capture.objects import store
from tollbook.runtime.object_register import retry_object
from tollbook.sdk.drops.register import ObjectState


@click.command("objects")
@click.argument("name")
@click.option("--state", type=click.Choice(store.OBJECT_STATES), help="Only those in this state.")
@click.option("--after", default="", help="Continue after this lane.")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="At most this many.",
)
@json_option
def objects_command(
    name: str, *, state: ObjectState | None, after: str, limit: int, is_json: bool
) -> None:
    """List the objects that a source of files has seen, and what became of each."""
    with open_app() as app, app.database.transaction() as connection:
        app.source_settings(name)
        found = store.list_objects(connection, name, state=state, after=after, limit=limit)
        counts = store.count_objects(connection, name)
        complete_up_to = store.declared_watermark(connection, name)
    if is_json:
        write_json({"counts": counts, "complete_up_to": complete_up_to, "objects": found})
        return
    names = ("Rows", "Accepted", "Duplicates", "Conflicts", "Rejected", "Ignored")
    table = Table("Object", "State", *names, "Remark")
    for one in found:
        remark = f"{one.message} [{one.code}]" if one.code else one.notice
        numbers = (one.rows, one.accepted, one.duplicates, one.conflicts, one.rejected, one.ignored)
        table.add_row(
            escape(one.key), one.state, *(f"{number:,}" for number in numbers), escape(remark)
        )
    screen = console()
    screen.print(table)
    screen.print(", ".join(f"{number:,} {word}" for word, number in counts.items()) or "none")
    if complete_up_to is not None:
        screen.print(f"Declared complete up to {complete_up_to.isoformat()}")


@click.command("retry")
@click.argument("name")
@click.argument("key")
@click.option("--reason", required=True, help="Why; it goes into the audit trail.")
@click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
def retry_command(name: str, key: str, *, reason: str, by: str | None) -> None:
    """Have an object judged again that was not taken, after its source's options were corrected."""
    with open_app() as app, app.database.transaction() as connection:
        app.source_settings(name)
        retry_object(
            connection,
            source=name,
            key=key,
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    click.echo(f"{key} is judged again when {name} looks the next time.")
