"""`tollbook run`: the street for a month, from metered usage to revenue in the ERP."""

from dataclasses import fields, is_dataclass
from datetime import date, datetime
from typing import Any, Final

import click

from tollbook.app import open_app
from tollbook.cli.options import json_option, period_option, write_json
from tollbook.runtime.street import RUN_STAGES, Ran, Run
from tollbook.values.period import Month

# Counts that say nothing when they are 0.
_ONLY_WHEN_ANY: Final = ("set_aside", "unavailable")


@click.command()
@period_option
@click.option(
    "--until",
    type=click.Choice(RUN_STAGES),
    default=RUN_STAGES[-1],
    show_default=True,
    help="The last stage to run.",
)
@click.option("--approve", is_flag=True, help="Approve the drafts; else they wait for a person.")
@click.option("--by", default=None, help="Who approves (default: TOLLBOOK_ACTOR or the user).")
@click.option("--reason", default="month run", show_default=True, help="Why, for the audit.")
@click.option(
    "--booked-on",
    type=click.DateTime(["%Y-%m-%d"]),
    default=None,
    help="Accounting date (default: last day of the month).",
)
@json_option
def run(
    *,
    month: Month,
    until: str,
    approve: bool,
    by: str | None,
    reason: str,
    booked_on: datetime | None,
    is_json: bool,
) -> None:
    """Run a month: meter, rate, invoice, tax, post, recognize.

    Running again does only what is missing. What cannot pass goes to the worklist.
    """
    day: date | None = booked_on.date() if booked_on else None
    with open_app() as app:
        wanted = Run(
            month,
            until=until,
            approver=(by or app.settings.actor) if approve else "",
            reason=reason,
            booked_on=day,
        )
        done = []
        for ran in app.street().run(wanted):
            done.append(ran)
            if not is_json:
                click.echo(spoken(ran))
    if is_json:
        write_json(done)


def spoken(ran: Ran) -> str:
    """Say in a line what a step did: its name, and how many of each."""
    return f"{ran.stage:<10} {ran.step:<10} {', '.join(_counts(ran.result)) or 'done'}"


def _counts(result: Any) -> list[str]:
    if not is_dataclass(result):
        return [str(result)]
    counts = []
    for field in fields(result):
        value = getattr(result, field.name)
        count = len(value) if isinstance(value, tuple | list) else value
        if isinstance(value, dict):
            prefix = "" if field.name == "turns" else f"{field.name} "
            counts += [f"{prefix}{number} {name}" for name, number in sorted(value.items())]
        elif isinstance(count, int) and (count or field.name not in _ONLY_WHEN_ANY):
            counts.append(f"{field.name.replace('_', ' ')} {count}")
    return counts
