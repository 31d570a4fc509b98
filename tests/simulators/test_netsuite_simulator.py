"""The NetSuite simulator behaves as documented: refusals, limits, lost replies, and their proof."""

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from oauthlib import oauth1  # type: ignore[import-untyped]

from tollbook.simulators.netsuite.auth import Credentials, TbaCredential, signature_base
from tollbook.simulators.netsuite.demo import ACCOUNT
from tollbook.simulators.netsuite.faults import Aim, Weather, settings_from
from tollbook.simulators.netsuite.server import Simulator
from tollbook.simulators.netsuite.wire import Request, dump, parse

RECORD = "/services/rest/record/v1/"
SUITEQL = "/services/rest/query/v1/suiteql"
TOKEN = "/services/rest/auth/oauth2/v1/token"
CLOSED = "not within the date range of your accounting period"
NO_REPLY = (http.client.HTTPException, OSError)


@dataclass
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body, parse_float=Decimal)

    @property
    def error(self) -> dict[str, Any]:
        detail: dict[str, Any] = self.json["o:errorDetails"][0]
        return detail


def send(
    url: str,
    method: str,
    path: str,
    *,
    body: object = None,
    headers: dict[str, str] | None = None,
    timeout: float = 5,
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    data = body if isinstance(body, bytes) else None if body is None else dump(body).encode()
    try:
        connection.request(method, path, data, headers or {})
        reply = connection.getresponse()
        return Answer(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def tba(url: str, method: str, path: str, **changed: Any) -> str:
    given = {
        "client_secret": "demo-consumer-secret",
        "resource_owner_key": "demo-token",
        "resource_owner_secret": "demo-token-secret",
        "signature_method": "HMAC-SHA256",
        "realm": ACCOUNT,
        **changed,
    }
    client = oauth1.Client("demo-consumer-key", **given)
    return str(client.sign(url + path, method)[1]["Authorization"])


@dataclass
class Caller:
    """Calls a simulator with signed requests."""

    url: str

    def call(self, method: str, path: str, body: object = None, **extra: Any) -> Answer:
        headers = {"Authorization": tba(self.url, method, path), **extra.pop("headers", {})}
        return send(self.url, method, path, body=body, headers=headers, **extra)

    def post(self, record: str, body: object, **extra: Any) -> Answer:
        return self.call("POST", RECORD + record, body, **extra)

    def get(self, what: str, **extra: Any) -> Answer:
        return self.call("GET", RECORD + what, **extra)

    def suiteql(self, text: str, page: str = "") -> Answer:
        return self.call("POST", SUITEQL + page, {"q": text}, headers={"Prefer": "transient"})

    def sim(self, method: str, path: str, body: object = None) -> Any:
        answer = send(self.url, method, "/_sim/" + path, body=body)
        assert answer.status == 200, answer.body
        return answer.json

    def fired(self, name: str) -> int:
        return int(self.sim("GET", "counters")["faults"].get(name, 0))

    def documents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sim("GET", "documents")["documents"]
        return found


@contextmanager
def simulated(**options: Any) -> Iterator[Caller]:
    with Simulator(**options) as simulator:
        caller = Caller(simulator.url)
        yield caller
        assert caller.sim("GET", "counters")["simulatorErrors"] == 0


@pytest.fixture
def ns() -> Iterator[Caller]:
    with simulated() as caller:
        yield caller


def invoice(key: str = "inv-1", **changed: Any) -> dict[str, Any]:
    line = {"item": {"id": "55"}, "quantity": 1, "amount": Decimal("100.00")}
    body = {
        "externalId": key,
        "entity": {"externalId": "cust-1"},
        "subsidiary": {"id": "1"},
        "currency": {"id": "1"},
        "tranDate": "2025-03-31",
        "item": {"items": [line]},
    }
    return body | changed


def taxed(amount: str = "7.25") -> dict[str, Any]:
    line = {"item": {"id": "55"}, "amount": Decimal("100.00"), "taxDetailsReference": "L1"}
    detail = {
        "taxDetailsReference": "L1",
        "taxType": {"id": "5"},
        "taxCode": {"id": "12"},
        "taxBasis": Decimal(100),
        "taxRate": Decimal("7.25"),
        "taxAmount": Decimal(amount),
    }
    return {
        "item": {"items": [line]},
        "taxDetailsOverride": True,
        "taxDetails": {"items": [detail]},
    }


def journal(key: str, debit: str, credit: str) -> dict[str, Any]:
    return {
        "externalId": key,
        "subsidiary": {"id": "1"},
        "tranDate": "2025-03-31",
        "line": {
            "items": [
                {"account": {"id": "110"}, "debit": Decimal(debit)},
                {"account": {"id": "400"}, "credit": Decimal(credit)},
            ]
        },
    }


# Records


def test_an_invoice_is_created_with_204_and_found_by_both_ids(ns: Caller) -> None:
    created = ns.post("invoice", invoice(**taxed()))

    assert (created.status, created.body) == (204, b"")
    location = created.headers["Location"]
    id_ = location.rpartition("/")[2]
    assert location == f"{ns.url}{RECORD}invoice/{id_}"
    assert ns.get(f"invoice/{id_}").json["externalId"] == "inv-1"
    shown = ns.get("invoice/eid:inv-1?expandSubResources=true").json
    assert (shown["id"], shown["tranId"]) == (id_, "INV1001")
    assert shown["status"] == {"id": "A", "refName": "Open"}
    amounts = [shown[name] for name in ("subtotal", "taxTotal", "total", "amountRemaining")]
    assert amounts == [100, Decimal("7.25"), Decimal("107.25"), Decimal("107.25")]
    assert shown["postingPeriod"]["refName"] == "Mar 2025"
    assert shown["entity"]["refName"] == "Customer 1"
    assert shown["createdDate"].endswith("Z")
    assert shown["item"]["totalResults"] == 1
    assert shown["item"]["items"][0]["line"] == 1


def test_sublists_are_only_links_unless_expanded(ns: Caller) -> None:
    ns.post("invoice", invoice())

    shown = ns.get("invoice/eid:inv-1").json

    assert list(shown["item"]) == ["links"]


def test_large_amounts_keep_every_digit(ns: Caller) -> None:
    lines = [{"item": {"id": "55"}, "amount": Decimal("12345678901234.56")}] * 3

    ns.post("invoice", invoice(item={"items": lines}))

    assert b'"total":37037036703703.68' in ns.get("invoice/eid:inv-1").body


def test_an_amount_left_out_is_quantity_times_rate_rounded_once(ns: Caller) -> None:
    line = {"item": {"id": "55"}, "quantity": 3, "rate": Decimal("0.335")}

    ns.post("invoice", invoice(item={"items": [line]}))

    assert ns.get("invoice/eid:inv-1").json["total"] == Decimal("1.01")


def test_a_currency_without_decimals_rounds_to_whole_units(ns: Caller) -> None:
    line = {"item": {"id": "55"}, "amount": Decimal("100.50")}

    ns.post("invoice", invoice(currency={"id": "3"}, item={"items": [line]}))

    assert ns.get("invoice/eid:inv-1").json["total"] == 101


def test_a_missing_record_is_404_nonexistent_id(ns: Caller) -> None:
    answer = ns.get("invoice/eid:nothing")

    assert answer.status == 404
    assert answer.headers["Content-Type"].endswith("type=error")
    assert answer.error["o:errorCode"] == "NONEXISTENT_ID"


def test_the_same_external_id_is_refused_per_record_type(ns: Caller) -> None:
    ns.post("invoice", invoice("k"))

    again = ns.post("invoice", invoice("k"))
    other = ns.post("creditMemo", invoice("k"))

    assert again.status == 400
    assert again.error["o:errorCode"] == "USER_ERROR"
    assert "This record already exists" in again.error["detail"]
    assert other.status == 204
    assert ns.sim("GET", "documents")["duplicates"] == []


def test_without_unique_external_ids_a_second_document_is_accepted() -> None:
    with simulated(faults={"unique_external_id": False}) as ns:
        first, second = ns.post("invoice", invoice("k")), ns.post("invoice", invoice("k"))

        assert (first.status, second.status) == (204, 204)
        assert ns.get("invoice/eid:k").json["tranId"] == "INV1001"
        found = ns.sim("GET", "documents")
        assert found["duplicates"] == [{"record": "invoice", "externalId": "k", "commits": 2}]
        assert [each["commits"] for each in found["documents"]] == [2, 2]


@pytest.mark.parametrize(
    ("changed", "code", "path", "words"),
    [
        ({"entity": {"externalId": "nobody"}}, "INVALID_CONTENT", "entity", "Value nobody"),
        ({"subsidiary": {"id": "99"}}, "INVALID_CONTENT", "subsidiary", "Value 99"),
        ({"currency": {"id": "99"}}, "INVALID_CONTENT", "currency", "field: currency"),
        ({"postingPeriod": {"id": "9"}}, "INVALID_CONTENT", "postingPeriod", "Value 9"),
        ({"department": {"id": "9"}}, "INVALID_CONTENT", "department", "Value 9"),
        ({"entity": None}, "USER_ERROR", "entity", "Please enter value(s) for: Customer."),
        ({"item": {"items": []}}, "USER_ERROR", "item", "at least one line"),
        (
            {"item": {"items": [{"item": {"id": "9999"}, "amount": 1}]}},
            "INVALID_CONTENT",
            "item.items[0].item",
            "Invalid Field Value 9999 for the following field: item",
        ),
        (
            {"item": {"items": [{"item": {"id": "55"}, "amount": 1, "account": {"id": "9"}}]}},
            "INVALID_CONTENT",
            "item.items[0].account",
            "Value 9",
        ),
        (
            {"item": {"items": [{"item": {"id": "55"}, "amount": 1, "taxCode": {"id": "9"}}]}},
            "USER_ERROR",
            "item.items[0].taxCode",
            "Invalid taxcode reference key 9",
        ),
        (
            {"item": {"items": [{"item": {"id": "55"}}]}},
            "USER_ERROR",
            "item.items[0].amount",
            "Please enter value(s) for: Amount.",
        ),
        (
            {"item": {"items": [{"item": {"id": "55"}, "amount": "1.00"}]}},
            "INVALID_CONTENT",
            "item.items[0].amount",
            "field: amount",
        ),
        ({"tranDate": "31.03.2025"}, "INVALID_CONTENT", "tranDate", "field: tranDate"),
    ],
)
def test_a_wrong_invoice_is_refused_naming_the_field(
    ns: Caller, changed: dict[str, Any], code: str, path: str, words: str
) -> None:
    answer = ns.post("invoice", invoice(**changed))

    assert answer.status == 400
    assert answer.error["o:errorCode"] == code
    assert answer.error["o:errorPath"] == path
    assert words in answer.error["detail"]
    assert ns.documents() == []


@pytest.mark.parametrize(
    "text", [b"{", b'{"a": NaN}', b"[]", b"\xff", b'{"a":"\\ud800"}', b"[" * 9999]
)
def test_a_malformed_body_is_invalid_content(ns: Caller, text: bytes) -> None:
    answer = ns.post("invoice", text)

    assert answer.status == 400
    assert answer.error["o:errorCode"] == "INVALID_CONTENT"


def test_a_misspelt_property_is_ignored_unless_the_header_asks(ns: Caller) -> None:
    strict = {"X-NetSuite-PropertyNameValidation": "Error"}

    refused = ns.post("invoice", invoice(memmo="x"), headers=strict)
    accepted = ns.post("invoice", invoice(memmo="x", custbody_key="y"))

    assert (refused.status, accepted.status) == (400, 204)
    assert "memmo" in refused.error["detail"]
    shown = ns.get("invoice/eid:inv-1").json
    assert "memmo" not in shown
    assert shown["custbody_key"] == "y"
    assert ns.sim("GET", "counters")["ignoredProperties"] == {"memmo": 1}


def test_tax_details_without_the_override_are_replaced_by_the_tax_engine(ns: Caller) -> None:
    line = {
        "item": {"id": "55"},
        "amount": 200,
        "taxDetailsReference": "L1",
        "taxCode": {"id": "13"},
    }
    body = invoice(**taxed("99.00")) | {"taxDetailsOverride": False, "item": {"items": [line]}}

    ns.post("invoice", body)

    assert ns.get("invoice/eid:inv-1").json["taxTotal"] == 38


def test_a_credit_memo_applied_to_an_invoice_lowers_what_remains(ns: Caller) -> None:
    id_ = ns.post("invoice", invoice()).headers["Location"].rpartition("/")[2]
    lines = {"items": [{"item": {"id": "55"}, "amount": 40}]}
    apply = {"items": [{"doc": {"id": id_}, "apply": True, "amount": 40}]}

    ns.post("creditMemo", invoice("cm-1", item=lines, apply=apply))
    partly = ns.get("invoice/eid:inv-1").json
    ns.sim("POST", "payments", {"invoice": "inv-1", "amount": "60.00"})
    paid = ns.get("invoice/eid:inv-1").json

    assert (partly["amountRemaining"], partly["status"]["id"]) == (60, "A")
    assert (paid["amountRemaining"], paid["status"]["id"]) == (0, "B")
    memo = ns.get("creditMemo/eid:cm-1").json
    assert (memo["tranId"], memo["applied"], memo["unapplied"]) == ("CM1001", 40, 0)


def test_a_journal_must_balance_to_the_last_cent(ns: Caller) -> None:
    uneven = ns.post("journalEntry", journal("je-1", "10.00", "10.01"))
    even = ns.post("journalEntry", journal("je-1", "10.01", "10.01"))

    assert (uneven.status, even.status) == (400, 204)
    assert "not in balance" in uneven.error["detail"]
    shown = ns.get("journalEntry/eid:je-1?expandSubResources=true").json
    assert shown["tranId"] == "JE1001"
    assert [line.get("debit") for line in shown["line"]["items"]] == [Decimal("10.01"), None]


def test_an_account_of_another_subsidiary_is_refused(ns: Caller) -> None:
    ns.sim("PUT", "master", {"accounts": [{"id": "400", "subsidiaries": ["2"]}]})

    answer = ns.post("journalEntry", journal("je-1", "1.00", "1.00"))

    assert "Revenue account cannot be used with the Demo Inc subsidiary" in answer.error["detail"]


def test_a_customer_is_created_once_and_can_be_billed(ns: Caller) -> None:
    body = {
        "externalId": "c9",
        "companyName": "Nine",
        "subsidiary": {"id": "1"},
        "currency": {"id": "1"},
    }

    created, again = ns.post("customer", body), ns.post("customer", body)
    nameless = ns.post("customer", {"externalId": "c10", "subsidiary": {"id": "1"}})
    billed = ns.post("invoice", invoice(entity={"externalId": "c9"}))

    assert (created.status, again.status, nameless.status, billed.status) == (204, 400, 400, 204)
    assert "This entity already exists" in again.error["detail"]
    assert "Company Name" in nameless.error["detail"]
    assert ns.get("customer/eid:c9").json["companyName"] == "Nine"


# Upsert


def test_put_adds_lines_to_an_existing_invoice_unless_told_to_replace(ns: Caller) -> None:
    path = RECORD + "invoice/eid:inv-1"
    created = ns.call("PUT", path, invoice())
    merged = ns.call("PUT", path, invoice(memo="second"))
    total_merged = ns.get("invoice/eid:inv-1").json["total"]
    replaced = ns.call("PUT", path + "?replace=item,taxDetails", invoice())
    total_replaced = ns.get("invoice/eid:inv-1").json["total"]

    assert [each.status for each in (created, merged, replaced)] == [204, 204, 204]
    assert (total_merged, total_replaced) == (200, 100)
    (document,) = ns.documents()
    assert (document["commits"], document["updates"]) == (1, 2)


# Periods


def test_an_explicit_closed_period_is_refused(ns: Caller) -> None:
    ns.sim("POST", "periods/Mar%202025/close")

    answer = ns.post("invoice", invoice(postingPeriod={"id": "115"}))
    ns.sim("POST", "periods/115/open")
    later = ns.post("invoice", invoice(postingPeriod={"id": "115"}))

    assert answer.status == 400
    assert CLOSED in answer.error["detail"]
    assert later.status == 204


def test_with_the_preference_a_closed_period_is_silently_moved(ns: Caller) -> None:
    ns.sim("POST", "periods/Mar%202025/close")
    ns.sim("POST", "periods/Apr%202025/close")

    refused = ns.post("invoice", invoice())
    ns.sim("PUT", "faults", {"move_closed_period": True})
    moved = ns.post("invoice", invoice())

    assert (refused.status, moved.status) == (400, 204)
    assert ns.get("invoice/eid:inv-1").json["postingPeriod"]["refName"] == "May 2025"


def test_a_date_outside_the_period_needs_the_preference(ns: Caller) -> None:
    body = invoice(postingPeriod={"id": "116"})

    refused = ns.post("invoice", body)
    ns.sim("PATCH", "faults", {"allow_date_outside_period": True})

    assert CLOSED in refused.error["detail"]
    assert ns.post("invoice", body).status == 204


# SuiteQL


def test_suiteql_finds_documents_by_our_key_as_strings(ns: Caller) -> None:
    for key in ("a", "b", "o'clock"):
        ns.post("invoice", invoice(key, **taxed()))
    ns.post("creditMemo", invoice("a"))

    one = ns.suiteql(
        "SELECT id, tranid, externalid, trandate, postingperiod, total, memo FROM transaction"
        " WHERE externalid='a' AND type='CustInvc'"
    ).json
    several = ns.suiteql("SELECT externalid FROM transaction WHERE externalid IN ('a', 'o''clock')")

    assert (one["count"], one["hasMore"], one["totalResults"]) == (1, False, 1)
    assert one["items"] == [
        {
            "links": [],
            "id": "1001",
            "tranid": "INV1001",
            "externalid": "a",
            "trandate": "2025-03-31",
            "postingperiod": "115",
            "total": "107.25",
        }
    ]
    assert [each["externalid"] for each in several.json["items"]] == ["a", "o'clock", "a"]


def test_suiteql_pages_by_limit_and_offset(ns: Caller) -> None:
    text = "SELECT id, periodname, closed FROM accountingperiod WHERE closed = 'F' ORDER BY id"

    first = ns.suiteql(text, "?limit=40").json
    second = ns.suiteql(text, "?limit=40&offset=40").json
    odd = ns.suiteql(text, "?limit=40&offset=7")

    assert (first["count"], first["hasMore"], second["count"], second["hasMore"]) == (
        40,
        True,
        8,
        False,
    )
    assert [link["rel"] for link in first["links"]] == ["self", "next"]
    assert odd.error["o:errorQueryParam"] == "offset"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM invoice",
        "SELECT nothing FROM transaction",
        "SELECT id FROM transaction WHERE",
        "SELECT id FROM transaction WHERE id = 1 OR 1 = 1",
        "SELECT id FROM transaction; DROP TABLE document",
        "SELECT id FROM transaction WHERE externalid = 'x",
    ],
)
def test_suiteql_beyond_the_modelled_part_is_refused(ns: Caller, text: str) -> None:
    assert ns.suiteql(text).error["o:errorCode"] == "INVALID_PARAMETER"


