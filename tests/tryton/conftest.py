"""Tryton's books are made once a session; each test gets a copy and a server of its own."""

import contextlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from tollbook.cli.tryton import TrytonServer
from tollbook.config import Settings, SystemSettings
from tollbook.demo_company import directory
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.documents import to_versions
from tollbook.masterdata.files import read_directory
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock, SystemClock
from tryton.rehearsal import Rehearsal

VENV = Path(os.environ.get("TOLLBOOK_TRYTON") or Path(__file__).parents[2] / ".venv-tryton")
AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
PREPARED = f"tryton_{os.getpid()}"


def demo_catalog() -> Catalog:
    """Return the demo company's master data as it is shipped."""
    reading = read_directory(directory())
    found: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for version in to_versions(reading.documents, reading.problems).versions:
        found[version.kind, version.key].append(version)
    return Catalog(AT, {name: tuple(versions) for name, versions in found.items()})


@pytest.fixture(scope="session")
def prepared(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make the books of the demo company; gives the home of their Tryton, which is stopped."""
    if not (VENV / "tollbook" / "serve.py").is_file() and not os.environ.get("CI"):
        pytest.skip(f"Tryton is not installed in {VENV}: make setup")
    home = tmp_path_factory.mktemp("tryton")
    with _serving(home, server_dsn, PREPARED):
        pass
    yield home
    _drop(server_dsn, f"{PREPARED}_erp")


@pytest.fixture(scope="module")
def shared_books(
    prepared: Path, server_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SystemSettings]:
    """Give books that the tests of a module share."""
    home = tmp_path_factory.mktemp("shared")
    with _copied(prepared, server_dsn, f"{PREPARED}_shared", home) as target:
        yield target


@pytest.fixture
def rehearsal(prepared: Path, server_dsn: str, dsn: str, tmp_path: Path) -> Iterator[Rehearsal]:
    """Give a part of the demo company, with Tollbook and Tryton both empty."""
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    database = Database(dsn, size=4)
    try:
        with (
            _copied(prepared, server_dsn, name, tmp_path) as target,
            Rehearsal(database, target, FixedClock(AT), tmp_path) as rehearsal,
        ):
            yield rehearsal
    finally:
        database.close()


@contextlib.contextmanager
def _copied(prepared: Path, server_dsn: str, name: str, home: Path) -> Iterator[SystemSettings]:
    """Serve a copy of the prepared books, with all that a first start has left behind."""
    (home / "tryton").mkdir()
    shutil.copy(prepared / "tryton" / "password", home / "tryton")
    original, copy = sql.Identifier(f"{PREPARED}_erp"), sql.Identifier(f"{name}_erp")
    _drop(server_dsn, f"{name}_erp")
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {} template {}").format(copy, original))
        found = connection.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s",
            [f"{PREPARED}_erp"],
        ).fetchone()
        assert found, "the prepared books say what they were made from"
        connection.execute(
            sql.SQL("comment on database {} is {}").format(copy, sql.Literal(found[0]))
        )
    with _serving(home, server_dsn, name) as target:
        yield target
    _drop(server_dsn, f"{name}_erp")


@contextlib.contextmanager
def _serving(home: Path, server_dsn: str, name: str) -> Iterator[SystemSettings]:
    settings = Settings(home=home, tryton_venv=VENV.absolute())
    dsn = conninfo.make_conninfo(server_dsn, dbname=name)
    server = TrytonServer(settings, dsn, SystemClock())
    server.start(demo_catalog(), years=(2023, 2024), on=date(2023, 11, 30))
    try:
        server.wait_ready()
        yield server.target
    finally:
        server.stop()


def _drop(server_dsn: str, name: str) -> None:
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )
