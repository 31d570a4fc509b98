"""The command line of access, on the database that a running API reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from access.conftest import wait_for
from tollbook.cli import cli
from tollbook.controls.audit import all_records
from tollbook.errors import Rejected
from tollbook.storage.database import Database

Run = Callable[..., Result]


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Run:
    environment = {
        "DATABASE_URL": dsn,
        "TOLLBOOK_HOME": str(tmp_path),
        "TOLLBOOK_ACTOR": "erin",
        "COLUMNS": "200",
    }

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["access", *arguments], env=environment)

    return command


def created(run: Run, *arguments: str) -> dict[str, Any]:
    scope = ("--scope", "usage:read", "--scope", "events:write")
    result = run(
        "keys", "create", "--name", "gw", *scope, "--reason", "first", "--json", *arguments
    )
    assert result.exit_code == 0, result.output
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def test_a_key_is_created_rotated_and_revoked(
    run: Run, unguarded: TestClient, database: Database
) -> None:
    old = created(run)
    wait_for(unguarded, "tbk_other", 401)
    wait_for(unguarded, old["secret"], 200)
    rotated = run("keys", "rotate", old["key_id"], "--grace-hours", "1", "--reason", "r", "--json")
    new = json.loads(rotated.stdout)
    wait_for(unguarded, new["secret"], 200)

    revoked = run("keys", "revoke", new["key_id"], "--reason", "r")
    wait_for(unguarded, new["secret"], 401)

    assert "opens nothing any more" in revoked.output
    with database.transaction() as connection:
        acts = [(one.actor, one.action) for one in all_records(connection)]
    assert acts == [
        ("erin", "access.key_created"),
        ("erin", "access.key_rotated"),
        ("erin", "access.key_revoked"),
    ]


def test_the_list_shows_keys_and_no_secret(run: Run) -> None:
    secret = created(run, "--source", "/gw/", "--days", "30")["secret"]

    table = run("keys", "list").output
    [shown] = json.loads(run("keys", "list", "--json").stdout)

    assert "gw" in table
    assert "/gw/" in table
    assert secret not in table
    assert (shown["state"], shown["scopes"]) == ("active", ["events:write", "usage:read"])


def test_a_secret_is_shown_for_people_too(run: Run) -> None:
    result = run("keys", "create", "--name", "a", "--scope", "admin", "--reason", "r")

    assert "secret  tbk_" in result.output


def test_an_unknown_scope_is_refused_with_those_that_exist(run: Run) -> None:
    result = run("keys", "create", "--name", "a", "--scope", "all", "--reason", "r")

    assert isinstance(result.exception, Rejected)
    assert result.exception.code == "api.unknown_scope"
    assert "events:write" in result.exception.message


def test_scopes_are_listed_and_the_signing_key_is_replaced(run: Run, database: Database) -> None:
    listed = run("scopes").output
    replaced = run("replace-signing-key", "--reason", "leaked")

    assert "events:write       send usage events" in listed
    assert replaced.exit_code == 0
    with database.transaction() as connection:
        assert [one.action for one in all_records(connection)] == ["access.signing_key_replaced"]