def test_suiteql_needs_prefer_transient(ns: Caller) -> None:
    answer = ns.call("POST", SUITEQL, {"q": "SELECT id FROM account"})

    assert answer.error["o:errorHeader"] == "Prefer"
    assert ns.suiteql("SELECT acctnumber FROM account WHERE id = 400").json["count"] == 1


# Logins


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"client_secret": "wrong"}, "tba_signature"),
        ({"resource_owner_secret": "wrong"}, "tba_signature"),
        ({"resource_owner_key": "wrong"}, "tba_unknown_token"),
        ({"realm": "1234567"}, "tba_realm"),
        ({"signature_method": "HMAC-SHA1"}, "tba_signature_method"),
        ({"timestamp": "1000000000"}, "tba_timestamp"),
    ],
)
def test_a_wrong_signature_is_401_invalid_login(
    ns: Caller, changed: dict[str, Any], reason: str
) -> None:
    path = RECORD + "invoice/eid:x"

    answer = send(
        ns.url, "GET", path, headers={"Authorization": tba(ns.url, "GET", path, **changed)}
    )

    assert answer.status == 401
    assert answer.error["o:errorCode"] == "INVALID_LOGIN"
    assert "OAuth realm=" in answer.headers["WWW-Authenticate"]
    assert ns.sim("GET", "counters")["failedLogins"] == {reason: 1}


