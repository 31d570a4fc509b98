"""The command line of the database: where it is, and a backup of it."""

import subprocess
from pathlib import Path

import click

from tollbook.app import database_url
from tollbook.config import load
from tollbook.errors import Blocked
from tollbook.storage.binaries import find_binaries


@click.group()
def database() -> None:
    """Where the database is, and a backup of it."""


@database.command()
def url() -> None:
    """Print the connection string, for psql and pg_dump; the server must stay up (`tollbook up`)."""
    with database_url(load()) as dsn:
        click.echo(dsn)


@database.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(*, file: Path) -> None:
    """Write a consistent backup to FILE (pg_dump, custom format) while everything runs."""
    if file.exists():
        raise Blocked("database.file_exists", f"{file} exists already: choose another name.")
    with database_url(load()) as dsn:
        program = find_binaries(None, major=None).bin_dir / "pg_dump"
        command = [str(program), "--format=custom", f"--file={file}", dsn]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode != 0:
        file.unlink(missing_ok=True)
        raise Blocked("database.backup_failed", f"pg_dump says: {done.stderr.strip()}")
    click.echo(f"{file}: {file.stat().st_size:,} bytes. Restore it with pg_restore.")
