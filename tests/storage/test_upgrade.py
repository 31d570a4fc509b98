"""Books that an early release made are brought up to date, whole and balanced."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import conninfo, sql

from tollbook.cli import cli
from tollbook.storage.migrate import all_migrations

OLD = Path(__file__).parents[1] / "data" / "upgrade"
NAME = "old_books"
LATEST = "select max(number) from schema_migration"


@pytest.fixture
def old(server_dsn: str) -> Iterator[str]:
    """Give a database as the release of migration 7 left it."""
    dsn = conninfo.make_conninfo(server_dsn, dbname=NAME)
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        name = sql.Identifier(NAME)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
        with psycopg.connect(dsn, autocommit=True) as books:
            books.execute((OLD / "books.sql").read_bytes())
        yield dsn
        connection.execute(sql.SQL("drop database {} with (force)").format(name))


def column(dsn: str, query: str) -> list[object]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute(query.encode())]


def test_books_of_an_early_release_are_brought_up_to_date_and_know_their_events(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", old)
    billed = "select sum(amount_minor)::int from invoice_line"
    numbered = "select number from invoice where state = 'issued' order by number"

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, words, catch_exceptions=False)

    before = [column(old, query) for query in (LATEST, billed, numbered)]
    imported = json.loads(run("events", "import", str(OLD / "events.jsonl"), "--json").output)
    billed_again = run("run", "--period", "2023-11", "--until", "invoice")
    doctor = run("doctor", "--json")

    after = [column(old, query) for query in (LATEST, billed, numbered)]
    assert before[0] == [7]
    assert after == [[len(all_migrations())], *before[1:]]
    assert (imported["lines"], imported["duplicates"], imported["accepted"]) == (11, 10, 0)
    assert imported["rejected_by_code"] == {"capture.unknown_subject": 1}
    assert billed_again.exit_code == 0, billed_again.output
    assert [one for one in json.loads(doctor.output) if one["offenders"]] == []
