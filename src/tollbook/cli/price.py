"""Rate a quantity against a price in a file, by the code that rates in production, and no database."""

import json
import re
from pathlib import Path
from typing import Any, Final

import click
import yaml

from tollbook.errors import Rejected
from tollbook.flow.rate.evaluate import evaluate, shown
from tollbook.records.charge import Charge
from tollbook.values.money import minor_exponent, settle
from tollbook.values.quantity import plain

FILE_BYTES_MAX: Final = 1_000_000
_NULLS: Final = ("", "~", "null")
# A number as price books write it: 1_000_000 and 0.002.
_NUMBER: Final = re.compile(r"-?[0-9]+(?:_[0-9]+)*(?:[.][0-9]+)?")


@click.group()
def price() -> None:
    """Rate a quantity against a price in a file."""


@price.command("eval")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--quantity", help="How much is used, such as 1250 or 0.5.")
@click.option(
    "--usage",
    "usage_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with events, amounts, cells or windows, for prices that look at more.",
)
@click.option("--json", "is_json", is_flag=True, help="Write JSON, decimals as strings.")
def eval_command(
    file: Path, quantity: str | None, usage_file: Path | None, *, is_json: bool
) -> None:
    """Show what a quantity, or the usage in a file, costs at the price in FILE, and the working.

    FILE holds one price, written as in a price book, and its currency.
    """
    used, before = _used(quantity, usage_file)
    charge = evaluate(read(file), used, before=before, name=file.stem)
    if is_json:
        click.echo(json.dumps(shown(charge), indent=2))
    else:
        click.echo("\n".join(_lines(charge)))


def _used(quantity: str | None, usage_file: Path | None) -> tuple[Any, Any]:
    """Return the usage, and what was measured before it in the same span."""
    if (quantity is None) == (usage_file is None):
        raise click.UsageError("Say either --quantity or --usage.")
    if usage_file is None:
        return quantity, None
    found = read(usage_file)
    before = found.pop("before", None) if isinstance(found, dict) else None
    return found, before


def read(file: Path) -> Any:
    """Read a YAML file with every scalar as the text that is written; empty and null are left out.

    A decimal such as 0.10 never passes through a float. Raises Rejected `price.invalid`.
    """
    if file.stat().st_size > FILE_BYTES_MAX:
        raise Rejected("price.invalid", f"{file} has more than {FILE_BYTES_MAX:,} bytes.")
    try:
        return _without_nulls(yaml.load(file.read_bytes(), yaml.BaseLoader))  # noqa: S506 - only text
    except yaml.YAMLError as error:
        raise Rejected("price.invalid", f"{file} is not YAML: {error}.") from error


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item not in _NULLS}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return value.replace("_", "")
    return value


def _lines(charge: Charge) -> list[str]:
    rows = [("", "quantity", "unit price", "amount")]
    for part in charge.parts:
        per = "" if part.per == 1 else f" / {plain(part.per)}"
        unit_price = f"{plain(part.unit_price)}{per}"
        rows.append((part.label, plain(part.quantity), unit_price, plain(part.amount)))
    label, *numbers = (max(len(cell) for cell in column) for column in zip(*rows, strict=True))
    table = [
        "  ".join([row[0].ljust(label), *map(str.rjust, row[1:], numbers)]).rstrip() for row in rows
    ]
    currency = charge.amount.currency
    settled = settle(charge.amount, charge.rounding)
    return [
        *table,
        "",
        f"Exact    {plain(charge.amount.value)} {currency}",
        f"Payable  {settled.money}  ({charge.rounding}, {minor_exponent(currency)} decimals)",
        f"Residue  {plain(settled.residue)} {currency}",
    ]
