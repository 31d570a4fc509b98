"""A Tryton server of one's own: made with the books of the catalog, on Tollbook's PostgreSQL."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Mapping
from datetime import date
from typing import IO, Final

from psycopg.conninfo import conninfo_to_dict

from tollbook.config import Settings, TargetSettings
from tollbook.connectors.tryton.books import books
from tollbook.errors import Blocked
from tollbook.masterdata.catalog import Catalog
from tollbook.values.clock import Clock

TARGET: Final = "tryton"
DATABASE: Final = "tollbook_erp"
HOST: Final = "127.0.0.1"
PORT: Final = 8421
START_SECONDS: Final = 240
STOP_SECONDS: Final = 20
POLL_SECONDS: Final = 0.2


class TrytonServer:
    """A running Tryton, stopped when the block ends."""

    def __init__(self, settings: Settings, dsn: str, clock: Clock) -> None:
        self._settings = settings
        self._dsn = dsn
        self._clock = clock
        self._home = settings.home / "tryton"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> TargetSettings:
        """How Tollbook reaches this server."""
        options = {
            "url": f"http://{HOST}:{self._port}",
            "database": DATABASE,
            "user": "admin",
            "password": self._password(),
        }
        return TargetSettings(TARGET, TARGET, options)

    def start(self, catalog: Catalog, *, years: tuple[int, ...], on: date) -> None:
        """Start the server, making or updating its books first; does not wait."""
        python = self._settings.tryton_venv / "bin" / "python"
        serve = self._settings.tryton_venv / "tollbook" / "serve.py"
        if not serve.is_file():
            raise Blocked(
                "sandbox.tryton_missing",
                f"Tryton is not installed in {self._settings.tryton_venv}: run "
                "`make setup`, or erp/tryton/setup.sh DIRECTORY and set TOLLBOOK_TRYTON.",
            )
        self._home.mkdir(parents=True, exist_ok=True)
        description = self._home / "books.json"
        description.write_text(json.dumps(_books(catalog, years=years, on=on), indent=1))
        with (self._home / "log").open("ab") as log:
            self._process = _spawn(
                [
                    str(python),
                    str(serve),
                    *("--config-dir", str(self._home)),
                    *("--database", DATABASE),
                    *("--port", str(self._port)),
                    *("--books", str(description)),
                ],
                {**_postgres_environment(self._dsn), "TRYTON_ADMIN_PASSWORD": self._password()},
                log,
            )

    def wait_ready(self) -> None:
        """Return when the server answers; Blocked when it ends or takes too long."""
        assert self._process is not None, "started before it is waited for"
        deadline = self._clock.monotonic() + START_SECONDS
        while self._clock.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if _answers(self._port):
                return
            self._clock.wait(POLL_SECONDS)
        raise Blocked(
            "sandbox.tryton_failed", f"Tryton did not start; see {self._home / 'log'} for why."
        )

    def require_running(self) -> None:
        """Raise Blocked when the server has ended by itself."""
        assert self._process is not None, "started before it is watched"
        if self._process.poll() is not None:
            raise Blocked("sandbox.tryton_failed", f"Tryton ended; see {self._home / 'log'}.")

    def settings_lines(self) -> str:
        """Return what tollbook.toml must say to post into this server."""
        options = self.target.options
        lines = [f"[targets.{TARGET}]", f'connector = "{TARGET}"']
        return "\n".join([*lines, *(f'{name} = "{value}"' for name, value in options.items())])

    def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _password(self) -> str:
        """Return the administrator's password, made once and readable by its owner only."""
        path = self._home / "password"
        if not path.is_file():
            self._home.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(18))
        return path.read_text()


def _books(catalog: Catalog, *, years: tuple[int, ...], on: date) -> Mapping[str, object]:
    entities = []
    for key in catalog.keys("entity"):
        entity, gl_map = catalog.entity(key, on), catalog.gl_map(key, on)
        if entity is not None and gl_map is not None and gl_map.target == TARGET:
            entities.append((entity, gl_map))
    customers = [catalog.customer(key, on) for key in catalog.keys("customer")]
    return books(
        entities,
        [customer for customer in customers if customer is not None],
        system=TARGET,
        fiscal_years=years,
    )


def _spawn(
    command: list[str], environment: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    # Tryton inherits the environment (paths, locale); what it needs of ours is added by name.
    inherited = dict(os.environ)  # noqa: TID251 - handed down, not read
    return subprocess.Popen(  # noqa: S603 - our own command
        command, env={**inherited, **environment}, stdout=log, stderr=log
    )


def _postgres_environment(dsn: str) -> dict[str, str]:
    """Return the libpq variables that lead to the server of a connection string."""
    found = conninfo_to_dict(dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    return {names[key]: str(value) for key, value in found.items() if key in names and value}


def _free_port() -> int:
    for port in (PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise Blocked("sandbox.no_port", "No port is free on 127.0.0.1: stop another server.")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
