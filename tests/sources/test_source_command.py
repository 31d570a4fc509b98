"""`tollbook source`: what is configured is listed, and what is wrong with it is said."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from door import furnish
from tollbook.cli import cli
from tollbook.errors import Failure
from tollbook.flow.capture.sources import store
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

Command = Callable[..., Result]

CONFIGURED = """
[sources.gateway]
connector = "kafka"
bootstrap_servers = "127.0.0.1:9"
topics = "usage"
group = "tollbook"

[sources.strange]
connector = "telex"

[sources.secret]
connector = "kafka"
password_env = "NOT_SET_ANYWHERE"
"""


@pytest.fixture
def command(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    furnish(database)
    (tmp_path / "tollbook.toml").write_text(CONFIGURED)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    monkeypatch.setenv("TOLLBOOK_ACTOR", "ann")

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["source", *arguments])

    return run


def code_of(result: Result) -> str:
    assert isinstance(result.exception, Failure), result.output
    return result.exception.code


def listed(command: Command) -> dict[str, Any]:
    result = command("list", "--json")
    assert result.exit_code == 0, result.output
    return {one["name"]: one for one in json.loads(result.output)}


def test_every_configured_source_is_listed(command: Command) -> None:
    found = listed(command)

    assert {name: (one["connector"], one["state"]) for name, one in found.items()} == {
        "gateway": ("kafka", "not running"),
        "strange": ("telex", "not running"),
        "secret": ("kafka", "not running"),
    }


def test_a_source_is_shown_with_its_lanes(command: Command, database: Database) -> None:
    with database.transaction() as connection:
        store.set_position(connection, "gateway", "usage/3", 41, at=SystemClock().now())

    shown = json.loads(command("show", "gateway", "--json").output)
    said = command("show", "gateway").output

    assert [(one["lane"], one["next"]) for one in shown["positions"]] == [("usage/3", 41)]
    assert "usage/3" in said
    assert "41" in said


def test_a_source_is_paused_moved_and_resumed(command: Command, database: Database) -> None:
    assert command("pause", "gateway", "--reason", "broker moves").exit_code == 0
    assert listed(command)["gateway"]["paused_for"] == "broker moves"
    moved = command("seek", "gateway", "usage/0", "7", "--reason", "read again", "--by", "bob")
    assert moved.output == "usage/0 goes on at 7; it had no position.\n"
    again = command("seek", "gateway", "usage/0", "5", "--reason", "further back")
    assert again.output == "usage/0 goes on at 5; it stood at 7.\n"
    assert command("resume", "gateway", "--reason", "moved").exit_code == 0

    with database.transaction() as connection:
        audited = connection.execute(
            "select actor, action, object_id, before, after from audit_record order by sequence"
        ).fetchall()
    assert audited == [
        ("ann", "capture.pause_source", "gateway", None, None),
        ("bob", "capture.seek_source", "gateway usage/0", None, "7"),
        ("ann", "capture.seek_source", "gateway usage/0", "7", "5"),
        ("ann", "capture.resume_source", "gateway", None, None),
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "nobody"), "config.no_such_source"),
        (("show", "nobody"), "config.no_such_source"),
        (("run", "strange", "--until-idle"), "config.unknown_connector"),
        (("run", "secret", "--until-idle"), "config.secret_missing"),
        (("resume", "gateway", "--reason", "x"), "capture.source_not_paused"),
        (("pause", "gateway", "--reason", " "), "capture.reason_missing"),
        (("seek", "gateway", "usage/0", "7", "--reason", "x"), "capture.source_not_paused"),
    ],
)
def test_what_cannot_be_done_is_refused(
    command: Command, arguments: tuple[str, ...], code: str
) -> None:
    assert code_of(command(*arguments)) == code


def test_a_missing_client_library_is_told_with_its_remedy(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tollbook.connectors.kafka.source", None)

    refused = command("run", "gateway", "--until-idle")

    assert code_of(refused) == "config.extra_missing"
    assert "pip install tollbook[kafka]" in str(refused.exception)
    assert listed(command)["gateway"]["code"] == "config.extra_missing"
