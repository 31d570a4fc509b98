"""`tollbook apply` and `tollbook masterdata`: load master data from files, look at it."""

import json
import sys
from datetime import date, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import console
from tollbook.cli.shown import print_effect
from tollbook.errors import Rejected
from tollbook.masterdata.catalog import KINDS, Version
from tollbook.masterdata.plan import Change, Plan
from tollbook.masterdata.problems import Problem
from tollbook.masterdata.step import Applied, plan_directory
from tollbook.masterdata.view import periods_view, plan_view, version_view
from tollbook.runtime.apply import apply_master_data, try_apply
from tollbook.values.codec import to_builtins

_KIND = click.Choice(list(KINDS))


@click.command()
@click.option(
    "-f",
    "--file",
    "directory",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="Directory with YAML files (read with its subdirectories), or one file.",
)
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option("--effect", "with_effect", is_flag=True, help="Show what it does to the money first.")
@click.option("--reason", default="tollbook apply", help="Why, for the audit trail.")
@click.option("--json", "as_json", is_flag=True, help="Write the plan and the result as JSON.")
def apply(
    *, directory: Path, yes: bool, dry_run: bool, with_effect: bool, reason: str, as_json: bool
) -> None:
    """Load master data from YAML files, showing first what would change.

    With --effect every month that it touches is rated, and what customers would owe more or less is
    shown; what was billed is part of both sides. Exit code 1 when a file has a problem (nothing is applied then), or when you say no.
    """
    screen = console()
    with open_app() as app:
        with app.database.transaction() as connection:
            planned = plan_directory(connection, directory, app.clock.now())
        if not as_json:
            _show_plan(screen, planned)
        effect = None
        if with_effect and not planned.problems:
            act = try_apply(planned, by=app.settings.actor, at=app.clock.now())
            effect = app.preview(act).effect
            if not as_json:
                print_effect(effect, said="Nothing is stored yet.")
        applied = None
        if planned.changes and not planned.problems and not dry_run:
            _confirm(planned, yes=yes, as_json=as_json)
            applied = _apply(app, planned, reason)
    if as_json:
        shown = {**plan_view(planned), "effect": to_builtins(effect)}
        click.echo(json.dumps({**shown, "applied": to_builtins(applied)}, indent=2))
    elif applied:
        screen.print(f"Applied: {applied.created} created, {applied.changed} changed.")
    if planned.problems:
        sys.exit(1)


