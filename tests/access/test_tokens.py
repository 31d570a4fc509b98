"""Access tokens: issued to clients as RFC 6749 says, and those of an outside issuer."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from oauthlib.oauth2 import (  # type: ignore[import-untyped]
    BackendApplicationClient,
    OAuth2Error,
)
from starlette.testclient import TestClient

from access.conftest import ROOT_KEY, Create, bearer, wait_for
from tollbook.access.issuer import AGAIN_SECONDS, configured_issuer
from tollbook.access.step import SIGNING_KEY_DAYS, replace_signing_key
from tollbook.access.tokens import SKEW_SECONDS, TOKEN_SECONDS
from tollbook.api.app import build
from tollbook.app import App
from tollbook.errors import Rejected
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

USAGE = "/v1/usage?month=2023-11"
FORM = {"content-type": "application/x-www-form-urlencoded"}
ISSUER = "https://login.example"


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def get_token(client: TestClient, key: dict[str, Any], **form: str) -> Any:
    return client.post(
        "/v1/oauth/token",
        content=urlencode({"grant_type": "client_credentials"} | form),
        headers=FORM | basic(key["key_id"], key["secret"]),
    )


def test_the_client_of_a_library_gets_a_token_and_calls_with_it(
    client: TestClient, create: Create
) -> None:
    key = create("usage:read", "billing:read")
    oauth = BackendApplicationClient(key["key_id"])
    body = oauth.prepare_request_body(
        include_client_id=True, client_secret=key["secret"], scope=["usage:read"]
    )

    answer = client.post("/v1/oauth/token", content=body, headers=FORM)
    token = oauth.parse_request_body_response(answer.text, scope=["usage:read"])
    _, headers, _ = oauth.add_token("https://testserver/v1/usage", headers={})

    assert answer.headers["cache-control"] == "no-store"
    assert (token["token_type"], token["expires_in"]) == ("Bearer", TOKEN_SECONDS)
    assert client.get(USAGE, headers=headers).status_code == 200
    assert client.get("/v1/invoices", headers=headers).status_code == 403


def test_a_token_verifies_with_the_published_keys_of_a_library(
    client: TestClient, create: Create
) -> None:
    key = create("usage:read")
    token = get_token(client, key).json()["access_token"]

    published = client.get("/v1/oauth/jwks").json()
    claims = jwt.decode(token, KeySet.import_key_set(published), algorithms=["ES256"]).claims

    assert (claims["sub"], claims["scope"]) == (key["key_id"], "usage:read")
    assert all("d" not in one for one in published["keys"])


def test_a_token_ends_with_its_time_and_with_its_key(
    client: TestClient, create: Create, clock: FixedClock
) -> None:
    key = create("usage:read")
    first = bearer(get_token(client, key).json()["access_token"])
    fresh = client.get(USAGE, headers=first).status_code
    clock.wait(TOKEN_SECONDS + SKEW_SECONDS + 1)
    expired = client.get(USAGE, headers=first)
    second = bearer(get_token(client, key).json()["access_token"])
    renewed = client.get(USAGE, headers=second).status_code
    client.post(
        f"/v1/access/keys/{key['key_id']}/revoke", json={"reason": "r"}, headers=bearer(ROOT_KEY)
    )

    revoked = client.get(USAGE, headers=second)

    assert (fresh, expired.status_code, renewed, revoked.status_code) == (200, 401, 200, 401)
    assert "ended" in revoked.json()["detail"]
    assert get_token(client, key).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("", 400, "invalid_request"),
        ("grant_type=client_credentials&grant_type=x", 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        ("grant_type=client_credentials&scope=admin", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=nonsense", 400, "invalid_scope"),
        ("grant_type=client_credentials&client_secret=x", 400, "invalid_request"),
        ("grant_type=client_credentials&" + "a=b&" * 50, 400, "invalid_request"),
        ("grant_type=client_credentials&scope=%ff", 400, "invalid_request"),
    ],
)
def test_a_wrong_request_is_answered_as_the_rfc_says(
    client: TestClient, create: Create, body: str, status: int, error: str
) -> None:
    key = create("usage:read")

    headers = FORM | basic(key["key_id"], key["secret"])
    answer = client.post("/v1/oauth/token", content=body, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    with pytest.raises(OAuth2Error):
        BackendApplicationClient("x").parse_request_body_response(answer.text)


def test_a_wrong_secret_gets_no_token(client: TestClient, create: Create) -> None:
    key, other = create("usage:read"), create("usage:read", name="other")
    asked = "grant_type=client_credentials"
    shown = [
        basic(key["key_id"], "tbk_wrong"),
        basic(key["key_id"], other["secret"]),
        basic("", key["secret"]),
        {"authorization": "Basic ???"},
        {"authorization": f"Bearer {key['secret']}"},
        {},
    ]

    answers = [client.post("/v1/oauth/token", headers=FORM | one, content=asked) for one in shown]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["error"] for answer in answers} == {"invalid_client"}
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Basic realm="tollbook"'}


def test_a_new_signing_key_leaves_tokens_alone_unless_it_replaces_the_old(
    client: TestClient, create: Create, clock: FixedClock, database: Database
) -> None:
    key = create("usage:read")
    get_token(client, key)
    clock.wait(SIGNING_KEY_DAYS * 86_400 - 1)
    old = bearer(get_token(client, key).json()["access_token"])
    clock.wait(2)
    new = bearer(get_token(client, key).json()["access_token"])
    rotated = [client.get(USAGE, headers=one).status_code for one in (old, new)]
    with database.transaction() as connection:
        replace_signing_key(connection, by="erin", reason="leaked", at=clock.now())
    wait_for(client, new["authorization"].removeprefix("Bearer "), 401)

    replaced = [client.get(USAGE, headers=one).status_code for one in (old, new)]

    assert len(client.get("/v1/oauth/jwks").json()["keys"]) == 1
    assert (rotated, replaced) == ([200, 200], [401, 401])


def test_a_token_that_proves_nothing_is_refused(client: TestClient, create: Create) -> None:
    key = create("admin")
    token = get_token(client, key).json()["access_token"]
    header, payload, signature = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    own = ECKey.generate_key("P-256")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    public = json.dumps(client.get("/v1/oauth/jwks").json()["keys"][0]).encode()
    forged = [
        f"{none}.{payload}.",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload[:-4]}AAAA.{signature}",
        jwt.encode({"alg": "ES256"}, claims, own),
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(public)),
        "..",
        "a.b.c",
        "é.é.é",
        "x" * 9000 + ".a.b",
    ]

    answers = [
        client.get(USAGE, headers={b"authorization": b"Bearer " + one.encode()}) for one in forged
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"api.unauthorized"}


class Outside:
    """An issuer with a key, and claims that are right until they are changed."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.key = RSAKey.generate_key(2048, auto_kid=True)

    def token(self, alg: str = "RS256", **changes: Any) -> dict[str, str]:
        now = int(self.clock.now().timestamp())
        claims = {"iss": ISSUER, "aud": "tollbook-api", "sub": "svc-7", "exp": now + 300}
        claims |= {"scope": "usage:read openid"} | changes
        said = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": alg, "kid": self.key.kid}
        return bearer(jwt.encode(header, said, self.key, algorithms=[alg]))

    def public(self) -> bytes:
        return json.dumps({"keys": [self.key.as_dict(private=False)]}).encode()


