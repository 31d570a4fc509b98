"""A Tryton server of one's own: made with the books of the catalog, on Tollbook's PostgreSQL."""

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import conninfo_to_dict

from tollbook.config import Settings, SystemSettings
from tollbook.connectors.tryton.books import books
from tollbook.connectors.tryton.client import TrytonClient
from tollbook.errors import Blocked, Transient
from tollbook.masterdata.catalog import Catalog
from tollbook.sdk.http import HttpClient
from tollbook.values.clock import Clock

TARGET: Final = "tryton"
HOST: Final = "127.0.0.1"
PORT: Final = 8421
START_SECONDS: Final = 240
STOP_SECONDS: Final = 20
POLL_SECONDS: Final = 0.2


class TrytonServer:
    """A Tryton on the database server of a connection string, in a database beside Tollbook's own.

    Its files (log, password, description of the books) are readable by their owner only.
    """

    def __init__(self, settings: Settings, dsn: str, clock: Clock) -> None:
        self._settings = settings
        self._dsn = dsn
        self._clock = clock
        self._home = settings.home / "tryton"
        self._database = f"{conninfo_to_dict(dsn).get('dbname') or 'tollbook'}_erp"
        self._port_file = self._home / "port"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> SystemSettings:
        """How Tollbook reaches this server, once it is ready."""
        options = {
            "url": f"http://{HOST}:{self._port_file.read_text().strip()}",
            "database": self._database,
            "user": "admin",
            "password": self._password(),
        }
        return SystemSettings(TARGET, TARGET, options)

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
        description = self._private_home() / "books.json"
        self._port_file.unlink(missing_ok=True)
        description.write_text(json.dumps(_books(catalog, years=years, on=on), indent=1))
        with (self._home / "log").open("ab") as log:
            self._process = _spawn(
                [
                    str(python),
                    str(serve),
                    *("--config-dir", str(self._home)),
                    *("--database", self._database),
                    *("--port", str(PORT)),
                    *("--books", str(description)),
                    *("--end-with", str(os.getpid())),
                ],
                {**_postgres_environment(self._dsn), "TRYTON_ADMIN_PASSWORD": self._password()},
                log,
            )

    def wait_ready(self) -> None:
        """Return when the server answers; Blocked when it ends or takes too long."""
        assert self._process is not None, "started before it is waited for"
        deadline = self._clock.monotonic() + START_SECONDS
        while self._process.poll() is None and self._clock.monotonic() < deadline:
            if self._port_file.is_file() and self._lets_us_in():
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

    def _lets_us_in(self) -> bool:
        """Ask for what only this server knows: some other one may have taken the port."""
        options = self.target.options
        client = TrytonClient(
            HttpClient(self._clock),
            options["url"],
            options["database"],
            user=options["user"],
            password=options["password"],
        )
        try:
            client.call(None, "company.company", "search_count", [])
        except Transient:
            return False
        finally:
            client.close()
        return True

    def _password(self) -> str:
        """Return the administrator's password, made once and readable by its owner only."""
        path = self._private_home() / "password"
        if not path.is_file():
            # Whole or not at all: the database will know what the first start read here.
            unfinished = path.with_suffix(".unfinished")
            unfinished.touch(mode=0o600)
            unfinished.write_text(secrets.token_urlsafe(18))
            unfinished.rename(path)
        return path.read_text()

    def _private_home(self) -> Path:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._home


def _books(catalog: Catalog, *, years: tuple[int, ...], on: date) -> Mapping[str, object]:
    entities = []
    for key in catalog.keys("entity"):
        entity, gl_map = catalog.entity(key, on), catalog.gl_map(key, on)
        if entity is not None and gl_map is not None and gl_map.target == TARGET:
            entities.append((entity, gl_map))
    if not entities:
        raise Blocked(
            "sandbox.no_books",
            f"No legal entity has a GL map for {TARGET} on {on}: there are no books to make.",
        )
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
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
    }
    return {names[key]: str(value) for key, value in found.items() if key in names and value}
