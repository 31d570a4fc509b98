"""The database: one pool, sessions in UTC, one transaction a unit of work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import ConnectionPool

from tollbook.errors import Blocked
from tollbook.values.codec import to_json

Connection = psycopg.Connection[TupleRow]

OLDEST_SUPPORTED: Final = 150000
SESSION_OPTIONS: Final = "-c TimeZone=UTC -c DateStyle=ISO -c search_path=public"

_JSON: Final = msgspec.json.Decoder(float_hook=Decimal)


def decode_json(data: str | bytes) -> Any:
    """Decode JSON with its numbers kept exact: integers as int, all others as Decimal."""
    return _JSON.decode(data)


set_json_loads(decode_json)
set_json_dumps(to_json)


def connect(dsn: str, *, autocommit: bool = False) -> Connection:
    """Open one connection in UTC; Blocked when the server cannot be reached or is too old."""
    try:
        connection = psycopg.connect(dsn, autocommit=autocommit, options=SESSION_OPTIONS)
    except psycopg.ProgrammingError as error:
        raise Blocked(
            "storage.invalid_url",
            f"DATABASE_URL is no connection string of PostgreSQL: {str(error).strip()}.",
        ) from error
    except psycopg.OperationalError as error:
        raise Blocked(
            "storage.unreachable",
            f"PostgreSQL does not answer ({str(error).strip()}): start it with `tollbook up`, or "
            "correct DATABASE_URL.",
        ) from error
    require_supported(connection)
    return connection


def export_snapshot(connection: Connection) -> str:
    """Name what this transaction sees now, so that others can see it while this one is open."""
    row = connection.execute("select pg_export_snapshot()").fetchone()
    assert row is not None
    return str(row[0])


def see_snapshot(connection: Connection, snapshot: str) -> None:
    """Let this transaction, which must not have begun, see what another one exported."""
    connection.execute("set transaction isolation level repeatable read")
    connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))


def require_supported(connection: Connection) -> None:
    """Refuse servers older than PostgreSQL 15."""
    version = connection.info.server_version
    if version < OLDEST_SUPPORTED:
        connection.close()
        raise Blocked(
            "storage.server_too_old",
            f"PostgreSQL 15 or later is needed; this server is version {version // 10000}.",
        )


class Database:
    """A pool of connections; closed once, by whoever opened it.

    `session` are settings that each of its sessions can ask for with `current_setting`.
    """

    def __init__(
        self, dsn: str, *, size: int = 4, session: Mapping[str, str] | None = None
    ) -> None:
        self.dsn = dsn
        self.session = dict(session or {})
        self._pool = ConnectionPool[Connection](
            dsn,
            min_size=1,
            max_size=size,
            open=True,
            kwargs={"options": SESSION_OPTIONS},
            configure=self._configure,
            check=ConnectionPool.check_connection,
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection inside a transaction: committed at the end, rolled back on any error."""
        with self._pool.connection() as connection:
            yield connection

    def vacuum(self, *tables: str) -> None:
        """Give the room of deleted rows back to their tables; others go on meanwhile."""
        with self._pool.connection() as connection:
            connection.autocommit = True
            for table in tables:
                connection.execute(
                    sql.SQL("vacuum (truncate false) {}").format(sql.Identifier(table))
                )
            connection.autocommit = False

    def answers(self, *, within_seconds: float) -> bool:
        """Tell whether the server takes a statement now."""
        try:
            with self._pool.connection(timeout=within_seconds) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def connections(self) -> dict[str, int]:
        """Return how many connections are open, how many of them idle, and who waits for one."""
        said = self._pool.get_stats()
        return {
            "open": said.get("pool_size", 0),
            "idle": said.get("pool_available", 0),
            "waiting": said.get("requests_waiting", 0),
        }

    def _configure(self, connection: Connection) -> None:
        for name, value in self.session.items():
            connection.execute("select set_config(%s, %s, false)", [name, value])
        connection.commit()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
