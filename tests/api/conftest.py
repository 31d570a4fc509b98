"""The whole API on a fresh database, with one of everything in its master data."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api_client import Api, company, event
from tollbook.api.app import build
from tollbook.app import App
from tollbook.config import Settings, SystemSettings
from tollbook.observe.log import configure
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock


@pytest.fixture
def app(database: Database, dsn: str, clock: FixedClock, tmp_path: Path) -> App:
    configure("text")
    sources = {"meters": SystemSettings("meters", "kafka", {})}
    return App(Settings(tmp_path, database_url=dsn, sources=sources), clock, database)


@pytest.fixture
def empty(app: App) -> Iterator[Api]:
    """Give the API of a database without master data."""
    with TestClient(build(app)) as client:
        yield Api(client, app)


@pytest.fixture
def api(empty: Api) -> Api:
    """Give the API of a database with the small company."""
    empty.post("/v1/master-data/apply", company())
    return empty


@pytest.fixture
def billed(api: Api) -> Api:
    """Give the API after November was issued for one customer with two events."""
    api.send(event(1), event(2))
    api.post("/v1/runs", {"month": "2023-11", "approve": True})
    return api
