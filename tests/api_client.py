"""Calls to the API, and what they bring: the documents of a small company and its events."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from starlette.testclient import TestClient

from tollbook.app import App

BASE = Path(__file__).parent / "vectors" / "masterdata" / "base.yaml"
JSON = {"content-type": "application/json"}
EVENT = {"content-type": "application/cloudevents+json"}


def company() -> dict[str, Any]:
    """Give the documents of a small company, as a caller of the API writes them."""
    documents = yaml.safe_load(BASE.read_text())
    documents["entities"][0]["invoice_prefix"] = "US"
    found: dict[str, Any] = json.loads(json.dumps(documents, default=str))
    return found


def event(number: int, **changes: Any) -> dict[str, Any]:
    """Give a usage event of customer ada."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/test",
        "type": "call",
        "subject": "ada",
        "time": "2023-11-16T18:17:03Z",
        "data": {"model": "m", "tokens": 1_000_000},
    } | changes


class Api:
    """Calls the API and reads its JSON."""

    def __init__(self, client: TestClient, app: App) -> None:
        self.client = client
        self.app = app

    def get(self, path: str, **query: str) -> Any:
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: object = None, **query: str) -> Any:
        response = self.client.post(
            path,
            content=msgspec.json.encode(body),
            params=query,
            headers=JSON | {"x-actor": "erin"},
        )
        assert response.status_code in {200, 204}, response.text
        return response.json() if response.content else None

    def send(self, *events: Mapping[str, Any]) -> list[Any]:
        results = []
        for one in events:
            answer = self.client.post("/v1/events", content=msgspec.json.encode(one), headers=EVENT)
            results += answer.json()["results"]
        return results

    def problem(self, method: str, path: str, **sent: Any) -> tuple[int, str]:
        """Return status and code of a refusal, which must be a problem with a sentence."""
        response = self.client.request(method, path, **sent)
        assert response.headers["content-type"] == "application/problem+json", response.text
        body = response.json()
        assert body["status"] == response.status_code
        assert body["detail"].endswith((".", "!")) or body["code"].startswith("api.http"), body
        return response.status_code, body["code"]
