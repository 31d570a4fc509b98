"""Migrations: each once, in order, never edited, safe to run from many processes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import conninfo, sql

from tollbook.errors import Blocked
from tollbook.storage.migrate import all_migrations, migrate


@pytest.fixture
def empty_dsn(server_dsn: str) -> Iterator[str]:
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute("drop database if exists empty_books with (force)")
        connection.execute("create database empty_books")
        yield conninfo.make_conninfo(server_dsn, dbname="empty_books")
        connection.execute(
            sql.SQL("drop database {} with (force)").format(sql.Identifier("empty_books"))
        )


def test_an_empty_database_gets_every_migration_once(empty_dsn: str) -> None:
    first = migrate(empty_dsn)
    again = migrate(empty_dsn)

    assert first == all_migrations()
    assert again == []


def test_numbers_follow_each_other() -> None:
    numbers = [migration.number for migration in all_migrations()]

    assert numbers == list(range(1, len(numbers) + 1))


def test_many_processes_at_once_migrate_once(empty_dsn: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate, [empty_dsn] * 4))

    assert sorted(map(len, applied)) == [0, 0, 0, len(all_migrations())]


def test_an_edited_migration_is_refused(empty_dsn: str) -> None:
    migrate(empty_dsn)
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("update schema_migration set sha256 = 'other' where number = 1")

    with pytest.raises(Blocked) as refusal:
        migrate(empty_dsn)

    assert refusal.value.code == "storage.migration_edited"


def test_a_database_of_a_later_release_is_refused(empty_dsn: str) -> None:
    migrate(empty_dsn)
    with psycopg.connect(empty_dsn) as connection:
        connection.execute("insert into schema_migration values (999, 'future', 'x', now())")

    with pytest.raises(Blocked) as refusal:
        migrate(empty_dsn)

    assert refusal.value.code == "storage.database_newer"
