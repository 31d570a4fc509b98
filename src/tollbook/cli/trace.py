"""`tollbook trace` and `tollbook verify`: why this amount, and is it right."""

import sys

import click
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.reports.trace import Trace
from tollbook.reports.trace import trace as walk
from tollbook.reports.verify import Verification
from tollbook.reports.verify import verify as recompute


@click.command()
@click.argument("identifier")
@json_option
def trace(*, identifier: str, is_json: bool) -> None:
    """Walk from any id to every other stage, both ways.

    IDENTIFIER is an event (SOURCE|ID or evt_...), a metered usage, a charge, an invoice number or
    line, a posting, what the ERP calls the document, a journal entry or a revenue schedule.
    """
    with open_app() as app, app.database.transaction() as connection:
        found = walk(connection, identifier)
    if is_json:
        write_json(found)
        return
    console().print(_tree(found), highlight=False)


@click.command()
@click.argument("reference")
@json_option
def verify(*, reference: str, is_json: bool) -> None:
    """Recompute an issued document from its raw events and pinned versions.

    REFERENCE is an invoice number or id. Exit code 1 when anything differs.
    """
    with open_app() as app, app.database.transaction() as connection:
        result = recompute(connection, reference)
    if is_json:
        write_json(result)
    else:
        _show(console(), result)
    if not result.is_right:
        sys.exit(1)


def _tree(found: Trace) -> Tree:
    tree = Tree(f"[bold]{escape(found.start)}[/] and what belongs to it")
    stages: dict[str, Tree] = {}
    for node in found.nodes:
        branch = stages.get(node.stage)
        if branch is None:
            title: str = node.stage
            if node.stage == "capture" and found.event_count > 1:
                title = f"capture ({found.event_count:,} events counted; the first of them)"
            branch = stages[node.stage] = tree.add(f"[cyan]{title}[/]")
        marker = " [bold]<- asked for[/]" if node.node_id == found.start else ""
        branch.add(f"{escape(node.node_id)}  {escape(node.summary)}{marker}")
    return tree


def _show(out: Console, result: Verification) -> None:
    for check in result.wrong:
        out.print(
            f"{escape(check.subject)}: {check.what} is {escape(check.stored)}, recomputed "
            f"{escape(check.recomputed)}",
            style="red",
            highlight=False,
        )
    verdict = "is what its events and terms make of it" if result.is_right else "DIFFERS"
    out.print(
        f"{result.number} {verdict}: {len(result.checks)} amounts, quantities and digests "
        f"recomputed from {result.event_count:,} events, {len(result.wrong)} differ.",
        style="green" if result.is_right else "red",
        highlight=False,
    )