@pytest.fixture
def outside(clock: FixedClock) -> Outside:
    return Outside(clock)


@pytest.fixture
def trusting(app: App, outside: Outside, tmp_path: Path) -> Iterator[TestClient]:
    """Give an API that trusts the outside issuer, whose keys are in a file."""
    keys = tmp_path / "jwks.json"
    keys.write_bytes(outside.public())
    app.settings = replace(
        app.settings, issuer=ISSUER, issuer_audience="tollbook-api", issuer_keys=str(keys)
    )
    with TestClient(build(app)) as client:
        yield client


@pytest.mark.parametrize(
    "scopes",
    [
        {"scope": "usage:read openid"},
        {"scope": None, "scp": "usage:read"},
        {"scope": None, "scp": ["usage:read", "x"]},
    ],
)
def test_a_token_of_the_outside_issuer_opens_what_its_scopes_say(
    trusting: TestClient, outside: Outside, scopes: dict[str, Any]
) -> None:
    token = outside.token(**scopes)

    assert trusting.get(USAGE, headers=token).status_code == 200
    refused = trusting.get("/v1/invoices", headers=token)
    assert (refused.status_code, refused.json()["ids"]) == (403, {"scope": "billing:read"})


def test_a_token_of_the_outside_issuer_must_be_right_in_everything(
    trusting: TestClient, outside: Outside, clock: FixedClock
) -> None:
    now = int(clock.now().timestamp())
    wrong: list[dict[str, Any]] = [
        {"iss": "https://other.example"},
        {"iss": "tollbook", "aud": "tollbook"},
        {"aud": "another-api"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"exp": now - SKEW_SECONDS - 1},
        {"nbf": now + SKEW_SECONDS + 1},
        {"exp": "soon"},
        {"alg": "RS512"},
    ]
    lenient = outside.token(exp=now - SKEW_SECONDS + 5)

    refused = {
        str(one): trusting.get(USAGE, headers=outside.token(**one)).status_code for one in wrong
    }

    assert set(refused.values()) == {401}, refused
    assert trusting.get(USAGE, headers=lenient).status_code == 200
    strange_scope = trusting.get(USAGE, headers=outside.token(scope=7))
    assert strange_scope.status_code in {401, 403}


