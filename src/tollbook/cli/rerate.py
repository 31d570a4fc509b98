"""`tollbook rerate`: what a month would come to on other prices; who wins, who loses, and by how much."""

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.masterdata import problem_table
from tollbook.cli.options import (
    MONTH,
    by_option,
    console,
    json_option,
    reason_option,
    write_json,
)
from tollbook.errors import Rejected
from tollbook.flow.rate.rerate.compare import TOP_DEFAULT, TOP_MAX, Line, Report
from tollbook.flow.rate.rerate.step import Question
from tollbook.flow.rate.rerate.store import RerateRun, list_runs
from tollbook.masterdata.view import plan_view
from tollbook.records.charge import ChargePart
from tollbook.runtime import rerate as rerating
from tollbook.values.codec import from_builtins, to_builtins
from tollbook.values.period import Month
from tollbook.values.quantity import plain

_LINES_SHOWN: Final = 10
_RUNS_SHOWN: Final = 50
_COLUMNS: Final = (
    *("customer", "contract", "product", "kind", "currency", "quantity_before", "quantity_after"),
    *("before", "after", "difference"),
)


@click.group(invoke_without_command=True)
@click.option("--period", "month", type=MONTH, default=None, help="Service month.")
@click.option(
    "--price-book",
    "file",
    type=click.Path(exists=True, path_type=Path),
    default=None,
    help="YAML file (or directory) with the price books, contracts, products to try.",
)
@click.option("--customer", "customers", multiple=True, help="Only this customer; may be repeated.")
@click.option(
    "--as-if-in-force",
    is_flag=True,
    help="Let versions that start later count from the start of the period.",
)
@click.option(
    "--top",
    type=click.IntRange(0, TOP_MAX),
    default=TOP_DEFAULT,
    show_default=True,
    help="How many of the largest differences to show, by currency.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write every line to this file.",
)
@click.option("--save", "is_saved", is_flag=True, help="Keep the run, so that it can be approved.")
@click.option("--reason", default="", help="Why, for the audit trail; with --save.")
@by_option
@json_option
@click.pass_context
def rerate(  # noqa: PLR0913 - one parameter an option
    context: click.Context,
    *,
    month: Month | None,
    file: Path | None,
    customers: tuple[str, ...],
    as_if_in_force: bool,
    top: int,
    csv_file: Path | None,
    is_saved: bool,
    reason: str,
    by: str | None,
    is_json: bool,
) -> None:
    """Rate the stored usage of a month on other terms, and compare; nothing is booked.

    FILE is checked as `tollbook apply` checks it and laid over the present master data. Exit code 1
    when it has a problem.
    """
    if context.invoked_subcommand is not None:
        return
    if month is None or file is None:
        raise click.UsageError("Say --period and --price-book.")
    if is_saved and not reason:
        raise click.UsageError("--save needs a --reason.")
    question = Question(month, frozenset(customers), as_if_in_force, top)
    with open_app() as app:
        at = app.clock.now()
        with app.database.transaction() as connection:
            terms = rerating.plan_terms(connection, rerating.read_terms(file), at=at)
            if terms.planned.problems:
                _show_problems(terms, is_json=is_json)
                sys.exit(1)
            with _lines_to(csv_file) as on_line:
                answer = rerating.what_if(
                    connection, terms, question, on_line=on_line, database=app.database
                )
            run = None
            if is_saved:
                who = by or app.settings.actor
                run = rerating.save(
                    connection, terms, question, answer, by=who, reason=reason, at=at
                )
    if is_json:
        saved = {"run_id": run.run_id} if run else {}
        write_json({**to_builtins(answer.report), "inputs_hash": answer.inputs_hash, **saved})
        return
    _show(answer.report)
    if run is not None:
        click.echo(f"Saved as {run.run_id}: another person approves it.")


@rerate.command("list")
@json_option
def list_(*, is_json: bool) -> None:
    """List saved runs, newest first."""
    with open_app() as app, app.database.transaction() as connection:
        runs = list_runs(connection, limit=_RUNS_SHOWN)
    if is_json:
        write_json(runs)
        return
    table = Table("Run", "Month", "Author", "Reason", "Approved by", box=box.SIMPLE)
    for run in runs:
        table.add_row(
            *map(escape, (run.run_id, run.service_month, run.author, run.reason)),
            escape(run.approver or "(nobody yet)"),
        )
    console().print(table)


