"""Options that several commands share."""

import json
from collections.abc import Callable
from typing import Any, Final

import click
from rich.console import Console

from tollbook.values.codec import to_builtins
from tollbook.values.period import Month

# Rich falls back to 80 columns when it does not write to a terminal, and cuts tables off.
FILE_WIDTH: Final = 160


class MonthType(click.ParamType[Month]):
    """A month written YYYY-MM."""

    name = "YYYY-MM"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Month:
        """Read the month; a wrong one is an error of usage."""
        if isinstance(value, Month):
            return value
        try:
            return Month.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


MONTH = MonthType()


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json` to a command."""
    return click.option("--json", "is_json", is_flag=True, help="Write JSON.")(command)


def period_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the required `--period` to a command."""
    return click.option("--period", "month", type=MONTH, required=True, help="Service month.")(
        command
    )


def by_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--by` to a command."""
    return click.option("--by", default=None, help="Who (default: TOLLBOOK_ACTOR or the user).")(
        command
    )


def reason_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the required `--reason` to a command."""
    return click.option("--reason", required=True, help="Why; it goes into the audit trail.")(
        command
    )


def preview_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--preview` to a command that changes what is billed."""
    return click.option(
        "--preview", "is_preview", is_flag=True, help="Show what it does to the money; do nothing."
    )(command)


def write_json(record: object) -> None:
    """Write a record as JSON on standard output."""
    click.echo(json.dumps(to_builtins(record), indent=2, ensure_ascii=False))


def console() -> Console:
    """Return where tables are written: as wide as the terminal, or wide enough for a file."""
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = max(found.width, FILE_WIDTH)
    return found
