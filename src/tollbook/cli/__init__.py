"""The command line: one file per command group, loaded only when it is used."""

import importlib
import sys
from typing import Final

import click

from tollbook import __version__
from tollbook.errors import Failure

# Command -> (module under tollbook.cli, object in it, one line of help). Help must not import the
# modules: `tollbook --help` answers in the time that Python and click take to start.
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "up": ("serve", "up", "Run database, API and workers in one process tree."),
    "down": ("serve", "down", "Stop the embedded database."),
    "serve": ("serve", "serve", "Run the API alone."),
    "worker": ("serve", "worker", "Run one worker alone."),
    "demo": ("demo", "demo", "Run a month of the demo company, from event to reconciled ERP."),
    "sandbox": ("sandbox", "sandbox", "Run a local ERP to rehearse against."),
    "apply": ("masterdata", "apply", "Load master data from a directory, showing the plan first."),
    "masterdata": ("masterdata", "masterdata", "List master data and its history."),
    "events": ("events", "events", "Import usage events; work on what was refused."),
    "source": ("source", "source", "Read usage from Kafka and other sources; preview mappings."),
    "usage": ("usage", "usage", "Show metered usage and the events behind it."),
    "alerts": ("credit", "alerts", "Which thresholds were reached."),
    "credit-control": (
        "credit",
        "credit_control_group",
        "Who may go on; block and release customers.",
    ),
    "run": ("run", "run", "Run the street for a month: meter to recognize."),
    "invoices": ("invoices", "invoices", "List, show and approve invoices."),
    "post": ("post", "post", "Deliver documents to the ERP; replay what was refused."),
    "worklist": ("worklist", "worklist", "What finance must look at, and replay."),
    "reconcile": (
        "reconcile",
        "reconcile",
        "Compare metered, rated, invoiced, posted, recognized.",
    ),
    "trace": ("trace", "trace", "Walk from any id to every other stage, both ways."),
    "verify": ("trace", "verify", "Recompute an issued invoice from its raw events."),
    "rerate": ("rerate", "rerate", "What a month comes to on other prices; approve it."),
    "price": ("price", "price", "Rate a quantity against a price in a file."),
    "vectors": ("vectors", "vectors", "Check amounts you wrote down against production code."),
    "credits": ("credits", "credits_", "Prepaid credits: balances, grants, refunds, expiry."),
    "revenue": ("revenue", "revenue", "What is recognized, and what is owed as service."),
    "database": ("database", "database", "Where the database is, and a backup of it."),
    "report": ("report", "report", "Where usage may be lost, and what came late."),
    "access": ("access", "access", "Who may call the API: keys and scopes."),
    "top": ("top", "top", "What comes in and what waits, live."),
    "doctor": ("doctor", "doctor", "Check the invariants of the books."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"tollbook.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command list without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, _, help_line) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tollbook")
def cli() -> None:
    """Tollbook: from a usage event to a posted, recognized, reconciled entry in the ERP."""


def main() -> None:
    """Run the command line; a failure of ours is one sentence and exit code 1."""
    if sys.flags.optimize:
        sys.exit("Tollbook does not run under python -O: its assertions guard your amounts.")
    try:
        cli(standalone_mode=True)
    except Failure as failure:
        click.echo(f"Error: {failure}", err=True)
        sys.exit(1)
