"""A month that was run to the end: built once, copied for each test."""

import os
from collections.abc import Iterator

import pytest

from fake_erp import FakeErp
from small_month import SmallMonth, build, opened


@pytest.fixture(scope="session")
def built(server_dsn: str, template: str) -> tuple[str, FakeErp]:
    """Give the database to copy from, and the ERP that belongs to it."""
    return build(server_dsn, template)


@pytest.fixture
def month(
    server_dsn: str, built: tuple[str, FakeErp], request: pytest.FixtureRequest
) -> Iterator[SmallMonth]:
    """Give November, billed, posted and recognized."""
    name = f"month_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**12}"
    with opened(server_dsn, name, built) as month:
        yield month