def test_keys_come_from_an_address_and_are_asked_again_when_the_issuer_has_new_ones(
    app: App, outside: Outside, clock: FixedClock
) -> None:
    asked: list[str] = []

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(outside.public())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    Thread(target=server.serve_forever, daemon=True).start()
    app.settings = replace(
        app.settings,
        issuer=ISSUER,
        issuer_audience="tollbook-api",
        issuer_keys=f"http://127.0.0.1:{server.server_port}/jwks",
    )
    with TestClient(build(app)) as client:
        first = [client.get(USAGE, headers=outside.token()).status_code for _ in range(3)]
        outside.key = RSAKey.generate_key(2048, auto_kid=True)
        too_soon = client.get(USAGE, headers=outside.token()).status_code
        clock.wait(AGAIN_SECONDS)
        later = client.get(USAGE, headers=outside.token()).status_code
    server.shutdown()
    server.server_close()

    assert (first, too_soon, later) == ([200, 200, 200], 401, 200)
    assert len(asked) == 2


def test_keys_that_cannot_be_had_are_told_as_a_failure_of_ours(
    app: App, outside: Outside, tmp_path: Path
) -> None:
    app.settings = replace(
        app.settings, issuer=ISSUER, issuer_audience="a", issuer_keys=str(tmp_path / "none.json")
    )
    with TestClient(build(app)) as client:
        answer = client.get(USAGE, headers=outside.token())

    assert (answer.status_code, answer.json()["code"]) == (503, "api.issuer_keys_unavailable")
    assert answer.headers["retry-after"] == str(AGAIN_SECONDS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": ISSUER}, "config.issuer_incomplete"),
        ({"issuer_keys": "x"}, "config.issuer_incomplete"),
        (
            {"issuer": ISSUER, "issuer_audience": "a", "issuer_keys": "http://login.example/k"},
            "config.issuer_insecure",
        ),
        (
            {
                "issuer": ISSUER,
                "issuer_audience": "a",
                "issuer_keys": "x",
                "issuer_algorithms": ("HS256",),
            },
            "config.issuer_algorithm",
        ),
    ],
)
def test_an_issuer_that_is_half_described_or_unsafe_is_refused_at_start(
    app: App, clock: FixedClock, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Rejected) as refused:
        configured_issuer(replace(app.settings, **changes), clock)

    assert refused.value.code == code
