"""`tollbook apply` shows its plan, asks, and says where a problem is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tollbook.cli import cli
from tollbook.demo_company import directory
from tollbook.errors import Rejected

BASE = Path(__file__).parents[1] / "vectors" / "masterdata" / "base.yaml"

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Run:
    environment = {
        "DATABASE_URL": dsn,
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_ACTOR": "ada",
        "COLUMNS": "200",
    }

    def command(*arguments: str) -> Result:
        return CliRunner(env=environment).invoke(cli, list(arguments))

    return command


def test_the_demo_company_is_applied_once(run: Run) -> None:
    first = run("apply", "-f", str(directory()), "--yes")
    again = run("apply", "-f", str(directory()), "--yes")

    assert first.exit_code == 0, first.output
    assert "+ contract con-001 version 1 from 2023-01-01" in first.output
    assert "Applied: 113 created, 3 changed." in first.output
    assert again.exit_code == 0
    assert "= 116 unchanged" in again.output
    assert "Applied" not in again.output


def test_a_dry_run_applies_nothing(run: Run) -> None:
    dry = run("apply", "-f", str(BASE), "--dry-run", "--json")
    listed = run("masterdata", "list", "--json")

    assert dry.exit_code == 0
    assert len(json.loads(dry.output)["changes"]) == 15
    assert json.loads(dry.output)["applied"] is None
    assert json.loads(listed.output) == []


def test_nobody_to_ask_means_no(run: Run) -> None:
    result = run("apply", "-f", str(BASE))

    assert isinstance(result.exception, Rejected)
    assert result.exception.code == "masterdata.not_confirmed"
    assert json.loads(run("masterdata", "list", "--json").output) == []


def test_a_problem_is_shown_with_its_line_and_ends_with_1(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("customers:\n  - {id: x, name: X, jurisdicton: DE}\n")

    shown = run("apply", "-f", str(wrong), "--yes")
    as_json = run("apply", "-f", str(wrong), "--yes", "--json")

    assert shown.exit_code == as_json.exit_code == 1
    assert "wrong.yaml:2" in shown.output
    assert "Did you mean 'jurisdiction'?" in shown.output
    assert [p["code"] for p in json.loads(as_json.output)["problems"]] == [
        "masterdata.missing_key",
        "masterdata.unknown_key",
    ]


def test_a_change_is_shown_field_by_field(run: Run, tmp_path: Path) -> None:
    run("apply", "-f", str(BASE), "--yes")
    changed = tmp_path / "changed.yaml"
    changed.write_text("customers: [{id: bob, name: Bob Ltd, jurisdiction: US-NY}]")

    result = run("apply", "-f", str(changed), "--yes", "--reason", "renamed")

    assert "~ customer bob version 2" in result.output
    assert "name: Bob and Sons -> Bob Ltd" in result.output


def test_versions_can_be_looked_at(run: Run) -> None:
    run("apply", "-f", str(directory()), "--yes")

    november = run("masterdata", "show", "price_book", "usd-payg", "--on", "2023-11-30")
    december = run("masterdata", "show", "price_book", "usd-payg", "--on", "2023-12-01")
    history = run("masterdata", "history", "price_book", "usd-payg", "--json")
    missing = run("masterdata", "show", "price_book", "gbp-payg")

    assert json.loads(november.output)["version"] == 1
    assert json.loads(december.output)["version"] == 2
    assert [row["version"] for row in json.loads(history.output)] == [1, 2]
    assert isinstance(missing.exception, Rejected)
    assert missing.exception.code == "masterdata.not_found"


def test_billing_periods_of_a_contract_are_listed_with_the_months_that_bill_them(
    run: Run, tmp_path: Path
) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text(
        """
contracts:
  - {id: mid-1, customer: bob, entity: us, currency: USD, price_book: list, zone: Europe/Paris,
     effective_from: 2026-01-20, items: [calls], billing: {anchor_day: 15}}
"""
    )
    assert run("apply", "-f", str(BASE), "--yes").exit_code == 0
    assert run("apply", "-f", str(contract), "--yes").exit_code == 0

    days = ("--from", "2026-01-01", "--until", "2026-03-15")
    table = run("masterdata", "periods", "mid-1", *days)
    told = json.loads(run("masterdata", "periods", "mid-1", *days, "--json").output)

    assert "26 (part)" in table.output
    assert [(one["from"], one["until"], one["whole"]) for one in told] == [
        ("2026-01-20", "2026-02-15", False),
        ("2026-02-15", "2026-03-15", True),
    ]
    assert told[0]["starts_at"] == "2026-01-19T23:00:00Z"
    assert (told[0]["usage_billed_with"], told[0]["fees_billed_with"]) == ("2026-02", "2026-01")
