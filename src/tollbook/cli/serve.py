"""Running Tollbook: everything in one process tree, or the API and workers apart."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from tollbook.app import database_url, open_app
from tollbook.config import Settings, load
from tollbook.errors import Rejected
from tollbook.observe.log import configure, logger
from tollbook.runtime.process import end_with_parent
from tollbook.runtime.worker import work
from tollbook.storage import embedded
from tollbook.storage.migrate import migrate

RESTART_SECONDS: Final = 1.0
STOP_SECONDS: Final = 20.0
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@click.command()
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
@click.option("--json-logs", is_flag=True, help="Write log lines as JSON.")
def up(*, workers: int, json_logs: bool) -> None:
    """Run database, API and workers in one process tree, until interrupted."""
    configure(is_json=json_logs)
    settings = load()
    require_keys_beyond_loopback(settings)
    stop = stop_on_signals()
    flags = ["--json-logs"] if json_logs else []
    with database_url(settings) as dsn:
        applied = migrate(dsn)
        click.echo(f"database ready ({len(applied)} migrations applied)")
        click.echo(
            f"API on http://{settings.api_host}:{settings.api_port} (OpenAPI: /openapi.json)"
        )
        commands = [["serve", *flags]] + [["worker", *flags]] * workers
        supervise(commands, stop)


@click.command()
def down() -> None:
    """Stop the embedded database of this home, if one runs."""
    settings = load()
    stopped = embedded.stop(settings.home)
    click.echo("database stopped" if stopped else "no database was running")


@click.command()
@click.option("--json-logs", is_flag=True, help="Write log lines as JSON.")
def serve(*, json_logs: bool) -> None:
    """Run the API alone."""
    configure(is_json=json_logs)
    settings = load()
    require_keys_beyond_loopback(settings)
    end_with_parent()
    with database_url(settings) as dsn:
        migrate(dsn)
        Granian(
            "tollbook.api.app:create",
            address=settings.api_host,
            port=settings.api_port,
            interface=Interfaces.ASGI,
            factory=True,
            workers=1,
            respawn_failed_workers=True,
            log_access=False,
            log_level=LogLevels.warning,
        ).serve()


@click.command()
@click.option("--json-logs", is_flag=True, help="Write log lines as JSON.")
def worker(*, json_logs: bool) -> None:
    """Run one worker alone: summarize, deliver, replay what has become possible."""
    configure(is_json=json_logs)
    stop = stop_on_signals()
    end_with_parent()
    with open_app() as app:
        work(
            app.database,
            app.targets(),
            catalog_of=app.catalog,
            clock=app.clock,
            stop=stop,
            desk=app.desk(),
        )


def require_keys_beyond_loopback(settings: Settings) -> None:
    """Refuse to listen beyond this machine without API keys."""
    if settings.api_host not in LOOPBACK and not settings.api_keys:
        raise Rejected(
            "config.keys_required",
            f"The API would listen on {settings.api_host} without asking for a key: set "
            "TOLLBOOK_API_KEYS, or listen on 127.0.0.1.",
        )


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def supervise(commands: Sequence[Sequence[str]], stop: threading.Event) -> None:
    """Keep one process per command running until told to stop, then end them in order."""
    log = logger("supervisor")
    running = [start(command) for command in commands]
    try:
        while not stop.wait(RESTART_SECONDS):
            for at, (command, process) in enumerate(zip(commands, running, strict=True)):
                if process.poll() is not None:
                    log.warning("restarted", command=command[0], exit_code=process.returncode)
                    running[at] = start(command)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            end(process)


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a Tollbook command as a child process."""
    return subprocess.Popen([sys.executable, "-m", "tollbook.cli", *command])  # noqa: S603 - ours


def end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a child to end; kill it when it does not."""
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
