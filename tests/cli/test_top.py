"""The live view, once and as JSON, from what the database and the processes of the API say."""

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from door import data, furnish, raw
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock


@pytest.fixture
def environment(dsn: str, tmp_path: Path) -> dict[str, str]:
    return os.environ | {"DATABASE_URL": dsn, "TOLLBOOK_HOME": str(tmp_path), "COLUMNS": "120"}


@pytest.fixture
def busy(database: Database) -> Desk:
    """Give a desk that took a few events of every kind."""
    furnish(database)
    desk = Desk(database, SystemClock(), future_hours_max=24)
    desk.take([raw(1), raw(2), raw(1), raw(2, data=data(9)), raw(3, subject="nobody")], door="http")
    desk.take([raw(4)], door="file")
    return desk


def top(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "tollbook.cli", "top", "--seconds", "0.1", *arguments]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return ran.stdout


@pytest.mark.usefixtures("busy")
def test_the_numbers_are_written_once_as_json(environment: dict[str, str]) -> None:
    shown = json.loads(top(environment, "--once", "--json"))

    assert shown["doors"]["http"]["ever"] == 5
    assert shown["doors"]["file"]["ever"] == 1
    assert shown["rejected"] == {"capture.unknown_subject": 1}
    assert shown["waits"]["quarantine"] == 1
    assert shown["waits"]["work_items"] == 2
    assert shown["waits"]["api_processes"] == 0
    assert [error["code"] for error in shown["last_errors"]] == ["capture.unknown_subject"]


@pytest.mark.usefixtures("busy")
def test_without_a_terminal_it_is_drawn_once(environment: dict[str, str]) -> None:
    drawn = top(environment)

    for text in ("Events/s", "http", "file", "queued events", "quarantine", "nobody"):
        assert text in drawn


@pytest.mark.usefixtures("busy")
def test_on_a_terminal_it_goes_on_until_interrupted(environment: dict[str, str]) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tollbook.cli", "top", "--seconds", "0.1"]
    running = subprocess.Popen(
        command, env=environment | {"TERM": "xterm"}, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    drawn = b""
    while drawn.count(b"queued events") < 3:
        assert select.select([ours], [], [], 60)[0], drawn
        drawn += os.read(ours, 65_536)
    running.terminate()
    running.wait()
    os.close(ours)

    assert b"Events/s" in drawn
