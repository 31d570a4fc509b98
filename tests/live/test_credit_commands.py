"""Charges so far, alerts, credit control and entitlements by command."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api_client import event
from live.watched import documents
from tollbook.cli import cli

Command = Callable[..., Result]


@pytest.fixture
def tollbook(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Give the command line of an installation that knows the company and has usage of today."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("TOLLBOOK_ACTOR", "erin")

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, words)

    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "all.yaml").write_text(json.dumps(documents()))
    applied = run("apply", "-f", str(tmp_path / "company"), "--yes", "--reason", "a test")
    assert applied.exit_code == 0, applied.output
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    used = {"data": {"model": "m", "tokens": 30_000_000}, "time": now}
    (tmp_path / "events.jsonl").write_text(json.dumps(event(1) | used))
    assert run("events", "import", str(tmp_path / "events.jsonl")).exit_code == 0
    return run


def test_a_command_shows_what_a_customer_owes_so_far(tollbook: Command) -> None:
    shown, exact = (
        tollbook("usage", "charges", "ada"),
        tollbook("usage", "charges", "ada", "--json"),
    )

    assert "30000000 x 3 / 1000000" in shown.output
    assert "ada owes 110.00 USD so far, before tax." in shown.output
    assert json.loads(exact.output)["totals"] == {"USD": "110.00"}


def test_a_command_looks_at_thresholds_and_lists_them(tollbook: Command) -> None:
    nothing = tollbook("alerts", "list", "--json")
    first, again = tollbook("alerts", "look"), tollbook("alerts", "look")
    listed = tollbook("alerts", "list", "--customer", "ada")

    assert json.loads(nothing.output)["items"] == []
    assert "100 USD" in first.output
    assert again.output == "No new threshold is reached.\n"
    assert [word in listed.output for word in ("twenty", "half", "pace", "stop")] == [True] * 4


def test_a_command_blocks_and_releases_a_customer(tollbook: Command) -> None:
    blocked = tollbook("credit-control", "block", "eve", "--reason", "did not pay")
    shown = tollbook("credit-control", "show", "eve", "--json")
    listed = tollbook("credit-control", "show")
    denied = tollbook("usage", "entitlement", "eve", "fee")
    tollbook("credit-control", "release", "eve", "--reason", "paid")
    allowed = tollbook("usage", "entitlement", "eve", "fee")

    assert blocked.output.startswith("eve: blocked\n  blocked by erin: did not pay")
    assert json.loads(shown.output)["state"] == "blocked"
    assert "did not pay" in listed.output
    assert (denied.exit_code, "blocked_by_person" in denied.output) == (1, True)
    assert (allowed.exit_code, allowed.output) == (0, "yes (sold): A contract in force sells it.\n")


def test_a_command_says_what_is_left(tollbook: Command) -> None:
    included = tollbook("usage", "entitlement", "eve", "included")
    tollbook("alerts", "look")
    prepaid = tollbook("usage", "entitlement", "bob", "tokens")

    assert "5000000 of 5000000 included units left" in included.output
    assert "30 USD of prepaid credits left" in prepaid.output
