"""Running Tollbook: everything in one process tree, or the API and workers apart."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from tollbook.access.issuer import configured_issuer
from tollbook.access.store import any_key_ever
from tollbook.app import database_url, open_app
from tollbook.config import Settings, load
from tollbook.errors import Rejected
from tollbook.observe.log import configure
from tollbook.runtime.process import (
    collect_rarely,
    end_supervisor,
    end_with,
    sole_supervisor,
    stop_on_signals,
    supervise,
    wait_for_port,
)
from tollbook.runtime.worker import work
from tollbook.storage import embedded
from tollbook.storage.database import connect
from tollbook.storage.migrate import migrate
from tollbook.values.clock import SystemClock

RESPAWN_SECONDS: Final = 0.5
# Longer than what a killed server left needs to see that nobody supervises any more.
STRAGGLERS_SECONDS: Final = 10
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def parent_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--parent`, by which `up` ties its children to itself."""
    return click.option("--parent", type=int, hidden=True, help="End with this process.")(command)


@click.command()
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes."
)
def up(*, workers: int) -> None:
    """Run database, API and workers in one process tree, until interrupted.

    Whatever dies is started again. `tollbook down` stops it all.
    """
    settings = load()
    configure(settings.log_format)
    stop = stop_on_signals()
    # Left in this order: once nobody supervises, what a killed server left ends too, and the last one
    # out stops the database.
    with ExitStack() as leaving:
        dsn = leaving.enter_context(database_url(settings, patience_seconds=STRAGGLERS_SECONDS))
        leaving.enter_context(sole_supervisor(settings.home))
        wait_for_port(settings.api_host, settings.api_port, SystemClock())
        applied = migrate(dsn)
        require_keys_beyond_loopback(settings, dsn)
        click.echo(f"database ready ({len(applied)} migrations applied)")
        address = f"http://{settings.api_host}:{settings.api_port}"
        click.echo(f"API on {address} (OpenAPI: /openapi.json)")

        def keep_database() -> None:
            if not settings.database_url and embedded.status(settings.home) is None:
                embedded.start(settings.home, keep_running=True)

        commands = [["serve"], *([["worker"]] * workers)]
        supervise(commands, stop, keep=keep_database, clock=SystemClock())


@click.command()
def down() -> None:
    """Stop what `tollbook up` runs in this home, and its embedded database."""
    settings = load()
    stopped = [end_supervisor(settings.home), embedded.stop(settings.home)]
    click.echo("stopped" if any(stopped) else "nothing was running")


@click.command()
@parent_option
def serve(*, parent: int | None) -> None:
    """Run the API alone."""
    settings = load()
    configure(settings.log_format)
    if parent is not None:
        end_with(parent)
    # Started again by its supervisor, it takes over from the processes of the one that died.
    wait_for_port(settings.api_host, settings.api_port, SystemClock(), is_shared=parent is not None)
    with database_url(settings) as dsn:
        migrate(dsn)
        require_keys_beyond_loopback(settings, dsn)
        Granian(
            "tollbook.api.app:create",
            address=settings.api_host,
            port=settings.api_port,
            interface=Interfaces.ASGI,
            factory=True,
            workers=settings.api_processes,
            respawn_failed_workers=True,
            respawn_interval=RESPAWN_SECONDS,
            log_access=False,
            log_level=LogLevels.warning,
        ).serve()


@click.command()
@parent_option
def worker(*, parent: int | None) -> None:
    """Run one worker alone: read sources, summarize, deliver, replay what has become possible."""
    settings = load()
    configure(settings.log_format)
    stop = stop_on_signals()
    if parent is not None:
        end_with(parent)
    collect_rarely()
    with open_app(settings) as app:
        work(
            app.database,
            app.targets(),
            catalog_of=app.catalog,
            clock=app.clock,
            stop=stop,
            replayer=app.replayer(),
            seal_after_days=app.settings.seal_after_days,
            pumps=app.pumps(),
        )


def require_keys_beyond_loopback(settings: Settings, dsn: str) -> None:
    """Refuse to listen beyond this machine unless a key or an access token is asked for."""
    configured_issuer(settings, SystemClock())
    if settings.api_host in LOOPBACK or settings.api_keys or settings.issuer:
        return
    with connect(dsn) as connection:
        if any_key_ever(connection):
            return
    raise Rejected(
        "config.keys_required",
        f"The API would listen on {settings.api_host} without asking for a key: create one with "
        "`tollbook access keys create`, or listen on 127.0.0.1.",
    )
