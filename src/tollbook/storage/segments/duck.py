"""Asks a question of Parquet files on this machine, with DuckDB."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tollbook.storage.segments.archive import unreadable


def ask(question: str, tables: Mapping[str, Sequence[Path]]) -> list[tuple[Any, ...]]:
    """Return the rows of a question; each table is some files of one schema.

    Blocked when a file is damaged. A sum beyond what a decimal holds is an error, never wrapped.
    """
    try:
        with duckdb.connect() as engine:
            engine.execute("set TimeZone = 'UTC'")
            for name, files in tables.items():
                engine.from_parquet([str(file) for file in files]).create_view(name)
            return engine.sql(question).fetchall()
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        raise unreadable(error) from error
