"""`tollbook sandbox`: a local ERP to rehearse against."""

import subprocess
import sys

import click

from tollbook.app import open_app
from tollbook.cli.serve import stop_on_signals
from tollbook.cli.tryton import TrytonServer
from tollbook.values.period import Month


@click.group()
def sandbox() -> None:
    """Run a local ERP to rehearse against."""


@sandbox.command()
@click.option("--years", default=None, help="Fiscal years, as 2023-2024 (default: last and this).")
def tryton(*, years: str | None) -> None:
    """Run Tryton with the books of your legal entities, until interrupted.

    A real ERP, on Tollbook's own database server. Add the printed lines to tollbook.toml to post
    into it.
    """
    stop = stop_on_signals()
    with open_app() as app:
        today = app.clock.now().date()
        first, _, last = (years or f"{today.year - 1}-{today.year}").partition("-")
        with app.database.transaction() as connection:
            catalog = app.catalog(connection)
        server = TrytonServer(app.settings, app.database.dsn, app.clock)
        wanted = tuple(range(int(first), int(last or first) + 1))
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