def test_a_nonce_is_good_once_and_for_one_address(ns: Caller) -> None:
    path = RECORD + "invoice/eid:" + quote("a b&c~") + "?expandSubResources=true"
    headers = {"Authorization": tba(ns.url, "GET", path)}

    first = send(ns.url, "GET", path, headers=headers)
    again = send(ns.url, "GET", path, headers=headers)
    elsewhere = send(ns.url, "GET", path, headers={"Authorization": tba(ns.url, "GET", path + "x")})
    nobody = send(ns.url, "GET", path)

    assert [each.status for each in (first, again, elsewhere, nobody)] == [404, 401, 401, 401]


def test_our_signature_base_is_the_one_of_rfc_5849() -> None:
    given = {"oauth_consumer_key": "k", "oauth_nonce": "n", "realm": "r", "oauth_signature": "s"}
    request = Request("get", "/a b", (("b", "2 &"), ("a", "~")), {}, b"", "http://h:1")

    assert signature_base(request, given) == (
        "GET&http%3A%2F%2Fh%3A1%2Fa%20b"
        "&a%3D~%26b%3D2%2520%2526%26oauth_consumer_key%3Dk%26oauth_nonce%3Dn"
    )
    assert Credentials("a", (TbaCredential("c", "s", "t", "ts"),), ()).account == "a"


