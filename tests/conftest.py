"""Real parts for every test: one PostgreSQL server a session, one database a test."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import conninfo, sql

from fake_erp import FakeErp
from small_month import SmallMonth, build, opened
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate
from tollbook.values.clock import FixedClock

TEMPLATE = "tollbook_template"

# How fast the machine is says nothing about whether a law holds.
settings.register_profile("tollbook", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollbook")


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """Give a server to make databases on: TOLLBOOK_TEST_DSN, or an embedded one for the session."""
    given = os.environ.get("TOLLBOOK_TEST_DSN")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="tollbook-test-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = embedded.start(Path(home), settings={"fsync": "off", "max_connections": "200"})
        yield server.dsn
        embedded.stop(Path(home))


@pytest.fixture(scope="session")
def template(server_dsn: str) -> str:
    """Make the migrated database that each test's database is copied from."""
    name = f"{TEMPLATE}_{os.getpid()}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        _recreate(connection, name)
    migrate(conninfo.make_conninfo(server_dsn, dbname=name))
    return name


@pytest.fixture
def dsn(server_dsn: str, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a fresh, migrated database, dropped after the test."""
    name = f"test_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**12}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        _recreate(connection, name, template)
        yield conninfo.make_conninfo(server_dsn, dbname=name)
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """Give an open pool on a fresh database."""
    database = Database(dsn, size=4)
    yield database
    database.close()


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands in December 2023, when November is billed."""
    return FixedClock(datetime(2023, 12, 1, 9, tzinfo=UTC))


def _recreate(connection: psycopg.Connection, name: str, template: str | None = None) -> None:
    connection.execute(
        sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    )
    statement = sql.SQL("create database {}").format(sql.Identifier(name))
    if template:
        statement += sql.SQL(" template {}").format(sql.Identifier(template))
    connection.execute(statement)


@pytest.fixture(scope="session")
def built(server_dsn: str, template: str) -> tuple[str, FakeErp]:
    """Give the database to copy from, and the ERP that belongs to it: a month run to its end."""
    return build(server_dsn, template)


@pytest.fixture
def month(
    server_dsn: str, built: tuple[str, FakeErp], request: pytest.FixtureRequest
) -> Iterator[SmallMonth]:
    """Give November, billed, posted and recognized."""
    name = f"month_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**12}"
    with opened(server_dsn, name, built) as month:
        yield month
