"""The objects of a source, as a person at a terminal and a program see them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from door import add_record, furnish, raw
from sources.drops.conftest import BY_ROW
from tollbook.api.app import build
from tollbook.app import App
from tollbook.cli.source import source
from tollbook.config import Settings, SystemSettings
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that runs `tollbook source ...` on a configured directory."""
    furnish(database)
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "in").mkdir()
    (home / "tollbook.toml").write_text(
        f'[sources.files]\nconnector = "directory"\npath = "{tmp_path / "in"}"\n'
        'complete_when = "renamed"\n'
    )
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    monkeypatch.setenv("TOLLBOOK_HOME", str(home))

    def command(*arguments: str) -> str:
        result = CliRunner().invoke(source, arguments)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return command


def test_objects_are_listed_and_judged_again_at_the_terminal(run: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.jsonl").write_bytes(raw(1))
    (tmp_path / "in" / "b.dat").write_bytes(b"what is it")
    run("run", "files", "--until-idle")

    listed = json.loads(run("objects", "files", "--json"))
    shown = run("objects", "files", "--state", "refused")
    answer = run("retry", "files", "b.dat", "--reason", "format is set now", "--by", "ana")

    assert listed["counts"] == {"done": 1, "refused": 1}
    assert [(one["key"], one["accepted"]) for one in listed["objects"]] == [
        ("a.jsonl", 1),
        ("b.dat", 0),
    ]
    assert "b.dat" in shown
    assert "a.jsonl" not in shown
    assert "capture.unknown_format" in shown
    assert "judged again" in answer
    assert json.loads(run("objects", "files", "--json"))["counts"] == {"done": 1, "open": 1}


def test_objects_are_listed_and_judged_again_over_http(
    run: Any, tmp_path: Path, database: Database
) -> None:
    (tmp_path / "in" / "b.dat").write_bytes(b"what is it")
    run("run", "files", "--until-idle")
    options = {"path": str(tmp_path / "in")}
    settings = Settings(tmp_path, sources={"files": SystemSettings("files", "directory", options)})
    retry = {"key": "b.dat", "reason": "format is set now"}

    with TestClient(build(App(settings, SystemClock(), database))) as client:
        listed = client.get("/v1/sources/files/objects", params={"state": "refused"}).json()
        answer = client.post("/v1/sources/files/objects/retry", json=retry)
        again = client.post("/v1/sources/files/objects/retry", json=retry)
        unknown = client.get("/v1/sources/other/objects")
        after = client.get("/v1/sources/files/objects").json()

    assert [one["code"] for one in listed["objects"]] == ["capture.unknown_format"]
    assert (answer.status_code, again.status_code, unknown.status_code) == (204, 404, 404)
    assert after["counts"] == {"open": 1}


def test_a_preview_shows_a_row_that_its_file_garbles_as_the_source_would_refuse_it(
    run: Any, tmp_path: Path, database: Database
) -> None:
    add_record(database, "source_mapping", BY_ROW.mapping_id, BY_ROW)
    (tmp_path / "u.csv").write_bytes(b"customer,tokens\ncus_001,10\ncus_002\n")

    shown = json.loads(run("preview", str(tmp_path / "u.csv"), "--mapping", "by-row", "--json"))

    assert (shown["counts"]["accepted"], shown["refusals"]) == (1, {"capture.bad_row": 1})
