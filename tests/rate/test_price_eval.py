"""`tollbook price eval`: the production rating of one quantity, without a database."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tollbook.cli.price import price
from tollbook.errors import Rejected

GRADUATED = """
currency: USD
model: graduated
tiers:
  - up_to: 1000
    unit_price: 0
  - up_to: null
    unit_price: 0.002
"""


def evaluate(folder: Path, text: str, *arguments: str) -> Result:
    """Run the command on a price file."""
    file = folder / "calls.yaml"
    file.write_text(text)
    return CliRunner().invoke(price, ["eval", str(file), *arguments])


def test_json_shows_exact_decimals_as_text(tmp_path: Path) -> None:
    result = evaluate(tmp_path, GRADUATED, "--quantity", "1251.5", "--json")

    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found == {
        "quantity": "1251.5",
        "currency": "USD",
        "amount": "0.503",
        "payable": "0.50",
        "residue": "0.003",
        "rounding": "half_even",
        "price_version_id": "calls/product@1",
        "parts": [
            {
                "label": "up to 1000",
                "quantity": "1000",
                "unit_price": "0",
                "per": "1",
                "amount": "0",
            },
            {
                "label": "above 1000",
                "quantity": "251.5",
                "unit_price": "0.002",
                "per": "1",
                "amount": "0.503",
            },
        ],
    }


def test_people_see_the_working_the_exact_and_the_payable_amount(tmp_path: Path) -> None:
    result = evaluate(tmp_path, GRADUATED, "--quantity", "1251.5")

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "above 1000 251.5 0.002 0.503" in lines
    assert "Exact 0.503 USD" in lines
    assert "Payable 0.50 USD (half_even, 2 decimals)" in lines
    assert "Residue 0.003 USD" in lines


def test_a_price_for_many_units_says_for_how_many(tmp_path: Path) -> None:
    text = "{currency: USD, model: unit, unit_price: 0.10, per: 1000}"

    result = evaluate(tmp_path, text, "--quantity", "5000")

    assert "0.1 / 1000" in result.stdout


def test_a_decimal_of_the_file_never_passes_through_a_float(tmp_path: Path) -> None:
    text = "{currency: USD, model: unit, unit_price: 100000000000.000000000001}"

    result = evaluate(tmp_path, text, "--quantity", "3", "--json")

    assert json.loads(result.stdout)["amount"] == "300000000000.000000000003"


@pytest.mark.parametrize("quantity", ["-1", "many", "NaN", "1e400", "1_000", "0.0000000000001"])
def test_a_wrong_quantity_is_refused(tmp_path: Path, quantity: str) -> None:
    result = evaluate(tmp_path, GRADUATED, f"--quantity={quantity}")

    assert isinstance(result.exception, Rejected)
    assert result.exception.code == "price.invalid_quantity"
    assert quantity in result.exception.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- 1", "one price"),
        ("{currency: USD", "not YAML"),
        ("{model: unit, unit_price: 1}", "currency"),
        ("{currency: USD, model: unit}", "tiers"),
        ("{currency: USD, unit_price: 1}", "model"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field(tmp_path: Path, text: str, named: str) -> None:
    result = evaluate(tmp_path, text, "--quantity", "1")

    assert isinstance(result.exception, Rejected)
    assert result.exception.code == "price.invalid"
    assert named in result.exception.message


def test_a_usage_in_a_file_has_events_and_what_came_before(tmp_path: Path) -> None:
    used = tmp_path / "used.yaml"
    used.write_text("{before: 990, events: [{quantity: 12, amount: 1}, 8]}")

    result = evaluate(tmp_path, GRADUATED, "--usage", str(used), "--json")

    found = json.loads(result.stdout)
    assert (found["quantity"], found["amount"]) == ("20", "0.02")


@pytest.mark.parametrize("arguments", [[], ["--quantity", "1", "--usage", "calls.yaml"]])
def test_a_quantity_or_a_usage_is_needed(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = evaluate(tmp_path, GRADUATED, *arguments)

    assert result.exit_code == 2
    assert "Say either --quantity or --usage." in result.output


@pytest.mark.parametrize(
    "usage",
    [
        "{}",
        "{quantty: 5}",
        "{events: -1}",
        "{events: 1.5}",
        "{events: [{}]}",
        "{events: [{price: 1}]}",
        "{cells: [{quantity: 1}]}",
        "{cells: 5}",
        "{windows: [many]}",
    ],
)
def test_a_usage_that_cannot_be_read_is_refused(tmp_path: Path, usage: str) -> None:
    used = tmp_path / "used.yaml"
    used.write_text(usage)

    result = evaluate(tmp_path, GRADUATED, "--usage", str(used))

    assert isinstance(result.exception, Rejected)
    assert result.exception.code == "price.invalid_quantity"
