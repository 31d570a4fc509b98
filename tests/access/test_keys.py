"""Keys through the API: what they open, when they end, and what is kept of them."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from access.conftest import ROOT_KEY, Create, bearer, wait_for
from api_client import EVENT, event
from tollbook.controls.audit import all_records
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

APPROVAL = {"invoice_ids": ["inv_x"], "reason": "r"}


def send(client: TestClient, secret: str, *events: dict[str, Any]) -> Any:
    headers = bearer(secret) | {"content-type": "application/cloudevents-batch+json"}
    return client.post("/v1/events", content=msgspec.json.encode(events), headers=headers)


def test_a_key_opens_what_its_scopes_say_and_nothing_else(
    client: TestClient, create: Create
) -> None:
    key = bearer(create("events:write", "usage:read")["secret"])

    opened = [
        client.post("/v1/events", json=event(1), headers=key | EVENT),
        client.get("/v1/usage?month=2023-11", headers=key),
        client.get("/openapi.json", headers=key),
    ]
    refused = {
        "billing:read": client.get("/v1/invoices", headers=key),
        "billing:approve": client.post("/v1/invoices/approve", json=APPROVAL, headers=key),
        "masterdata:write": client.post("/v1/master-data/apply", json={}, headers=key),
        "metrics:read": client.get("/metrics", headers=key),
        "admin": client.get("/v1/access/keys", headers=key),
    }

    assert [answer.status_code for answer in opened] == [200, 200, 200]
    for scope, answer in refused.items():
        assert (answer.status_code, answer.json()["code"]) == (403, "api.scope_missing")
        assert answer.json()["ids"] == {"scope": scope}


def test_a_key_that_may_only_read_cannot_send(client: TestClient, create: Create) -> None:
    secret = create("events:read")["secret"]

    answer = send(client, secret, event(1))

    assert (answer.status_code, answer.json()["code"]) == (403, "api.scope_missing")


def test_running_with_approval_needs_the_scope_to_approve(
    client: TestClient, create: Create
) -> None:
    key = bearer(create("billing:run")["secret"])

    plain = client.post("/v1/runs", json={"month": "2023-11", "until": "meter"}, headers=key)
    approving = client.post("/v1/runs", json={"month": "2023-11", "approve": True}, headers=key)

    assert plain.status_code == 200
    assert (approving.status_code, approving.json()["ids"]) == (403, {"scope": "billing:approve"})


def test_a_secret_is_shown_once_and_not_stored(
    client: TestClient, create: Create, database: Database
) -> None:
    secret = create("events:write")["secret"]

    listed = client.get("/v1/access/keys", headers=bearer(ROOT_KEY))
    with database.transaction() as connection:
        rows = str(connection.execute("select * from access_key").fetchall())
        rows += str(list(all_records(connection)))

    assert secret.startswith("tbk_")
    assert len(secret) == len("tbk_") + 52
    assert secret not in listed.text
    assert secret not in rows
    assert [one["name"] for one in listed.json()] == ["gateway"]


def test_every_act_on_a_key_is_audited(
    client: TestClient, create: Create, database: Database
) -> None:
    first = create("events:write")
    path = f"/v1/access/keys/{first['key_id']}"
    second = client.post(f"{path}/rotate", json={"reason": "yearly"}, headers=bearer(ROOT_KEY))
    revoked = client.post(
        f"/v1/access/keys/{second.json()['key_id']}/revoke",
        json={"reason": "leaked"},
        headers=bearer(ROOT_KEY) | {"x-actor": "erin"},
    )

    with database.transaction() as connection:
        acts = [
            (one.actor, one.action, one.reason)
            for one in all_records(connection)
            if one.action.startswith("access.")
        ]

    assert revoked.status_code == 204
    assert acts == [
        ("api", "access.key_created", "test"),
        ("api", "access.key_rotated", "yearly"),
        ("erin", "access.key_revoked", "leaked"),
    ]


def test_a_revoked_key_opens_nothing_at_once_and_elsewhere_within_seconds(
    client: TestClient, another: TestClient, create: Create
) -> None:
    key = create("usage:read")
    usage = "/v1/usage?month=2023-11"
    wait_for(another, key["secret"], 200)
    before = client.get(usage, headers=bearer(key["secret"]))
    client.post(
        f"/v1/access/keys/{key['key_id']}/revoke", json={"reason": "r"}, headers=bearer(ROOT_KEY)
    )

    here = client.get(usage, headers=bearer(key["secret"]))
    wait_for(another, key["secret"], 401)

    assert (before.status_code, here.status_code) == (200, 401)


def test_a_rotated_key_goes_on_until_its_grace_is_over(
    client: TestClient, create: Create, clock: FixedClock
) -> None:
    old = create("usage:read", sources=["/gw"], events_per_second=7)
    rotated = client.post(
        f"/v1/access/keys/{old['key_id']}/rotate",
        json={"reason": "r", "grace_hours": 1},
        headers=bearer(ROOT_KEY),
    ).json()

    def statuses() -> list[int]:
        secrets = (old["secret"], rotated["secret"])
        usage = "/v1/usage?month=2023-11"
        return [client.get(usage, headers=bearer(one)).status_code for one in secrets]

    during = statuses()
    clock.wait(3600)
    after = statuses()

    assert (during, after) == ([200, 200], [401, 200])
    same = ("name", "scopes", "sources", "events_per_second")
    assert [rotated[name] for name in same] == [old[name] for name in same]


def test_a_key_ends_when_it_was_said_to(
    client: TestClient, create: Create, clock: FixedClock
) -> None:
    ends = clock.now() + timedelta(minutes=5)
    key = create("usage:read", expires_at=ends.isoformat())
    usage = "/v1/usage?month=2023-11"

    before = client.get(usage, headers=bearer(key["secret"])).status_code
    clock.wait(300)
    after = client.get(usage, headers=bearer(key["secret"])).status_code
    listed = client.get("/v1/access/keys", headers=bearer(ROOT_KEY)).json()

    assert (before, after) == (200, 401)
    assert [one["state"] for one in listed] == ["expired"]


def test_a_key_bound_to_sources_sends_only_theirs(client: TestClient, create: Create) -> None:
    secret = create("events:write", sources=["/mine/", "/also"])["secret"]
    allowed = [event(1, source="/mine/a"), event(2, source="/also-this")]

    taken = send(client, secret, *allowed)
    refused = send(client, secret, event(3, source="/mine/b"), event(4, source="/mine"))
    # The escaped name says the same as the plain one.
    escaped = client.post(
        "/v1/events",
        content=msgspec.json.encode(event(5)).replace(b'"source"', b'"s\\u006furce"'),
        headers=bearer(secret) | EVENT,
    )
    twice = client.post(
        "/v1/events",
        content=msgspec.json.encode(event(6)).replace(b"{", b'{"source":"/mine/x",', 1),
        headers=bearer(secret) | EVENT,
    )

    assert taken.json()["accepted"] == 2
    for answer in (refused, escaped, twice):
        assert (answer.status_code, answer.json()["code"]) == (403, "api.source_not_allowed")


def test_the_audit_names_the_key_and_only_a_delegate_may_name_another(
    client: TestClient, create: Create, database: Database
) -> None:
    plain = bearer(create("masterdata:write", name="deployer")["secret"])
    delegate = bearer(create("masterdata:write", "actor:delegate", name="console")["secret"])
    documents = {"customers": [{"id": "new", "name": "New", "jurisdiction": "US-NY"}]}
    changed = {"customers": [{"id": "new", "name": "Newer", "jurisdiction": "US-NY"}]}
    path = "/v1/master-data/apply"

    refused = client.post(path, json=documents, headers=plain | {"x-actor": "erin"})
    as_itself = client.post(path, json=documents, headers=plain)
    as_erin = client.post(path, json=changed, headers=delegate | {"x-actor": "erin"})

    assert (refused.status_code, refused.json()["ids"]) == (403, {"scope": "actor:delegate"})
    assert (as_itself.status_code, as_erin.status_code) == (200, 200)
    with database.transaction() as connection:
        actors = [one.actor for one in all_records(connection) if "new" in one.object_id]
    assert set(actors) == {"deployer", "erin"}


def test_the_first_key_closes_an_api_that_asked_for_none(
    unguarded: TestClient,
) -> None:
    open_to_all = unguarded.get("/v1/invoices").status_code
    body = {"name": "first", "scopes": ["admin"], "reason": "r"}
    secret = unguarded.post("/v1/access/keys", json=body).json()["secret"]

    without = unguarded.get("/v1/invoices").status_code
    with_key = unguarded.get("/v1/invoices", headers=bearer(secret)).status_code
    [key] = unguarded.get("/v1/access/keys", headers=bearer(secret)).json()
    unguarded.post(
        f"/v1/access/keys/{key['key_id']}/revoke", json={"reason": "r"}, headers=bearer(secret)
    )
    after_the_last = unguarded.get("/v1/invoices").status_code

    assert (open_to_all, without, with_key, after_the_last) == (200, 401, 200, 401)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"scopes": ["all"]}, "api.unknown_scope"),
        ({"scopes": []}, "api.key_without_scope"),
        ({"name": ""}, "api.key_text_invalid"),
        ({"name": "a\u200bb"}, "api.key_text_invalid"),
        ({"sources": [""]}, "api.key_text_invalid"),
        ({"sources": [f"/{number}" for number in range(101)]}, "api.key_too_many_sources"),
        ({"events_per_second": -1}, "api.key_rate_invalid"),
        ({"expires_at": "2023-11-01T00:00:00Z"}, "api.key_expired_already"),
        ({"name": "taken"}, "api.key_name_taken"),
    ],
)
def test_a_key_that_nobody_can_have_meant_is_refused(
    client: TestClient, create: Create, wrong: dict[str, Any], code: str
) -> None:
    create("usage:read", name="taken")
    body = {"name": "new", "scopes": ["usage:read"], "reason": "r"} | wrong

    answer = client.post("/v1/access/keys", json=body, headers=bearer(ROOT_KEY))

    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_an_unknown_or_ended_key_cannot_be_rotated_or_revoked(
    client: TestClient, create: Create
) -> None:
    key_id = create("usage:read")["key_id"]

    def act(name: str, on: str) -> Any:
        path = f"/v1/access/keys/{on}/{name}"
        return client.post(path, json={"reason": "r"}, headers=bearer(ROOT_KEY))

    act("revoke", key_id)

    answers = [act(name, one) for one in (key_id, "key_none") for name in ("rotate", "revoke")]

    assert [answer.status_code for answer in answers] == [422, 422, 404, 404]
    assert {answer.json()["code"] for answer in answers} == {"api.key_ended", "api.unknown_key"}


def test_two_authorizations_are_none(client: TestClient) -> None:
    headers = [("authorization", f"Bearer {ROOT_KEY}"), ("authorization", "Bearer other")]

    assert client.get("/v1/invoices", headers=headers).status_code == 401
