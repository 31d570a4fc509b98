"""`tollbook database`: where it is, and a backup that can be restored."""

import subprocess
from pathlib import Path

import psycopg
from click.testing import CliRunner
from psycopg import conninfo

from door import furnish
from tollbook.cli import cli
from tollbook.storage.binaries import find_binaries
from tollbook.storage.database import Database


def test_the_connection_string_leads_to_the_database(dsn: str, tmp_path: Path) -> None:
    environment = {"DATABASE_URL": dsn, "TOLLBOOK_HOME": str(tmp_path)}

    said = CliRunner().invoke(cli, ["database", "url"], env=environment).output

    assert conninfo.conninfo_to_dict(said.strip()) == conninfo.conninfo_to_dict(dsn)


def test_a_backup_restores_to_the_same_books(
    dsn: str, server_dsn: str, database: Database, tmp_path: Path
) -> None:
    furnish(database)
    file = tmp_path / "books.dump"
    environment = {"DATABASE_URL": dsn, "TOLLBOOK_HOME": str(tmp_path)}

    done = CliRunner().invoke(cli, ["database", "backup", str(file)], env=environment)
    again = CliRunner().invoke(cli, ["database", "backup", str(file)], env=environment)

    assert done.exit_code == 0, done.output
    assert again.exit_code == 1
    with psycopg.connect(server_dsn, autocommit=True) as admin:
        admin.execute("drop database if exists restored_books with (force)")
        admin.execute("create database restored_books template template0")
        restored = conninfo.make_conninfo(server_dsn, dbname="restored_books")
        program = find_binaries(None, major=None).bin_dir / "pg_restore"
        subprocess.run([program, "--no-owner", f"--dbname={restored}", file], check=True)
        with psycopg.connect(dsn) as ours, psycopg.connect(restored) as theirs:
            query = "select kind, key, content_hash from master_version order by kind, key"
            assert ours.execute(query).fetchall() == theirs.execute(query).fetchall() != []
        admin.execute("drop database restored_books with (force)")
