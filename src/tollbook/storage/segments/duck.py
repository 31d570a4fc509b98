"""Asks a question of Parquet files on this machine, with DuckDB."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb


def ask(question: str, tables: Mapping[str, Sequence[Path]]) -> list[tuple[Any, ...]]:
    """Return the rows of a question; each table is some files of one schema."""
    with duckdb.connect() as engine:
        engine.execute("set TimeZone = 'UTC'")
        for name, files in tables.items():
            engine.from_parquet([str(file) for file in files]).create_view(name)
        return engine.sql(question).fetchall()
