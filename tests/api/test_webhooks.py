"""A webhook is taken when its signature is right, once, and answered after it is stored."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api_client import Api, company, event
from tollbook.api.app import build
from tollbook.app import App
from tollbook.config import load
from tollbook.errors import Rejected
from tollbook.flow.capture import store
from tollbook.sdk.webhooks import signing_of
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

OLD, NEW = b"an old secret of 24 byte", b"the new secret, 24 bytes"
CONFIG = """
api_keys = ["key"]

[sources.crm]
connector = "webhook"
secret_env = "CRM_SECRET"
mapping = "crm"

[sources.code]
connector = "webhook"
scheme = "github"
secret_env = "CODE_SECRET"

[sources.pay]
connector = "webhook"
scheme = "stripe"
tolerance_seconds = 60
secret_env = "PAY_SECRET"

[sources.unset]
connector = "webhook"
secret_env = "NOBODY_SET_THIS"

[sources.broker]
connector = "kafka"
"""
MAPPING = {
    "id": "crm",
    "input": "json",
    "when": [{"path": "$.type", "equals": "usage"}],
    "event": {
        "type": "call",
        "source": {"template": "hook/{meta.source}"},
        "id": "meta.header.webhook-id",
        "subject": "$.customer",
        "time": "$.at",
        "data": {"model": "m", "tokens": {"path": "$.tokens", "as": "integer"}},
    },
}
USAGE = {"type": "usage", "customer": "ada", "at": "2023-11-16T18:17:03Z", "tokens": 12}


@pytest.fixture
def hooks(database: Database, dsn: str, clock: FixedClock, tmp_path: Path) -> Iterator[Api]:
    """Give the API with webhooks; no key is sent."""
    (tmp_path / "tollbook.toml").write_text(CONFIG)
    secrets = " ".join("whsec_" + base64.b64encode(secret).decode() for secret in (OLD, NEW))
    environment = {
        "TOLLBOOK_HOME": str(tmp_path),
        "DATABASE_URL": dsn,
        "CRM_SECRET": secrets,
        "CODE_SECRET": OLD.decode().replace(" ", "-"),
        "PAY_SECRET": NEW.decode().replace(" ", "-"),
    }
    app = App(load(environment), clock, database)
    with TestClient(build(app)) as client:
        documents = {**company(), "source_mappings": [MAPPING]}
        client.post(
            "/v1/master-data/apply", json=documents, headers={"authorization": "Bearer key"}
        ).raise_for_status()
        yield Api(client, app)


def standard(
    clock: FixedClock, body: bytes, *, secret: bytes = NEW, message: str = "msg_1", late: int = 0
) -> dict[str, str]:
    """Give the headers of a delivery by Standard Webhooks."""
    at = str(int(clock.now().timestamp()) - late)
    signature = hmac.digest(secret, f"{message}.{at}.".encode() + body, hashlib.sha256)
    signed = f"v1a,AAAA v1,{base64.b64encode(signature).decode()}"
    return {
        "content-type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": at,
        "webhook-signature": signed,
    }


def deliver(hooks: Api, name: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    response = hooks.client.post(f"/v1/hooks/{name}", content=body, headers=headers)
    return response.status_code, response.json()


def stored(hooks: Api) -> tuple[int, int]:
    """Give how many events are stored, and how many are in quarantine."""
    with hooks.app.database.transaction() as connection:
        row = connection.execute("select count(*) from usage_event").fetchone()
        assert row is not None
        return row[0], len(store.list_quarantine(connection))


@pytest.mark.parametrize("secret", [OLD, NEW], ids=["old", "new"])
def test_a_delivery_signed_by_either_secret_is_taken(
    hooks: Api, clock: FixedClock, secret: bytes
) -> None:
    body = json.dumps(USAGE).encode()

    status, answer = deliver(hooks, "crm", body, standard(clock, body, secret=secret))

    assert (status, answer["accepted"]) == (200, 1)
    assert stored(hooks) == (1, 0)


def test_a_delivery_that_comes_again_is_a_duplicate(hooks: Api, clock: FixedClock) -> None:
    body = json.dumps(USAGE).encode()
    deliver(hooks, "crm", body, standard(clock, body))
    clock.wait(120)

    status, answer = deliver(hooks, "crm", body, standard(clock, body))

    assert (status, answer["accepted"], answer["duplicates"]) == (200, 0, 1)
    assert stored(hooks) == (1, 0)


def test_a_refused_delivery_that_comes_again_is_kept_once(hooks: Api, clock: FixedClock) -> None:
    body = json.dumps(USAGE | {"tokens": "many"}).encode()
    deliver(hooks, "crm", body, standard(clock, body))
    clock.wait(30)

    status, answer = deliver(hooks, "crm", body, standard(clock, body))

    assert (status, answer["rejected"]) == (200, 1)
    assert stored(hooks) == (0, 1)


def test_what_the_mapping_leaves_out_is_ignored(hooks: Api, clock: FixedClock) -> None:
    body = json.dumps(USAGE | {"type": "ping"}).encode()

    status, answer = deliver(hooks, "crm", body, standard(clock, body))

    assert (status, answer["ignored"]) == (200, 1)
    assert stored(hooks) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1,***"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1701421201"},
        {"webhook-timestamp": "now"},
        {"webhook-timestamp": ""},
    ],
)
def test_a_wrong_signature_is_401_and_stores_nothing(
    hooks: Api, clock: FixedClock, change: dict[str, str]
) -> None:
    body = json.dumps(USAGE).encode()

    status, answer = deliver(hooks, "crm", body, standard(clock, body) | change)

    assert (status, answer["code"]) == (401, "api.bad_signature")
    assert stored(hooks) == (0, 0)


def test_another_body_or_another_secret_is_401(hooks: Api, clock: FixedClock) -> None:
    body = json.dumps(USAGE).encode()
    other = json.dumps(USAGE | {"tokens": 13}).encode()

    answers = [
        deliver(hooks, "crm", other, standard(clock, body)),
        deliver(hooks, "crm", body, standard(clock, body, secret=b"x" * 24)),
    ]

    assert [status for status, _ in answers] == [401, 401]
    assert stored(hooks) == (0, 0)


@pytest.mark.parametrize(("late", "status"), [(300, 200), (301, 401), (-300, 200), (-301, 401)])
def test_a_delivery_is_taken_within_five_minutes(
    hooks: Api, clock: FixedClock, late: int, status: int
) -> None:
    body = json.dumps(USAGE).encode()

    assert deliver(hooks, "crm", body, standard(clock, body, late=late))[0] == status


def test_an_event_signed_as_github_signs_needs_no_mapping(hooks: Api) -> None:
    body = json.dumps(event(1)).encode()
    signature = hmac.new(OLD.replace(b" ", b"-"), body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/cloudevents+json"}

    signed = deliver(hooks, "code", body, headers | {"x-hub-signature-256": f"sha256={signature}"})
    forged = deliver(hooks, "code", body, headers | {"x-hub-signature-256": "sha256=00"})
    unsigned = deliver(hooks, "code", body, headers)

    assert (signed[0], signed[1]["accepted"]) == (200, 1)
    assert (forged[0], unsigned[0]) == (401, 401)


@pytest.mark.parametrize(("late", "status"), [(60, 200), (61, 401)])
def test_a_delivery_signed_as_stripe_signs(
    hooks: Api, clock: FixedClock, late: int, status: int
) -> None:
    body = json.dumps(event(1)).encode()
    at = int(clock.now().timestamp()) - late
    secret = NEW.replace(b" ", b"-")
    signature = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "stripe-signature": f"t={at},v1={'0' * 64},v1={signature},v0=1",
    }

    assert deliver(hooks, "pay", body, headers)[0] == status


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("nobody", 404, "api.unknown_hook"),
        ("broker", 404, "api.unknown_hook"),
        ("unset", 422, "config.secret_missing"),
    ],
)
def test_a_hook_that_is_not_there_is_refused(hooks: Api, name: str, status: int, code: str) -> None:
    found, answer = deliver(hooks, name, b"{}", {"content-type": "application/json"})

    assert (found, answer["code"]) == (status, code)


def test_only_hooks_are_open(hooks: Api) -> None:
    assert hooks.client.get("/v1/quarantine").status_code == 401
    assert hooks.client.post("/v1/otlp/v1/metrics").status_code == 401


@pytest.mark.parametrize(
    "options",
    [
        {"scheme": "md5", "secret": "x" * 24},
        {"scheme": "github", "secret": "short"},
        {"scheme": "github"},
        {"secret": "whsec_***"},
        {"scheme": "github", "secret": "x" * 24, "tolerance_seconds": "0"},
    ],
)
def test_a_secret_that_protects_nothing_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(Rejected):
        signing_of(options)