def _confirm(planned: Plan, *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise Rejected(
            "masterdata.not_confirmed",
            "Nothing was applied: nobody is there to ask. Say --yes, or --dry-run to see the plan.",
        )
    click.confirm(f"Apply {len(planned.changes)} changes?", abort=True)


def _apply(app: App, planned: Plan, reason: str) -> Applied:
    with app.database.transaction() as connection:
        applied = apply_master_data(
            connection, planned, by=app.settings.actor, reason=reason, at=app.clock.now()
        )
    # What waited for this master data goes on at once, not at the next round of a worker.
    app.replayer().replay_all(by=app.settings.actor, reason=f"master data applied: {reason}")
    return applied


def _show_plan(screen: Console, planned: Plan) -> None:
    for change in planned.changes:
        _show_change(screen, change)
    if planned.problems:
        screen.print(problem_table(planned.problems))
        screen.print(f"{len(planned.problems)} problems: nothing can be applied.", style="red")
        return
    if planned.warnings:
        screen.print(problem_table(planned.warnings))
        screen.print("Documents that need these wait on the worklist until they are added.")
    created = sum(change.action == "create" for change in planned.changes)
    changed = len(planned.changes) - created
    screen.print(
        f"[green]+ {created} to create[/], [yellow]~ {changed} to change[/], "
        f"= {planned.unchanged} unchanged."
    )


def _show_change(screen: Console, change: Change) -> None:
    version = change.version
    title = escape(f"{version.kind} {version.key} version {version.version}")
    since = f"from {version.effective_from}"
    if change.action == "create":
        screen.print(f"[green]+ {title}[/] {since}", highlight=False)
        return
    screen.print(f"[yellow]~ {title}[/] {since}", highlight=False)
    for difference in change.differences:
        before = "(none)" if difference.before is None else difference.before
        after = "(none)" if difference.after is None else difference.after
        screen.print(
            f"    {escape(difference.field)}: [red]{escape(before)}[/] -> "
            f"[green]{escape(after)}[/]",
            highlight=False,
            soft_wrap=True,
        )


def problem_table(problems: tuple[Problem, ...]) -> Table:
    """Return what is wrong with a plan as a table."""
    table = Table("Where", "What is wrong", "Code")
    for problem in problems:
        table.add_row(escape(str(problem.place)), escape(problem.message), problem.code)
    return table


@click.group()
def masterdata() -> None:
    """List master data and its history."""


@masterdata.command("list")
@click.argument("kind", type=_KIND, required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_(*, kind: str | None, as_json: bool) -> None:
    """List the records of a kind (or of all), with their present version."""
    with open_app() as app, app.database.transaction() as connection:
        catalog = app.catalog(connection)
        today = app.clock.now().date()
    found = [
        catalog.in_force(one, key, today) or catalog.versions[one, key][-1]
        for one in ([kind] if kind else KINDS)
        for key in catalog.keys(one)
    ]
    _show_versions(found, as_json=as_json)


@masterdata.command()
@click.argument("kind", type=_KIND)
@click.argument("key")
@click.option(
    "--on", type=click.DateTime(["%Y-%m-%d"]), help="In force on this day (default today)."
)
def show(*, kind: str, key: str, on: datetime | None) -> None:
    """Show one record as JSON, as it is in force on a day."""
    with open_app() as app, app.database.transaction() as connection:
        catalog = app.catalog(connection)
        day: date = (on or app.clock.now()).date()
    version = catalog.in_force(kind, key, day)
    if version is None:
        raise _missing(kind, key, f" in force on {day}")
    click.echo(json.dumps(version_view(version, is_whole=True), indent=2, ensure_ascii=False))


@masterdata.command()
@click.argument("kind", type=_KIND)
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def history(*, kind: str, key: str, as_json: bool) -> None:
    """List all versions of one record."""
    with open_app() as app, app.database.transaction() as connection:
        versions = app.catalog(connection).versions.get((kind, key), ())
    if not versions:
        raise _missing(kind, key, "")
    _show_versions(list(versions), as_json=as_json)


@masterdata.command()
@click.argument("contract")
@click.option("--from", "since", type=click.DateTime(["%Y-%m-%d"]), help="Default today.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Excluded; default a year on.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def periods(
    *, contract: str, since: datetime | None, until: datetime | None, as_json: bool
) -> None:
    """List billing periods of a contract and the months that bill them."""
    with open_app() as app, app.database.transaction() as connection:
        first = (since or app.clock.now()).date()
        end = until.date() if until else None
        found = periods_view(app.catalog(connection), contract, first, end)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    table = Table("From", "Until", "Days", "Begins", "Ends", "Usage with", "Fees with")
    for one in found:
        days = str(one["days"]) + ("" if one["whole"] else " (part)")
        instants = (one["starts_at"], one["ends_at"])
        months = (one["usage_billed_with"], one["fees_billed_with"])
        table.add_row(one["from"], one["until"], days, *instants, *months)
    console().print(table)


def _missing(kind: str, key: str, when: str) -> Rejected:
    message = f"There is no {kind} {key!r}{when}: see `tollbook masterdata list {kind}`."
    return Rejected("masterdata.not_found", message)


def _show_versions(versions: list[Version], *, as_json: bool) -> None:
    if as_json:
        rows = [version_view(version) for version in versions]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table("Kind", "Key", "Version", "In force from", "Name")
    for version in versions:
        name = str(getattr(version.record, "name", ""))
        table.add_row(
            version.kind,
            escape(version.key),
            str(version.version),
            str(version.effective_from),
            escape(name),
        )
    console().print(table)
