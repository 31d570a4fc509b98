"""`tollbook post`: what a person sees and does about postings."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tollbook.cli import cli
from tollbook.flow.post.posting import Posting

Queue = Callable[..., Posting]


@pytest.fixture
def tollbook(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line on the test's database, with no ERP configured."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("TOLLBOOK_ACTOR", "ann")

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["post", *words], catch_exceptions=False)

    return run


def test_postings_are_listed_by_state(tollbook: Callable[..., Result], queue: Queue) -> None:
    posting = queue("inv_1")

    ready = json.loads(tollbook("list", "--state", "ready", "--json").output)
    failed = json.loads(tollbook("list", "--state", "failed", "--json").output)

    assert [each["posting_id"] for each in ready] == [posting.posting_id]
    assert failed == []


def test_a_person_holds_and_releases_and_the_history_tells(
    tollbook: Callable[..., Result], queue: Queue
) -> None:
    posting_id = queue("inv_1").posting_id

    held = tollbook("hold", posting_id, "--reason", "wrong customer?")
    again = tollbook("hold", posting_id, "--reason", "twice")
    released = tollbook("release", posting_id, "--reason", "checked")

    assert held.output == "1 done.\n"
    assert again.output.startswith("0 done.")
    assert released.output == "1 done.\n"
    shown = json.loads(tollbook("show", posting_id, "--json").output)
    assert [each["signal"] for each in shown["history"]] == ["held_back", "released"]
    assert shown["state"] == "ready"
    assert "ann: wrong customer?" in tollbook("show", posting_id).output


def test_a_replay_of_what_was_not_refused_says_so(
    tollbook: Callable[..., Result], queue: Queue
) -> None:
    posting_id = queue("inv_1").posting_id

    told = tollbook("replay", posting_id, "--reason", "impatience")

    assert told.output.startswith("0 done.")
    assert posting_id in told.output


def test_without_a_configured_erp_nothing_is_delivered(tollbook: Callable[..., Result]) -> None:
    done = json.loads(tollbook("run", "--until-idle", "--json").output)

    assert done == {"turns": {}, "unavailable": [], "waiting": {}}
