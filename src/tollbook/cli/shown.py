"""How events, refusals and the effect of a correction are shown on a terminal."""

import json
from typing import Any, Final

import click
from rich import box
from rich.markup import escape
from rich.table import Column, Table

from tollbook.cli.options import console, write_json
from tollbook.flow.capture.store import Conflict, Quarantined
from tollbook.runtime.preview import Effect
from tollbook.values.codec import to_builtins
from tollbook.values.quantity import plain

ID_CHARACTERS: Final = 30
_CHANGES_SHOWN: Final = 50


def with_text(record: Quarantined | Conflict) -> dict[str, Any]:
    """Return the fields of a record with its bytes as text."""
    fields = {name: getattr(record, name) for name in record.__dataclass_fields__}
    return {
        name: text_of(value) if isinstance(value, bytes) else value
        for name, value in fields.items()
    }


def text_of(raw: bytes) -> str:
    """Return bytes as text, with escapes where they are none."""
    return raw.decode(errors="backslashreplace")


def id_column(header: str) -> Column:
    """Return a column that never cuts an id off: it could not be given to the next command."""
    return Column(header, no_wrap=True, min_width=ID_CHARACTERS)


def echo_fields(record: object, *, is_json: bool) -> None:
    """Write a record as JSON, or a line a field."""
    if is_json:
        write_json(record)
        return
    for name, value in to_builtins(record).items():
        if value is not None:
            click.echo(f"{name:14}{value if isinstance(value, str) else json.dumps(value)}")


def print_effect(effect: Effect, *, said: str = "Nothing was stored.") -> None:
    """Write what a correction does to quantities and charges, and the sum per currency."""
    screen = console()
    if not effect.changes:
        screen.print("No quantity and no charge changes.")
        return
    table = Table(
        *("Month", "Customer", "Product", "Quantity", "", "Charge", "", "Currency"), box=box.SIMPLE
    )
    for change in effect.changes[:_CHANGES_SHOWN]:
        table.add_row(
            change.month,
            escape(change.customer_id),
            escape(change.product_id) + ("" if change.kind == "usage" else f" ({change.kind})"),
            plain(change.quantity_before),
            f"-> {plain(change.quantity_after)}",
            plain(change.amount_before),
            f"-> {plain(change.amount_after)}",
            change.currency,
        )
    screen.print(table)
    if len(effect.changes) > _CHANGES_SHOWN:
        screen.print(f"... and {len(effect.changes) - _CHANGES_SHOWN} more (--json shows all)")
    for currency, difference in sorted(effect.difference.items()):
        sign = "+" if difference > 0 else ""
        screen.print(f"Difference: {sign}{plain(difference)} {currency}, before tax.")
    screen.print(said)
