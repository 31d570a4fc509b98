"""The command line of thresholds and credit control."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import click
from rich import box
from rich.markup import escape
from rich.table import Table

from tollbook.app import open_app
from tollbook.cli.instant import INSTANT
from tollbook.cli.options import by_option, console, json_option, reason_option, write_json
from tollbook.flow.meter.step import summarize
from tollbook.flow.rate.live.step import (
    alerts_page,
    credit_control,
    credit_controls,
    decide,
)
from tollbook.records.alert import AlertAction, CreditControl, Reason, ThresholdReached, Watched
from tollbook.runtime.watch import Watch
from tollbook.values.quantity import plain

_MAX = click.IntRange(1, 1000)
_AMOUNTS: frozenset[Watched] = frozenset({"charges", "projection", "balance"})
_VERBS: dict[AlertAction, str] = {"notify": "notifies", "warn": "warns", "block": "blocks"}

_until_option = click.option("--until", type=INSTANT, default=None, help="Until this instant.")


@click.group()
def alerts() -> None:
    """Which thresholds of contracts were reached."""


@alerts.command("list")
@click.option("--customer", default=None, help="Only of this customer.")
@click.option("--after", default="", help="Continue where a list ended: its `next`.")
@click.option("--limit", type=_MAX, default=100, show_default=True, help="At most this many.")
@json_option
def list_command(*, customer: str | None, after: str, limit: int, is_json: bool) -> None:
    """List the thresholds that were reached, oldest first."""
    with open_app() as app, app.database.transaction() as connection:
        found, following = alerts_page(connection, customer_id=customer, cursor=after, limit=limit)
    if is_json:
        write_json({"items": found, "next": following})
        return
    console().print(_events(found))
    if following:
        click.echo(f"More: --after {following}")


@alerts.command("look")
@json_option
def look_command(*, is_json: bool) -> None:
    """Look at thresholds now, where no worker runs; show what that raised."""
    with open_app() as app:
        with app.database.transaction() as connection:
            catalog = app.known.catalog(connection)
            summarize(connection, catalog=catalog, at=app.clock.now())
        raised = Watch(app.database, app.clock, app.known).look_at_all()
    if is_json:
        write_json(raised)
    elif raised:
        console().print(_events(raised))
    else:
        click.echo("No new threshold is reached.")


@click.group("credit-control")
def credit_control_group() -> None:
    """Who may go on: ok, warned or blocked."""


@credit_control_group.command("show")
@click.argument("customer", required=False)
@json_option
def show(*, customer: str | None, is_json: bool) -> None:
    """Show the state of a customer with its reasons, or the state of all."""
    with open_app() as app, app.database.transaction() as connection:
        at = app.clock.now()
        if customer is None:
            found = credit_controls(connection, at=at)
        else:
            known = app.known.by_customer
            found = [credit_control(connection, customer, known=known, at=at)]
    if is_json:
        write_json(found if customer is None else found[0])
        return
    if customer is not None:
        _echo(found[0])
        return
    table = Table("Customer", "State", "Why", box=box.SIMPLE)
    for one in found:
        table.add_row(escape(one.customer_id), one.state, escape("; ".join(_why(one))))
    console().print(table)


@credit_control_group.command("block")
@click.argument("customer")
@_until_option
@reason_option
@by_option
@json_option
def block(
    *, customer: str, until: datetime | None, reason: str, by: str | None, is_json: bool
) -> None:
    """Block a customer, whatever its thresholds say."""
    with open_app() as app, app.database.transaction() as connection:
        found = decide(
            connection,
            customer,
            "block",
            known=app.known.by_customer,
            by=by or app.settings.actor,
            reason=reason,
            until=until,
            at=app.clock.now(),
        )
    _show(found, is_json=is_json)


@credit_control_group.command("release")
@click.argument("customer")
@_until_option
@reason_option
@by_option
@json_option
def release(
    *, customer: str, until: datetime | None, reason: str, by: str | None, is_json: bool
) -> None:
    """End a block, or let a customer go on although its thresholds block it.

    Over thresholds it stands until the billing period ends, if no other end is said.
    """
    with open_app() as app, app.database.transaction() as connection:
        found = decide(
            connection,
            customer,
            "release",
            known=app.known.by_customer,
            by=by or app.settings.actor,
            reason=reason,
            until=until,
            at=app.clock.now(),
        )
    _show(found, is_json=is_json)


def _show(found: CreditControl, *, is_json: bool) -> None:
    if is_json:
        write_json(found)
    else:
        _echo(found)


def _echo(found: CreditControl) -> None:
    click.echo(f"{found.customer_id}: {found.state}")
    for sentence in _why(found):
        click.echo(f"  {sentence}")
    for product in found.blocked_products:
        click.echo(f"  product {product} is blocked")
    for contract, left in (found.balances or {}).items():
        click.echo(f"  {plain(left)} of prepaid credits left under {contract}")


def _why(found: CreditControl) -> list[str]:
    sentences = [_sentence(reason) for reason in found.reasons]
    if found.override is not None:
        one = found.override
        verb = {"block": "blocked", "release": "released"}[one.mode]
        until = f" until {one.until:%Y-%m-%dT%H:%M:%SZ}" if one.until else ""
        sentences.insert(0, f"{verb} by {one.by}{until}: {one.reason}")
    return sentences


def _sentence(reason: Reason) -> str:
    said = _measure(reason.watches, reason.value, reason.currency)
    threshold = _measure(reason.watches, reason.threshold, reason.currency)
    of = f" of {reason.product_id}" if reason.product_id else ""
    return (
        f"{reason.contract_id} {reason.alert_id} {_VERBS[reason.action]}: "
        f"{reason.watches}{of} {said}, threshold {threshold}"
    )


def _measure(watches: Watched, value: Decimal, currency: str) -> str:
    return f"{plain(value)} {currency}" if watches in _AMOUNTS else f"{plain(value)} %"


def _events(found: Sequence[ThresholdReached]) -> Table:
    names = ("Reached at", "Customer", "Contract", "Alert", "Action", "Watches", "Threshold")
    table = Table(*names, "Value", "Period", box=box.SIMPLE)
    for one in found:
        table.add_row(
            f"{one.reached_at:%Y-%m-%dT%H:%M:%SZ}",
            escape(one.customer_id),
            escape(one.contract_id),
            escape(one.alert_id),
            one.action,
            f"{one.watches} {escape(one.product_id)}".strip(),
            _measure(one.watches, one.threshold, one.currency),
            _measure(one.watches, one.value, one.currency),
            f"from {one.starts_on}, before {one.ends_before}",
        )
    return table
