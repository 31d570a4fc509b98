"""Who is let in, when keys are configured."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tollbook.api.app import build
from tollbook.app import App
from tollbook.cli.serve import require_keys_beyond_loopback
from tollbook.config import Settings
from tollbook.errors import Rejected


@pytest.fixture
def guarded(app: App) -> TestClient:
    app.settings = replace(app.settings, api_keys=("first-key", "second-key"))
    return TestClient(build(app))


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer first-key,second-key"},
        {"authorization": "Basic first-key"},
        {"authorization": "first-key"},
        {"x-api-key": "first-key"},
    ],
)
def test_a_request_without_a_known_key_is_refused(
    guarded: TestClient, sent: dict[str, str]
) -> None:
    answers = [
        guarded.get(path, headers=sent) for path in ("/v1/invoices", "/metrics", "/openapi.json")
    ]
    answers.append(guarded.post("/v1/events", content=b"{}", headers=sent))

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"api.unauthorized"}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


@pytest.mark.parametrize("key", ["first-key", "second-key"])
def test_every_configured_key_is_let_in(guarded: TestClient, key: str) -> None:
    answer = guarded.get("/v1/invoices", headers={"authorization": f"bearer {key}"})

    assert answer.status_code == 200


def test_health_needs_no_key(guarded: TestClient) -> None:
    assert guarded.get("/v1/health").json()["status"] == "ok"


def test_the_document_tells_which_scope_a_route_needs(guarded: TestClient) -> None:
    document = guarded.get("/openapi.json", headers={"authorization": "Bearer first-key"}).json()

    schemes = document["components"]["securitySchemes"]
    assert schemes["key"]["scheme"] == "bearer"
    assert "events:write" in schemes["client"]["flows"]["clientCredentials"]["scopes"]
    assert document["paths"]["/v1/events"]["post"]["security"] == [
        {"key": ["events:write"]},
        {"client": ["events:write"]},
    ]
    assert document["paths"]["/v1/health"]["get"]["security"] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "tollbook.example"])
def test_beyond_this_machine_a_key_is_required(app: App, dsn: str, host: str) -> None:
    open_to_all = Settings(app.settings.home, api_host=host)

    with pytest.raises(Rejected) as refused:
        require_keys_beyond_loopback(open_to_all, dsn)

    assert refused.value.code == "config.keys_required"
    require_keys_beyond_loopback(replace(open_to_all, api_keys=("k",)), dsn)
