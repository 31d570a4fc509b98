"""The embedded server: starts, finds and stops a PostgreSQL that belongs to one Tollbook home."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tollbook.errors import Blocked
from tollbook.storage.binaries import find_binaries, reachable_binaries
from tollbook.storage.places import (
    SHARED_STATE,
    SOCKET_FILE,
    Place,
    check_socket_directory,
    existing_place,
    locked,
    new_place,
    prepare_socket_directory,
    refuse_network_file_system,
)
from tollbook.storage.postmaster import (
    SUPERUSER,
    discard_reused_pid,
    initialise,
    is_serving,
    live_postmaster,
    log_tail,
    read_postmaster,
    spawn,
)
from tollbook.values.clock import SystemClock

CLOCK = SystemClock()
DATABASE = "tollbook"
MAINTENANCE_DATABASE = "postgres"
PORT = "5432"
START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 60.0
COMMAND_LOCK_TIMEOUT_SECONDS = 270.0
# After a kill -9 of the postmaster its sessions live on until they next look up from their work.
ORPHAN_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 5
MEGABYTE = 1024 * 1024
POLL_SECONDS = 0.005
STOP_SIGNALS: Mapping[str, signal.Signals] = MappingProxyType(
    {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
)
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def _shared_buffers() -> str:
    """Return a fifth of the machine's memory, between 128 MB and 4 GB.

    The index of a day's events is written at random places: it should stay in memory. A day of 30
    million events has 1.5 GB of it.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{min(max(memory // 5, 128 * MEGABYTE), 4096 * MEGABYTE) // MEGABYTE}MB"


DEFAULT_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "max_connections": "100",
        "shared_buffers": _shared_buffers(),
        # After each checkpoint every page that changes goes to the log whole: seldom is cheaper.
        "max_wal_size": "4GB",
        "wal_buffers": "64MB",
        "checkpoint_timeout": "15min",
        # "on" is pglz, which took as much time as storing the events; lz4 is not in every build.
        "wal_compression": "off",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
    }
)
# These say where the server is; changed, nobody would find it again.
RESERVED_SETTINGS = frozenset({"data_directory", "port", "unix_socket_directories"})


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server of one home, and how to reach it."""

    dsn: str
    socket_dir: Path
    data_dir: Path
    pid: int
    adopted: bool


def start(
    home: Path,
    *,
    bin_dir: Path | None = None,
    settings: Mapping[str, str] = NO_SETTINGS,
    keep_running: bool = False,
) -> EmbeddedServer:
    """Make sure a server runs for this home, and return it ready for use.

    A server that already runs is adopted as it is, `settings` and `keep_running` included.
    Otherwise one is started, and unless `keep_running` it shuts down when this process ends, in
    whatever way it ends (on Linux; elsewhere call `stop`).
    """
    _refuse_reserved(settings)
    refuse_network_file_system(home)
    place = existing_place(home) or new_place(home)
    refuse_network_file_system(place.directory)
    with _command_lock(place):
        return _adopt(place) or _launch(
            place, bin_dir=bin_dir, settings=settings, keep_running=keep_running
        )


def stop(home: Path, *, mode: str = "fast") -> bool:
    """Stop this home's server and wait until it is gone; tell whether one was running."""
    place = existing_place(home)
    if place is None:
        return False
    with _command_lock(place):
        found = live_postmaster(place.data_dir)
        if found is None:
            return False
        _end(place, found.pid, STOP_SIGNALS[mode])
        return True


def status(home: Path) -> EmbeddedServer | None:
    """Find this home's running server without starting one."""
    place = existing_place(home)
    found = live_postmaster(place.data_dir) if place is not None else None
    if place is None or found is None:
        return None
    return _server(place, found.pid, found.socket_dir, adopted=True)


def create_database(server: EmbeddedServer, name: str) -> None:
    """Create a database on this server if it is not there yet."""
    with _connect(server) as connection:
        _create_if_absent(connection, name)


def dsn_for(server: EmbeddedServer, database: str) -> str:
    """Return the connection string of another database on this server."""
    return _dsn(server.socket_dir, database)


def _dsn(socket_dir: Path, database: str) -> str:
    # The port is named because the environment could otherwise change it.
    return make_conninfo(host=str(socket_dir), port=PORT, user=SUPERUSER, dbname=database)


def _server(place: Place, pid: int, socket_dir: Path | None, *, adopted: bool) -> EmbeddedServer:
    # Somebody may have started the server by hand with another socket directory.
    directory = socket_dir or place.socket_dir
    return EmbeddedServer(
        dsn=_dsn(directory, DATABASE),
        socket_dir=directory,
        data_dir=place.data_dir,
        pid=pid,
        adopted=adopted,
    )


def _refuse_reserved(settings: Mapping[str, str]) -> None:
    reserved = sorted(RESERVED_SETTINGS.intersection(name.lower() for name in settings))
    if reserved:
        raise Blocked(
            "storage.reserved_setting",
            f"The embedded server chooses {', '.join(reserved)} itself. Remove it from the "
            "settings, or configure the address of your own PostgreSQL server.",
        )


def _command_lock(place: Place) -> contextlib.AbstractContextManager[int]:
    refusal = Blocked(
        "storage.lock_timeout",
        f"Another command has been starting or stopping the database in {place.directory} for "
        f"{COMMAND_LOCK_TIMEOUT_SECONDS:.0f} seconds. See {place.log_file} for what it waits for.",
    )
    return locked(place.command_lock, timeout_seconds=COMMAND_LOCK_TIMEOUT_SECONDS, refusal=refusal)


def _adopt(place: Place) -> EmbeddedServer | None:
    """Take the server that is already running, or return None when there is none to take."""
    found = live_postmaster(place.data_dir)
    if found is None:
        return None
    deadline = CLOCK.monotonic() + START_TIMEOUT_SECONDS
    pid = found.pid
    is_alive = partial(is_serving, pid, place.data_dir)
    if not _wait_ready(place, pid, is_alive, deadline=deadline):
        return None  # it was on its way down
    ready = read_postmaster(place.data_dir)
    server = _server(place, pid, ready.socket_dir if ready else None, adopted=True)
    if not (server.socket_dir / SOCKET_FILE).exists():
        # Someone cleaned /tmp: the server lives, but no new session can reach it.
        _end(place, pid, STOP_SIGNALS["fast"])
        return None
    check_socket_directory(server.socket_dir, place.account)
    return server if _prove(server, is_alive, deadline=deadline) else None


def _launch(
    place: Place, *, bin_dir: Path | None, settings: Mapping[str, str], keep_running: bool
) -> EmbeddedServer:
    major = _data_major(place)
    binaries = reachable_binaries(
        find_binaries(bin_dir, major=major), place.account, store=SHARED_STATE
    )
    refusal = Blocked(
        "storage.in_use",
        f"Processes of another PostgreSQL server still use {place.data_dir}, perhaps in another "
        "container, or a session that has not ended. Stop them, then start again.",
    )
    with locked(
        place.server_lock, timeout_seconds=ORPHAN_TIMEOUT_SECONDS, refusal=refusal
    ) as server_lock:
        if major is None:
            initialise(place, binaries)
        discard_reused_pid(place.data_dir)
        prepare_socket_directory(place)
        process = spawn(
            place,
            binaries,
            _options(place, settings),
            keep_running=keep_running,
            server_lock=server_lock,
        )
    deadline = CLOCK.monotonic() + START_TIMEOUT_SECONDS
    is_alive = partial(_is_running, process)
    server = _server(place, process.pid, place.socket_dir, adopted=False)
    if _wait_ready(place, process.pid, is_alive, deadline=deadline) and _prove(
        server, is_alive, deadline=deadline
    ):
        return server
    raise Blocked(
        "storage.start_failed",
        f"PostgreSQL ended while it was starting. Its log, {place.log_file}, ends with:\n"
        f"{log_tail(place)}",
    )


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def _data_major(place: Place) -> int | None:
    """Return the major version that wrote this data, or None when there is no data yet."""
    version_file = place.data_dir / "PG_VERSION"
    if version_file.exists():
        return int(version_file.read_text().strip().split(".")[0])
    if not place.data_dir.exists():
        return None
    raise Blocked(
        "storage.not_a_database",
        f"{place.data_dir} exists but holds no PostgreSQL data. Move it away, or restore it from "
        "a backup, then start again.",
    )


def _options(place: Place, settings: Mapping[str, str]) -> list[str]:
    chosen = {
        **DEFAULT_SETTINGS,
        **settings,
        "port": PORT,
        "unix_socket_directories": str(place.socket_dir),
    }
    return [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]


def _wait_ready(place: Place, pid: int, is_alive: Callable[[], bool], *, deadline: float) -> bool:
    """Wait until the server says it is ready; return False when it ended instead."""
    pause = threading.Event()
    while is_alive():
        found = read_postmaster(place.data_dir)
        if found is not None and found.pid == pid and found.is_ready:
            return True
        if CLOCK.monotonic() > deadline:
            # It is left alone: cutting a long recovery short only makes the next one longer.
            raise Blocked(
                "storage.start_timeout",
                f"PostgreSQL was not ready after {START_TIMEOUT_SECONDS:.0f} seconds, perhaps "
                f"because it is recovering from a crash. See {place.log_file} and try again.",
            )
        pause.wait(POLL_SECONDS)
    return False


def _prove(server: EmbeddedServer, is_alive: Callable[[], bool], *, deadline: float) -> bool:
    """Connect for real and make sure of our database; return False when the server ended."""
    connection = _connect_patiently(server, is_alive, deadline=deadline)
    if connection is None:
        return False
    with connection:
        row = connection.execute("show data_directory").fetchone()
        assert row is not None
        assert Path(str(row[0])) == server.data_dir, (row, server.data_dir)
        _create_if_absent(connection, DATABASE)
    return True


def _connect_patiently(
    server: EmbeddedServer, is_alive: Callable[[], bool], *, deadline: float
) -> psycopg.Connection[tuple[object, ...]] | None:
    pause = threading.Event()
    while is_alive():
        try:
            return _connect(server)
        except psycopg.OperationalError as error:
            # "Ready" comes a moment before sessions are let in after a recovery, and a server
            # that was killed looks alive until the kernel has taken it down.
            if CLOCK.monotonic() > deadline:
                raise Blocked(
                    "storage.no_connection",
                    f"PostgreSQL runs in {server.data_dir} but takes no connection: {error}",
                ) from error
            pause.wait(POLL_SECONDS)
    return None


def _connect(server: EmbeddedServer) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        dsn_for(server, MAINTENANCE_DATABASE),
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
    )


def _create_if_absent(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    known = connection.execute("select 1 from pg_database where datname = %s", (name,))
    if known.fetchone() is not None:
        return
    statement = sql.SQL("create database {}").format(sql.Identifier(name))
    with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        connection.execute(statement)  # another process may be first; then it is there too


def _end(place: Place, pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    pause = threading.Event()
    deadline = CLOCK.monotonic() + STOP_TIMEOUT_SECONDS
    while is_serving(pid, place.data_dir):
        if CLOCK.monotonic() > deadline:
            raise Blocked(
                "storage.stop_timeout",
                f"PostgreSQL (process {pid}) has not stopped after {STOP_TIMEOUT_SECONDS:.0f} "
                f"seconds. See {place.log_file}; stop it with the mode `immediate` if it hangs.",
            )
        pause.wait(POLL_SECONDS)