def pem(key: rsa.RSAPrivateKey) -> tuple[str, bytes]:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return public.decode(), private


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    public, private = pem(rsa.generate_private_key(65537, 2048))
    curve = ECKey.generate_key("P-256")
    return {
        "PS256": (public, RSAKey.import_key(private)),
        "ES256": (curve.as_pem(private=False).decode(), curve),
    }


def register(ns: Caller, public: str) -> None:
    entry = {"client_id": "client-1", "certificate_id": "cert-1", "public_key_pem": public}
    ns.sim("PUT", "credentials", {"account": ACCOUNT, "tba": [], "oauth2": [entry]})


def ask_token(ns: Caller, key: Any, algorithm: str, **changed: Any) -> Answer:
    now = int(time.time())
    claims = {
        "iss": "client-1",
        "scope": ["rest_webservices"],
        "aud": ns.url + TOKEN,
        "iat": now,
        "exp": now + 300,
        **changed,
    }
    header = {"alg": algorithm, "typ": "JWT", "kid": claims.pop("kid", "cert-1")}
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(header, claims, key, algorithms=[algorithm]),
    }
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return send(ns.url, "POST", TOKEN, body=urlencode(form).encode(), headers=kind)


def with_bearer(ns: Caller, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    return send(ns.url, "GET", RECORD + "invoice/eid:x", headers=headers)


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
def test_a_signed_assertion_buys_a_bearer_token(
    ns: Caller, keys: dict[str, Any], algorithm: str
) -> None:
    public, key = keys[algorithm]
    register(ns, public)

    granted = ask_token(ns, key, algorithm).json

    assert (granted["expires_in"], granted["token_type"]) == (3600, "bearer")
    assert with_bearer(ns, granted["access_token"]).status == 404
    assert with_bearer(ns, "made-up").error["o:errorCode"] == "INVALID_LOGIN"


def test_a_wrong_assertion_buys_nothing(ns: Caller, keys: dict[str, Any]) -> None:
    public, key = keys["ES256"]
    register(ns, public)
    now = int(time.time())
    wrong: list[dict[str, Any]] = [
        {"iss": "somebody"},
        {"aud": "https://elsewhere.example"},
        {"scope": ["restlets"]},
        {"exp": now - 1},
        {"exp": now + 4000},
        {"kid": "cert-2"},
    ]

    answers = [ask_token(ns, key, "ES256", **each) for each in wrong]
    answers.append(ask_token(ns, ECKey.generate_key("P-256"), "ES256"))

    assert [each.status for each in answers] == [401] * 7
    assert sum(ns.sim("GET", "counters")["failedLogins"].values()) == 7


def test_a_bearer_token_expires_by_time_and_by_fault(keys: dict[str, Any]) -> None:
    public, key = keys["ES256"]
    with simulated() as ns:
        register(ns, public)
        ns.sim("PUT", "faults", {"bearer_seconds": 0})
        short = ask_token(ns, key, "ES256").json["access_token"]
        ns.sim("PUT", "faults", {"expire_token": {"times": 1}})
        revoked = ask_token(ns, key, "ES256").json["access_token"]

        statuses = [with_bearer(ns, each).status for each in (revoked, short, revoked)]
        renewed = ask_token(ns, key, "ES256").json["access_token"]

        assert statuses == [401, 401, 401]
        assert with_bearer(ns, renewed).status == 404
        assert ns.fired("expire_token") == 1


# Faults


def test_a_reset_before_the_commit_leaves_nothing() -> None:
    with simulated(faults={"refuse_connection_reset_before_commit": {"times": 1}}) as ns:
        with pytest.raises(ConnectionResetError):
            ns.post("invoice", invoice())

        assert ns.documents() == []
        assert ns.fired("refuse_connection_reset_before_commit") == 1


def test_a_lost_reply_hides_a_document_that_exists() -> None:
    with simulated(faults={"lose_reply_after_commit": {"times": 1}}) as ns:
        with pytest.raises(http.client.RemoteDisconnected):
            ns.post("invoice", invoice())

        assert ns.get("invoice/eid:inv-1").status == 200
        assert "already exists" in ns.post("invoice", invoice()).error["detail"]
        assert ns.fired("lose_reply_after_commit") == 1


def wait_for(condition: Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_late_commit_appears_after_the_client_gave_up() -> None:
    with simulated(faults={"commit_late": {"times": 1, "seconds": 0.3}}) as ns:
        with pytest.raises(http.client.RemoteDisconnected):
            ns.post("invoice", invoice())
        absent = ns.get("invoice/eid:inv-1").status
        wait_for(ns.documents)

        assert absent == 404
        assert ns.get("invoice/eid:inv-1").status == 200
        assert ns.sim("GET", "counters")["late"]["committed"] == 1
        assert ns.fired("commit_late") == 1


@pytest.mark.parametrize(("is_unique", "commits"), [(True, 1), (False, 2)])
def test_a_resend_before_a_late_commit_is_only_safe_with_unique_keys(
    is_unique: bool,  # noqa: FBT001
    commits: int,
) -> None:
    faults = {
        "unique_external_id": is_unique,
        "commit_late": {"times": 1, "seconds": 0.3, "hold": True},
    }
    with simulated(faults=faults) as ns:
        with pytest.raises(TimeoutError):
            ns.post("invoice", invoice(), timeout=0.1)
        assert ns.get("invoice/eid:inv-1").status == 404

        assert ns.post("invoice", invoice()).status == 204

        def finished() -> bool:
            late = ns.sim("GET", "counters")["late"]
            return bool(late["committed"] + late["refused"] == 1)

        wait_for(finished)
        assert len(ns.documents()) == commits


def test_a_hanging_request_times_out_and_commits_nothing() -> None:
    with simulated(faults={"hang": {"times": 1, "seconds": 30}}) as ns:
        with pytest.raises(TimeoutError):
            ns.post("invoice", invoice(), timeout=0.1)

        assert ns.documents() == []
        assert ns.fired("hang") == 1


@pytest.mark.parametrize(
    ("fault", "status", "code", "commits"),
    [
        ("http_429", 429, "CONCURRENCY_LIMIT_EXCEEDED", 0),
        ("http_503", 503, "SERVICE_UNAVAILABLE", 0),
        ("http_500_after_commit", 500, "UNEXPECTED_ERROR", 1),
        ("closed_period", 400, "USER_ERROR", 0),
    ],
)
def test_a_fault_answers_with_its_status(fault: str, status: int, code: str, commits: int) -> None:
    with simulated(faults={fault: 1}) as ns:
        answer = ns.post("invoice", invoice())

        assert (answer.status, answer.error["o:errorCode"]) == (status, code)
        assert "Retry-After" not in answer.headers
        assert len(ns.documents()) == commits
        assert ns.fired(fault) == 1


@pytest.mark.parametrize(
    ("fault", "status", "commit"),
    [
        ("html_502", 502, False),
        ("html_502", 502, True),
        ("garbage_json_200", 200, True),
        ("garbage_json_200", 200, False),
    ],
)
def test_a_mangled_answer_says_nothing_about_the_commit(
    fault: str,
    status: int,
    commit: bool,  # noqa: FBT001
) -> None:
    with simulated(faults={fault: {"probability": 1, "commit": commit}}) as ns:
        answer = ns.post("invoice", invoice())
        looked = ns.get("invoice/eid:inv-1")

        assert (answer.status, looked.status) == (status, status)
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            json.loads(answer.body)
        assert len(ns.documents()) == int(commit)
        assert ns.fired(fault) == 2


def test_faults_can_be_aimed_at_one_operation_and_one_record() -> None:
    aimed = {"http_503": {"probability": 1, "on": ["create"], "record": "invoice"}}
    with simulated(faults=aimed) as ns:
        statuses = [ns.post("invoice", invoice()).status, ns.post("creditMemo", invoice()).status]

        assert [*statuses, ns.get("invoice/eid:inv-1").status] == [503, 204, 404]


@pytest.mark.parametrize(
    "faults",
    [
        {"typo": 1},
        {"hang": 2},
        {"hang": {"chance": 1}},
        {"commit_late": {"on": ["lookup"]}},
        {"lose_reply_after_commit": {"commit": False}},
        {"concurrency_limit": "5"},
    ],
)
def test_a_mistake_in_the_fault_settings_is_refused(ns: Caller, faults: dict[str, Any]) -> None:
    assert send(ns.url, "PUT", "/_sim/faults", body=faults).status == 400


def test_one_seed_gives_one_story_in_any_order() -> None:
    aims = [Aim("create", "invoice", f"k{n}") for n in range(200)]

    def story(seed: str, order: list[Aim]) -> set[str]:
        weather = Weather(settings_from({"http_503": 0.3}), seed, lambda _: None)
        return {aim.key for aim in order if weather.draw("http_503", aim, committed=False)}

    assert story("1", aims) == story("1", aims[::-1])
    assert story("1", aims) != story("2", aims)
    assert 30 < len(story("1", aims)) < 90


# Load and survival


def test_too_many_requests_at_once_are_refused_without_retry_after() -> None:
    with simulated(faults={"slow": {"probability": 1, "seconds": 0.3}}) as ns:
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda n: ns.post("invoice", invoice(f"k{n}")), range(12)))

        refused = [each for each in answers if each.status == 429]
        counters = ns.sim("GET", "counters")
        assert len(refused) == counters["concurrencyRefused"] == 7
        assert refused[0].error["o:errorCode"] == "CONCURRENCY_LIMIT_EXCEEDED"
        assert "Retry-After" not in refused[0].headers
        assert (counters["runningPeak"], len(ns.documents())) == (5, 5)


