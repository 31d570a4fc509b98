"""`tollbook sandbox`: a local ERP to rehearse against."""

import re
import subprocess
import sys
from typing import Any, Final

import click

from tollbook.app import open_app
from tollbook.cli.tryton import TrytonServer
from tollbook.runtime.process import stop_on_signals
from tollbook.values.period import Month

YEARS_MAX: Final = 20
_YEARS: Final = re.compile(r"([0-9]{4})(?:-([0-9]{4}))?")


class YearsType(click.ParamType[tuple[int, ...]]):
    """Years written 2023-2024, or one year."""

    name = "YEARS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Read the years; wrong ones are an error of usage."""
        if isinstance(value, tuple):
            return value
        match = _YEARS.fullmatch(value)
        years = range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)
        if not 1 <= len(years) <= YEARS_MAX:
            self.fail(f"{value!r}: write 2023 or 2023-2024, {YEARS_MAX} years at most", param, ctx)
        return tuple(years)


@click.group()
def sandbox() -> None:
    """Run a local ERP to rehearse against."""


@sandbox.command()
@click.option(
    "--years",
    type=YearsType(),
    default=None,
    help="Fiscal years, as 2023-2024 (default: last and this).",
)
def tryton(*, years: tuple[int, ...] | None) -> None:
    """Run Tryton with the books of your legal entities, until interrupted.

    A real ERP, on Tollbook's own database server. Add the printed lines to tollbook.toml to post
    into it.
    """
    stop = stop_on_signals()
    with open_app() as app:
        today = app.clock.now().date()
        wanted = years or (today.year - 1, today.year)
        with app.database.transaction() as connection:
            catalog = app.catalog(connection)
        server = TrytonServer(app.settings, app.database.dsn, app.clock)
        server.start(catalog, years=wanted, on=Month(wanted[-1], 12).last)
        try:
            server.wait_ready()
            click.echo(server.settings_lines())
            while not stop.wait(1):
                server.require_running()
        finally:
            server.stop()


@sandbox.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def netsuite(*, arguments: tuple[str, ...]) -> None:
    """Run a server that behaves like NetSuite, with its refusals, limits and lost replies.

    All arguments go to the simulator; see its --help.
    """
    command = [sys.executable, "-m", "tollbook.simulators.netsuite", *arguments]
    sys.exit(subprocess.call(command))  # noqa: S603 - our own module
