"""`tollbook reconcile`: the five totals of a month, and where they differ."""

import sys
from typing import Final, get_args

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import console, json_option, period_option, write_json
from tollbook.flow.reconcile.match import sentence
from tollbook.flow.reconcile.step import Reconciled
from tollbook.flow.reconcile.step import reconcile as compare
from tollbook.records.control import Checkpoint
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
        show(console(), result)
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


def show(out: Console, result: Reconciled) -> None:
    """Write the totals as a table, and each variance as a sentence."""
    out.print(_table(result))
    for variance in result.variances:
        out.print(escape(sentence(variance)), style="red", highlight=False, soft_wrap=True)
    if not result.variances:
        out.print("All five agree, in total and document by document.", style="green")
    out.print(f"Content hash {result.content_hash}", style="dim", highlight=False)


def _table(result: Reconciled) -> Table:
    title = f"Service month {result.month}, before tax"
    table = Table("Legal entity", "Currency", title=title, box=box.SIMPLE)
    for name in (*CHECKPOINTS, "of which deferred"):
        table.add_column(name.capitalize(), justify="right", no_wrap=True)
    found = {(one.entity_id, one.currency, one.checkpoint): one.amount for one in result.totals}
    deferred = {(one.entity_id, one.currency): one.deferred for one in result.earnings}
    for entity_id, currency in sorted({(one.entity_id, one.currency) for one in result.totals}):
        totals = [found[entity_id, currency, name] for name in CHECKPOINTS]
        later = deferred.get((entity_id, currency))
        cells = [f"{money.major:,f}" for money in totals]
        table.add_row(escape(entity_id), currency, *cells, f"{later.major:,f}" if later else "-")
    return table
