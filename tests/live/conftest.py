"""A company in the middle of November whose contracts are watched."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api_client import Api
from live.watched import Watched, documents
from tollbook.api.app import build
from tollbook.app import App
from tollbook.config import Settings
from tollbook.observe.log import configure
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    """Give a clock that stands in the middle of November 2023."""
    return FixedClock(datetime(2023, 11, 16, tzinfo=UTC))


@pytest.fixture
def app(database: Database, dsn: str, clock: FixedClock, tmp_path: Path) -> App:
    configure("text")
    return App(Settings(tmp_path, database_url=dsn), clock, database)


@pytest.fixture
def watched(app: App, clock: FixedClock) -> Iterator[Watched]:
    """Give the API of a company with alerts, and its clock."""
    with TestClient(build(app)) as client:
        api = Api(client, app)
        api.post("/v1/master-data/apply", documents())
        yield Watched(api, app, clock)
