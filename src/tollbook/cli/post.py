"""The command line of posting: deliver, look at, replay, hold and release documents."""

import json
import sys
import threading
from collections.abc import Callable, Mapping

import click
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console
from tollbook.errors import Rejected
from tollbook.flow.post import store
from tollbook.flow.post.machine import State
from tollbook.flow.post.posting import Attempt, Posting
from tollbook.flow.post.step import Released, confirm, hold, release, replay
from tollbook.runtime.deliver import deliver
from tollbook.values.codec import to_builtins
from tollbook.values.period import Month

Act = Callable[..., Released]


@click.group()
def post() -> None:
    """Deliver documents to the ERP, once each; replay what was refused."""


@post.command("run")
@click.option("--until-idle", is_flag=True, help="Return when nothing comes up soon.")
@click.option("--json", "is_json", is_flag=True, help="Write JSON.")
def run_command(*, until_idle: bool, is_json: bool) -> None:
    """Send what is ready to the configured ERPs."""
    stop = threading.Event()
    with open_app() as app:
        done = deliver(
            app.database,
            app.targets(),
            catalog_of=app.catalog,
            clock=app.clock,
            until_idle=until_idle,
            stop=stop,
        )
    if is_json:
        click.echo(json.dumps(to_builtins(done), indent=2))
        return
    click.echo(f"{done.turns.get(State.POSTED, 0)} posted; waiting: {_spoken(done.waiting)}.")
    for name in done.unavailable:
        click.echo(f"{name} does not let us in: see `tollbook worklist list`.")


@post.command("list")
@click.option("--state", type=click.Choice([each.value for each in State]), help="Only these.")
@click.option("--target", help="Only postings to this ERP.")
@click.option("--month", help="Only this service month, YYYY-MM.")
@click.option("--json", "is_json", is_flag=True, help="Write JSON.")
def list_command(
    *, state: str | None, target: str | None, month: str | None, is_json: bool
) -> None:
    """List postings, oldest first."""
    with open_app() as app, app.database.transaction() as connection:
        found = store.listed(
            connection,
            state=State(state) if state else None,
            target=target,
            month=Month.parse(month) if month else None,
        )
    if is_json:
        click.echo(json.dumps(to_builtins(found), indent=2))
        return
    table = Table("Posting", "Document", "Kind", "Target", "State", "Attempts", "What happened")
    for each in found:
        table.add_row(
            each.posting_id,
            each.document_id,
            each.document_kind,
            each.target,
            each.state,
            str(each.attempts),
            each.message or "",
        )
    console().print(table)


@post.command()
@click.argument("posting_id")
@click.option("--json", "is_json", is_flag=True, help="Write JSON.")
def show(posting_id: str, *, is_json: bool) -> None:
    """Show one posting: its history, what was sent, and what the ERP holds."""
    with open_app() as app, app.database.transaction() as connection:
        posting = store.load(connection, posting_id)
        history = store.attempts(connection, posting_id)
    if posting is None:
        raise Rejected("post.unknown", f"There is no posting {posting_id}.")
    if is_json:
        shown = {**to_builtins(posting), "history": to_builtins(history)}
        click.echo(json.dumps(shown, indent=2))
        return
    _show(posting, history)


@post.command("replay")
@click.argument("posting_ids", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for the audit.")
@click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
def replay_command(*, posting_ids: tuple[str, ...], reason: str, by: str | None) -> None:
    """Send refused postings again, under the same key, with today's master data."""
    _act(replay, posting_ids, reason, by)


@post.command("hold")
@click.argument("posting_ids", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for the audit.")
@click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
def hold_command(*, posting_ids: tuple[str, ...], reason: str, by: str | None) -> None:
    """Keep postings that are ready from being sent."""
    _act(hold, posting_ids, reason, by)


@post.command("release")
@click.argument("posting_ids", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why, for the audit.")
@click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
def release_command(*, posting_ids: tuple[str, ...], reason: str, by: str | None) -> None:
    """Let held postings go; for one in doubt this states that the ERP does not have it."""
    _act(release, posting_ids, reason, by)


@post.command("confirm")
@click.argument("posting_id")
@click.option("--reference", required=True, help="The number the ERP gave it.")
@click.option("--reason", required=True, help="Why, for the audit.")
@click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")
def confirm_command(*, posting_id: str, reference: str, reason: str, by: str | None) -> None:
    """State that a document in doubt is in the ERP."""
    with open_app() as app, app.database.transaction() as connection:
        done = confirm(
            connection,
            posting_id=posting_id,
            reference=reference,
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    _tell(done)


def _act(act: Act, posting_ids: tuple[str, ...], reason: str, by: str | None) -> None:
    with open_app() as app, app.database.transaction() as connection:
        done = act(
            connection,
            posting_ids=posting_ids,
            by=by or app.settings.actor,
            reason=reason,
            at=app.clock.now(),
        )
    _tell(done)


def _tell(done: Released) -> None:
    click.echo(f"{len(done.released)} done.")
    for posting_id in done.set_aside:
        click.echo(f"{posting_id} was left as it is: its state does not allow this.")
    if done.set_aside:
        sys.exit(1)


def _show(posting: Posting, history: list[Attempt]) -> None:
    click.echo(f"{posting.posting_id}  {posting.document_id}  {posting.target}  {posting.state}")
    if posting.message:
        click.echo(posting.message)
    for each in history:
        words = f"  {each.code}: {each.message}" if each.code else ""
        click.echo(f"  {each.at:%Y-%m-%d %H:%M:%S}  {each.signal} -> {each.state}{words}")
    for title, record in (("Sent", posting.payload), ("The ERP holds", posting.receipt)):
        if record is not None:
            click.echo(f"{title}:")
            click.echo(json.dumps(to_builtins(record), indent=2))


def _spoken(waiting: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(waiting.items())) or "none"
