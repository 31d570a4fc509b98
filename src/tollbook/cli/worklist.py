"""The command line of the finance worklist."""

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.errors import Rejected
from tollbook.records.control import WorkItem
from tollbook.values.codec import to_builtins
from tollbook.worklist.codes import CODES
from tollbook.worklist.store import get_item, list_items, objects_of


@click.group()
def worklist() -> None:
    """What finance must look at: one item a cause, fixed once."""


@worklist.command("list")
@click.option("--all", "is_all", is_flag=True, help="Resolved items too.")
@json_option
def list_command(*, is_all: bool, is_json: bool) -> None:
    """List open work items, oldest first."""
    with open_app() as app, app.database.transaction() as connection:
        items = list_items(connection, state=None if is_all else "open")
    if is_json:
        write_json(items)
        return
    console().print(_table(items))


@worklist.command()
@click.argument("item_id")
@json_option
def show(item_id: str, *, is_json: bool) -> None:
    """Show one work item, what it holds, and what closes it."""
    with open_app() as app:
        item, objects = _load(app, item_id)
    action = CODES[item.code].action
    if is_json:
        write_json({**to_builtins(item), "objects": objects, "action": action})
        return
    click.echo(f"{item.work_item_id}  {item.code}  {item.state}  owner: {item.owner}")
    click.echo(item.message)
    click.echo(f"To do: {action}")
    for object_id in objects:
        click.echo(f"  {object_id}")


@worklist.command()
@click.argument("item_id", required=False)
@click.option("--reason", default="cause fixed", show_default=True, help="Why, for the audit.")
@click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
@json_option
def replay(*, item_id: str | None, reason: str, by: str | None, is_json: bool) -> None:
    """Try again everything that waits, or what one work item holds.

    What gets through leaves the worklist; postings are sent by `tollbook post run` or a worker.
    """
    with open_app() as app:
        replayer, actor = app.replayer(), by or app.settings.actor
        if item_id is None:
            result = replayer.replay_all(by=actor, reason=reason)
        else:
            result = replayer.replay_item(item_id, by=actor, reason=reason)
    if is_json:
        write_json(result)
        return
    click.echo(
        f"{result.events_replayed} events got through, {result.postings_released} postings go on; "
        f"{result.still_open} work items stay open."
    )


def _load(app: App, item_id: str) -> tuple[WorkItem, list[str]]:
    with app.database.transaction() as connection:
        item = get_item(connection, item_id)
        if item is None:
            raise Rejected("worklist.unknown", f"There is no work item {item_id}.")
        return item, list(objects_of(connection, item_id))


def _table(items: list[WorkItem]) -> Table:
    table = Table("Work item", "Code", "Holds", "Owner", "What happened", box=box.SIMPLE)
    for item in items:
        marker = " (blocks close)" if item.blocks_close else ""
        happened = item.message if item.state == "open" else f"[resolved: {item.resolution}]"
        table.add_row(
            item.work_item_id,
            item.code + marker,
            str(item.object_count),
            item.owner,
            escape(happened),
        )
    return table
