"""The live view of the intake: what comes in, what waits, how old the summaries are."""

from collections.abc import Mapping
from typing import Any, Final

import click
from rich import box
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tollbook.app import App, open_app
from tollbook.cli.options import console, json_option, write_json
from tollbook.runtime.top import View, read_view

SECONDS: Final = 2.0


@click.command()
@click.option("--once", is_flag=True, help="Measure once, write it, and end.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=SECONDS,
    show_default=True,
    help="Time between two looks.",
)
@json_option
def top(*, once: bool, seconds: float, is_json: bool) -> None:
    """Show what comes in and what waits, live, until interrupted."""
    with open_app() as app:
        before = _look(app)
        if once or is_json or not console().is_terminal:
            app.clock.wait(seconds)
            view = _look(app)
            shown = view.since(before)
            write_json(shown) if is_json else console().print(_drawn(shown))
            return
        with Live(_drawn(before.since(before)), console=console(), screen=True) as live:
            while True:
                app.clock.wait(seconds)
                view = _look(app)
                live.update(_drawn(view.since(before)))
                before = view


def _look(app: App) -> View:
    with app.database.transaction() as connection:
        return read_view(connection, at=app.clock.now())


def _drawn(shown: Mapping[str, Any]) -> Group:
    doors = Table(
        "Door",
        *("Events/s", "Accepted/s", "Duplicate/s", "Conflict/s", "Rejected/s", "Ever"),
        box=box.SIMPLE,
        title=f"Tollbook {shown['at']}",
    )
    for door, rates in shown["doors"].items():
        numbers = [rates.get(name, 0) for name in _RATES]
        doors.add_row(escape(door), *(f"{number:,}" for number in numbers))
    waits = Table("Waits", "", box=box.SIMPLE, show_header=False)
    for name, value in shown["waits"].items():
        waits.add_row(name.replace("_", " "), "-" if value is None else f"{value:,}")
    parts = [doors, waits]
    if shown["sources"]:
        sources = Table("Source", "Lag", "Watermark age s", box=box.SIMPLE)
        for source in shown["sources"]:
            sources.add_row(
                escape(source["source"]), _or_dash(source["lag"]), _or_dash(source["age"])
            )
        parts.append(sources)
    errors = Table("Last refusals", "Code", "Message", box=box.SIMPLE)
    for error in shown["last_errors"]:
        errors.add_row(error["at"], error["code"], escape(error["message"][:100]))
    return Group(*parts, errors)


def _or_dash(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


_RATES: Final = ("events", "accepted", "duplicate", "conflict", "rejected", "ever")
