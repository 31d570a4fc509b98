"""Numbered SQL migrations, each applied once, in order, and never edited afterwards."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from tollbook.errors import Blocked
from tollbook.storage.database import Connection, connect
from tollbook.storage.locks import Lock

_CREATE_REGISTER: Final = """
    create table if not exists schema_migration (
        number      integer primary key,
        name        text not null,
        sha256      text not null,
        applied_at  timestamptz not null default now()
    )"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file of `storage/migrations`."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Checksum that proves the file is the one that was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def all_migrations() -> list[Migration]:
    """Read the migrations that ship with this release, in order."""
    found = []
    for file in files("tollbook.storage").joinpath("migrations").iterdir():
        number, _, rest = file.name.partition("_")
        if rest.endswith(".sql"):
            found.append(Migration(int(number), rest.removesuffix(".sql"), file.read_text()))
    return sorted(found, key=lambda migration: migration.number)


def migrate(dsn: str) -> list[Migration]:
    """Bring the schema up to date and return what was applied; each migration is a transaction.

    Raises Blocked when an applied migration was edited, or when the database is newer than this
    release. Safe to call from several processes at once: one works, the others wait.
    """
    applied = []
    with connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [int(Lock.MIGRATE)])
        connection.execute(_CREATE_REGISTER)
        done = _applied(connection)
        known = all_migrations()
        _check_history(known, done)
        for migration in known:
            if migration.number not in done:
                _apply(connection, migration)
                applied.append(migration)
    return applied


def pending(connection: Connection) -> list[Migration]:
    """Return the migrations that this database does not have yet."""
    row = connection.execute("select to_regclass('schema_migration')").fetchone()
    done = _applied(connection) if row and row[0] else {}
    return [migration for migration in all_migrations() if migration.number not in done]


def _applied(connection: Connection) -> dict[int, str]:
    rows = connection.execute("select number, sha256 from schema_migration order by number")
    return dict(rows.fetchall())


def _check_history(known: list[Migration], done: dict[int, str]) -> None:
    by_number = {migration.number: migration for migration in known}
    for number, sha256 in done.items():
        if number not in by_number:
            raise Blocked(
                "storage.database_newer",
                f"The database has migration {number}, which this release does not know: "
                "use the release that made it, or a later one.",
            )
        if by_number[number].sha256 != sha256:
            raise Blocked(
                "storage.migration_edited",
                f"Migration {number} ({by_number[number].name}) was applied with other content: "
                "an applied migration is never edited.",
            )


def _apply(connection: Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute("set local lock_timeout = '10s'")
        connection.execute(migration.sql.encode())
        connection.execute(
            "insert into schema_migration (number, name, sha256) values (%s, %s, %s)",
            [migration.number, migration.name, migration.sha256],
        )
