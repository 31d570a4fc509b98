# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a Tryton server with the described books, then become that server.

    serve.py --config-dir DIR --database NAME --port PORT --books BOOKS.json

Runs with Tryton's own python. PostgreSQL is found through PGHOST (a socket directory), PGPORT and
PGUSER; the password of the user "admin" is TRYTON_ADMIN_PASSWORD, read when the database is made.
The last step is an exec, so the pid of this process is the pid of the server. If the port is taken
by then, another one is; DIR/port says which. With --end-with PID it ends when the process that
started it does, however that ends (Linux).
"""

import argparse
import ctypes
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

HERE = Path(__file__).resolve().parent
MODULES = ("account_invoice", "tollbook")
ADMINISTRATOR_DATABASE = "postgres"
HOST = "127.0.0.1"
# From linux/prctl.h: the signal that a process gets when the one that started it is gone.
PR_SET_PDEATHSIG = 1
STARTED = time.monotonic()


def say(text):
    print(f"tryton {time.monotonic() - STARTED:5.1f} s  {text}", file=sys.stderr, flush=True)


def digest(*paths):
    state = hashlib.sha256()
    for path in paths:
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def wanted_state(books):
    """This function will name what the database must have been made from."""
    spec = find_spec("trytond_tollbook")
    if spec is None or spec.origin is None:
        raise SystemExit("serve: trytond_tollbook is not installed here; run setup.sh")
    module = sorted(
        path
        for path in Path(spec.origin).parent.iterdir()
        if path.suffix in {".py", ".xml", ".cfg"}
    )
    return {"module": digest(*module), "books": digest(HERE / "bootstrap.py", books)}


def read_state(connection, database):
    """This function will return the recorded state, or None if there is no such database.

    The state is the comment on the database: it lives and dies with what it describes.
    """
    row = connection.execute(
        "select coalesce(shobj_description(oid, 'pg_database'), '{}')"
        " from pg_database where datname = %s",
        [database],
    ).fetchone()
    if row is None:
        return None
    try:
        return dict(json.loads(row[0]))
    except ValueError:
        return {}


def write_state(connection, database, state):
    comment = json.dumps(state, sort_keys=True)
    connection.execute(
        sql.SQL("comment on database {} is {}").format(
            sql.Identifier(database), sql.Literal(comment)
        )
    )


def write_config(directory, port):
    """This function will write trytond.conf, readable by its owner only."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "trytond.conf"
    lines = [
        "[database]",
        # Host, port and user come from PGHOST, PGPORT and PGUSER.
        "uri = postgresql:///",
        "[web]",
        f"listen = {HOST}:{port}",
        "[queue]",
        # Printing a posted invoice is queued, and no worker runs: posting stays fast.
        "worker = True",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def run(*command, environment=None):
    done = subprocess.run(
        [str(part) for part in command], env={**os.environ, **(environment or {})}, check=False
    )
    if done.returncode:
        raise SystemExit(f"serve: {Path(command[1]).name} ended with {done.returncode}")


def administer(config, database, *arguments, environment=None):
    run(
        sys.executable,
        Path(sys.executable).parent / "trytond-admin",
        "-c", config,
        "-d", database,
        *arguments,
        environment=environment,
    )  # fmt: skip


def put_books(config, database, books, *, environment=None):
    run(
        sys.executable,
        HERE / "bootstrap.py",
        "--database", database,
        books,
        environment={**(environment or {}), "TRYTOND_CONFIG": str(config)},
    )  # fmt: skip


def make_database(connection, config, database, books):
    """This function will build the database beside its name and give it the name at the end.

    So a database with the right name is a complete one, whenever this is interrupted.
    """
    password = os.environ.get("TRYTON_ADMIN_PASSWORD")
    if not password:
        raise SystemExit("serve: set TRYTON_ADMIN_PASSWORD; the database has to be made")
    unfinished = f"{database}_unfinished"
    name = sql.Identifier(unfinished)
    connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
    connection.execute(
        sql.SQL("create database {} template template0 encoding 'UTF8'").format(name)
    )
    # A half-made database is thrown away anyway, so no commit has to wait for the disk.
    hurry = {"PGOPTIONS": "-c synchronous_commit=off -c jit=off"}
    with tempfile.NamedTemporaryFile("w", dir=config.parent, prefix="password-") as passfile:
        passfile.write(password)
        passfile.flush()
        say(f"initialising database {database}")
        administer(
            config,
            unfinished,
            "--activate-dependencies",
            "-u", *MODULES,
            "--email", "admin@localhost",
            environment={**hurry, "TRYTONPASSFILE": passfile.name},
        )  # fmt: skip
    say("putting in the books")
    put_books(config, unfinished, books, environment=hurry)
    connection.execute("checkpoint")
    connection.execute(
        sql.SQL("alter database {} rename to {}").format(name, sql.Identifier(database))
    )


def prepare(config, database, books):
    wanted = wanted_state(books)
    with psycopg.connect(dbname=ADMINISTRATOR_DATABASE, autocommit=True) as connection:
        # A second start with the same name waits here until the first has made the database.
        connection.execute(
            "select pg_advisory_lock(hashtext('tollbook'), hashtext(%s))", [database]
        )
        found = read_state(connection, database)
        if found == wanted:
            say(f"database {database} is up to date")
            return
        if found is None:
            make_database(connection, config, database, books)
        else:
            if found.get("module") != wanted["module"]:
                say("updating the modules")
                # No --email here: with it, trytond-admin takes the administrator's rights away.
                administer(config, database, "-u", MODULES[-1])
            say("updating the books")
            put_books(config, database, books)
        write_state(connection, database, wanted)
    say(f"database {database} is ready")


def end_with(parent):
    """This function will let the kernel end this process with its parent; an exec keeps that."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit("serve: the process that started this one is gone")


def free_port(preferred):
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise SystemExit("serve: no port is free")


def announce(directory, port):
    """This function will tell whoever waits for the server where it will be, in one step."""
    unfinished = directory / "port.unfinished"
    unfinished.write_text(f"{port}\n", encoding="utf-8")
    unfinished.rename(directory / "port")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config-dir", required=True, type=Path)
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--books", required=True, type=Path)
    parser.add_argument("--prepare-only", action="store_true", help="stop before serving")
    parser.add_argument("--end-with", type=int, metavar="PID", help="the pid of the parent")
    options = parser.parse_args()
    # Leave through an exception, so that subprocess.run takes its child along.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if options.end_with:
        end_with(options.end_with)
    directory = options.config_dir.resolve()
    config = write_config(directory, options.port)
    prepare(config, options.database, options.books.resolve())
    if options.prepare_only:
        return
    port = free_port(options.port)
    write_config(directory, port)
    announce(directory, port)
    say(f"serving http://{HOST}:{port}/{options.database}/")
    os.environ.pop("TRYTON_ADMIN_PASSWORD", None)
    server = Path(sys.executable).parent / "trytond"
    os.execv(
        sys.executable,
        [sys.executable, str(server), "-c", str(config), "-d", options.database],
    )


if __name__ == "__main__":
    main()
