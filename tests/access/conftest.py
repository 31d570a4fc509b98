"""An API with keys in its database, on a clock that stands until it is moved."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api_client import company
from tollbook.api.app import build
from tollbook.app import App
from tollbook.config import Settings
from tollbook.observe.log import configure
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

ROOT_KEY = "root-key"
NOTICE_SECONDS = 60.0

Create = Callable[..., dict[str, Any]]


@pytest.fixture
def app(database: Database, dsn: str, clock: FixedClock, tmp_path: Path) -> App:
    configure("text")
    return App(Settings(tmp_path, database_url=dsn, api_keys=(ROOT_KEY,)), clock, database)


@pytest.fixture
def client(app: App) -> Iterator[TestClient]:
    """Give the API of the small company; its key of the settings may do everything."""
    with TestClient(build(app)) as client:
        applied = client.post("/v1/master-data/apply", json=company(), headers=bearer(ROOT_KEY))
        assert applied.status_code == 200, applied.text
        yield client


@pytest.fixture
def another(app: App) -> Iterator[TestClient]:
    """Give a second process of the same API."""
    with TestClient(build(app)) as client:
        yield client


@pytest.fixture
def unguarded(app: App) -> Iterator[TestClient]:
    """Give the API without keys in its settings."""
    app.settings = replace(app.settings, api_keys=())
    with TestClient(build(app)) as client:
        yield client


@pytest.fixture
def create(client: TestClient) -> Create:
    """Give a function that creates a key and returns it with its secret."""

    def create_key(*scopes: str, **more: Any) -> dict[str, Any]:
        body = {"name": "gateway", "scopes": list(scopes), "reason": "test"} | more
        answer = client.post("/v1/access/keys", json=body, headers=bearer(ROOT_KEY))
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    return create_key


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def wait_for(client: TestClient, secret: str, status: int) -> None:
    """Return when a process that was not told itself answers a key with this status."""
    deadline = time.monotonic() + NOTICE_SECONDS
    while client.get("/v1/usage?month=2023-11", headers=bearer(secret)).status_code != status:
        assert time.monotonic() < deadline, f"{status} never came"
        time.sleep(0.05)
