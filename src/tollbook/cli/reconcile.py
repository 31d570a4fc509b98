"""`tollbook reconcile`: the five totals of a month, and where they differ."""

import sys
from typing import Final, get_args

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import json_option, period_option, write_json
from tollbook.flow.reconcile.step import Reconciled
from tollbook.flow.reconcile.step import reconcile as compare
from tollbook.records.control import Checkpoint, Variance
from tollbook.runtime.readback import read_back
from tollbook.values.period import Month

CHECKPOINTS: Final[tuple[Checkpoint, ...]] = get_args(Checkpoint)


@click.command()
@period_option
@json_option
def reconcile(*, month: Month, is_json: bool) -> None:
    """Compare metered, rated, invoiced, posted (read from the ERP) and recognized.

    Exit code 1 while any two differ, in total or in a single document.
    """
    with open_app() as app:
        result = reconcile_month(app, month)
    if is_json:
        write_json(result)
    else:
        show(Console(), result)
    if result.variances:
        sys.exit(1)


def reconcile_month(app: App, month: Month) -> Reconciled:
    """Read the ERP back and reconcile a month."""
    receipts = read_back(app.database, app.targets(), month)
    with app.database.transaction() as connection:
        return compare(
            connection,
            catalog=app.catalog(connection),
            month=month,
            receipts=receipts,
            at=app.clock.now(),
        )


def show(console: Console, result: Reconciled) -> None:
    """Write the totals as a table, and each variance as a sentence."""
    table = Table(
        "Legal entity",
        "Currency",
        title=f"Service month {result.month}, before tax",
        box=box.SIMPLE,
    )
    for checkpoint in CHECKPOINTS:
        table.add_column(checkpoint.capitalize(), justify="right")
    table.add_column("of which deferred", justify="right")
    found = {(t.entity_id, t.currency, t.checkpoint): t.amount for t in result.totals}
    deferred = {(e.entity_id, e.currency): e.deferred for e in result.earnings}
    for entity_id, currency in sorted({(t.entity_id, t.currency) for t in result.totals}):
        cells = []
        for checkpoint in CHECKPOINTS:
            money = found.get((entity_id, currency, checkpoint))
            cells.append(f"{money.major:,f}" if money else "-")
        late = deferred.get((entity_id, currency))
        table.add_row(entity_id, currency, *cells, f"{late.major:,f}" if late else "-")
    console.print(table)
    for variance in result.variances:
        console.print(_sentence(variance), style="red", highlight=False)
    if not result.variances:
        console.print("All five agree, in total and document by document.", style="green")
    console.print(f"Content hash {result.content_hash}", style="dim", highlight=False)


def _sentence(variance: Variance) -> str:
    named = ", ".join(variance.objects[:5])
    return escape(
        f"{variance.entity_id} {variance.currency}: {variance.left} and {variance.right} differ "
        f"by {variance.difference} ({len(variance.objects)} documents: {named})"
    )