def test_sixty_connections_lose_nothing_that_was_not_meant_to_be_lost() -> None:
    faults = {"concurrency_limit": 1000, "lose_reply_after_commit": 0.2}
    with simulated(faults=faults, seed=7) as ns:
        ready = threading.Barrier(60)

        def work(n: int) -> int:
            ready.wait()
            lost = 0
            for each in range(5):
                try:
                    assert ns.post("invoice", invoice(f"k{n}-{each}")).status == 204
                except NO_REPLY:
                    lost += 1
            return lost

        with ThreadPoolExecutor(60) as pool:
            lost = sum(pool.map(work, range(60)))

        assert lost == ns.fired("lose_reply_after_commit") > 0
        documents = ns.documents()
        assert len({each["externalId"] for each in documents}) == len(documents) == 300
        assert len({each["tranId"] for each in documents}) == 300


@contextmanager
def process(*arguments: str) -> Iterator[tuple[Caller, int]]:
    command = [sys.executable, "-m", "tollbook.simulators.netsuite", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        try:
            ready = json.loads(running.stdout.readline())
            yield Caller(ready["url"]), ready["pid"]
        finally:
            running.kill()


def test_the_state_survives_kill_minus_nine(tmp_path: Path) -> None:
    state = tmp_path / "netsuite.db"
    options = ("--port", "0", "--state", str(state), "--faults", '{"unique_external_id": false}')
    with process(*options) as (ns, pid):
        ns.post("invoice", invoice("kept"))
        ns.sim("POST", "periods/115/close")
        os.kill(pid, signal.SIGKILL)

    with sqlite3.connect(state) as inspected:
        rows = inspected.execute("select external_id, total from document").fetchall()
    inspected.close()
    with process("--state", str(state)) as (ns, _):
        again = ns.get("invoice/eid:kept")
        closed = ns.post("invoice", invoice("other"))
        switches = ns.sim("GET", "faults")

    assert rows == [("kept", "100")]
    assert again.status == 200
    assert CLOSED in closed.error["detail"]
    assert switches["unique_external_id"] is False


def test_a_reset_forgets_documents_but_not_master_data(ns: Caller) -> None:
    ns.sim("PUT", "master", {"customers": [{"externalId": "new", "companyName": "New"}]})
    ns.post("invoice", invoice())

    ns.sim("POST", "reset", {})

    assert ns.documents() == []
    assert ns.get("customer/eid:new").status == 200
    assert parse(b"0.10") == Decimal("0.10")
