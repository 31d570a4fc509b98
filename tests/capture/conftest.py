"""A door to test, on a database with the catalog of tests/door.py."""

from collections.abc import Callable, Iterator

import pytest

from door import furnish
from tollbook.runtime.intake import Desk, Intake
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock


@pytest.fixture
def furnished(database: Database) -> Database:
    """Give a database with the catalog."""
    furnish(database)
    return database


@pytest.fixture
def desk(furnished: Database, clock: FixedClock) -> Desk:
    """Give a desk on a database with the catalog."""
    return Desk(furnished, clock, future_hours_max=24)


@pytest.fixture
def intake(desk: Desk) -> Iterator[Intake]:
    """Give a running intake."""
    with Intake(desk) as running:
        yield running


@pytest.fixture
def count(database: Database) -> Callable[[str], int]:
    """Give a function that counts the rows of a table."""

    def rows(table: str) -> int:
        with database.transaction() as connection:
            row = connection.execute(f"select count(*) from {table}").fetchone()
        assert row is not None
        return int(row[0])

    return rows