@rerate.command()
@click.argument("run_id")
@json_option
def show(*, run_id: str, is_json: bool) -> None:
    """Show what a saved run found, and the terms it tried."""
    with open_app() as app, app.database.transaction() as connection:
        run: RerateRun = rerating.find(connection, run_id)
    if is_json:
        write_json(run)
        return
    click.echo(f"{run.run_id} by {run.author} on {run.saved_at:%Y-%m-%d}: {run.reason}")
    _show(from_builtins(run.report, Report))
    click.echo(f"Approved by {run.approver}." if run.approver else "Nobody approved it yet.")


@rerate.command()
@click.argument("run_id")
@by_option
@reason_option
@json_option
def approve(*, run_id: str, by: str | None, reason: str, is_json: bool) -> None:
    """Apply the terms of a run and rate its month: differences become charges that correct.

    The approver is not the one who saved the run. Refused when usage, prices or contracts changed
    since.
    """
    with open_app() as app:
        who = by or app.settings.actor
        with app.database.transaction() as connection:
            approved = rerating.approve(
                connection, run_id, by=who, reason=reason, at=app.clock.now()
            )
        app.replayer().replay_all(by=who, reason=f"re-rating approved: {reason}")
    if is_json:
        write_json(approved)
        return
    stored, rated = approved.applied, approved.rated
    click.echo(
        f"Applied: {stored.created} created, {stored.changed} changed. Charges: "
        f"{len(rated.written)} written, {len(rated.superseded)} superseded, "
        f"{rated.unchanged} unchanged."
    )


def _show_problems(terms: rerating.Terms, *, is_json: bool) -> None:
    if is_json:
        write_json(plan_view(terms.planned))
        return
    console().print(problem_table(terms.planned.problems))
    click.echo("Nothing was rated.")


@contextmanager
def _lines_to(file: Path | None) -> Iterator[Callable[[Line], None] | None]:
    """Give what writes lines to a CSV file as they come; None without a file."""
    if file is None:
        yield None
        return
    try:
        with file.open("w", newline="", encoding="utf-8") as opened:
            writer = csv.writer(opened)
            writer.writerow(_COLUMNS)
            yield lambda line: writer.writerow(_row(line))
    except OSError as error:
        raise Rejected("rerate.file_not_written", f"{file} cannot be written: {error}.") from error


def _row(line: Line) -> tuple[str, ...]:
    numbers = (line.quantity_before, line.quantity_after, line.before, line.after, line.difference)
    return (
        *(line.customer_id, line.contract_id, line.product_id, line.kind, line.currency),
        *map(plain, numbers),
    )


def _show(report: Report) -> None:
    screen = console()
    for one in report.totals:
        screen.print(
            f"{report.month} {one.currency}: {plain(one.before)} -> {plain(one.after)}, "
            f"difference {_signed(one.difference)}, exact and before tax."
        )
        screen.print(
            f"  {one.winners.customers} customers win {_signed(one.winners.difference)}, "
            f"{one.losers.customers} lose {_signed(one.losers.difference)}, "
            f"{one.unchanged_customers} pay the same."
        )
    if report.top:
        screen.print(_top_table(report.top))
    for line in report.top[:_LINES_SHOWN]:
        screen.print(escape(f"{line.customer_id} {line.product_id} ({line.kind}):"))
        screen.print(escape(f"  before: {_working(line.working_before)}"), soft_wrap=True)
        screen.print(escape(f"  after:  {_working(line.working_after)}"), soft_wrap=True)
    for missing in report.not_rated:
        screen.print(
            escape(f"Not rated: {missing.customer_id} {missing.contract_id} {missing.message}"),
            soft_wrap=True,
        )
    if not report.totals:
        screen.print(f"Nothing is owed for {report.month} on either terms.")
    screen.print("Nothing was booked.")


def _top_table(lines: tuple[Line, ...]) -> Table:
    table = Table(
        *("Customer", "Contract", "Product", "Before", "After", "Difference", "Currency"),
        box=box.SIMPLE,
    )
    for line in lines:
        kind = "" if line.kind == "usage" else f" ({line.kind})"
        table.add_row(
            *map(escape, (line.customer_id, line.contract_id, line.product_id + kind)),
            *map(plain, (line.before, line.after)),
            _signed(line.difference),
            line.currency,
        )
    return table


def _working(parts: tuple[ChargePart, ...]) -> str:
    return " + ".join(_said(part) for part in parts) or "nothing"


def _said(part: ChargePart) -> str:
    per = "" if part.per == 1 else f" / {plain(part.per)}"
    return (
        f"{part.label}: {plain(part.quantity)} x {plain(part.unit_price)}{per} = "
        f"{plain(part.amount)}"
    )


def _signed(value: Any) -> str:
    return f"+{plain(value)}" if value > 0 else plain(value)
