"""`tollbook doctor`: check the invariants of the books."""

import sys

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.reports.doctor import Finding, examine


@click.command()
@json_option
def doctor(*, is_json: bool) -> None:
    """Check the invariants of the books; exit code 1 when one is broken."""
    with open_app() as app, app.database.transaction() as connection:
        findings = list(examine(connection))
    if is_json:
        write_json(findings)
    else:
        console().print(_table(findings))
    if not all(finding.holds for finding in findings):
        sys.exit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table("Invariant", "", "Broken by", box=box.SIMPLE)
    for finding in findings:
        verdict = "[green]holds[/]" if finding.holds else f"[red]{finding.count} broken[/]"
        table.add_row(finding.invariant, verdict, escape(", ".join(finding.offenders)))
    return table
