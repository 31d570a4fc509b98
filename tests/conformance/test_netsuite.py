"""The NetSuite connector against its simulator: the suite of all targets, and its own traps."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tollbook.connectors.netsuite.target import NetSuiteTarget, connect
from tollbook.errors import Blocked, Rejected, Transient, Unknown
from tollbook.records.posting import (
    DocumentKind,
    DocumentLine,
    DocumentTax,
    FinanceDocument,
    Receipt,
)
from tollbook.sdk.conformance import TargetConformance, refusal_of
from tollbook.simulators.netsuite.server import Simulator
from tollbook.values.ids import derive, short_key

DEMO = {
    "account": "9999999_SB1",
    "consumer_key": "demo-consumer-key",
    "consumer_secret": "demo-consumer-secret",
    "token": "demo-token",
    "token_secret": "demo-token-secret",
    "answer_seconds": "2",
}
SETTINGS = {"currency:USD": "1", "tax_type": "5", "nexus": "1", "terms": "2"}
DAY = date(2025, 3, 31)
RECORDS = {"invoice": "invoice", "credit_memo": "creditMemo", "journal": "journalEntry"}


class NetSuiteRig:
    """The simulator and a target on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.admin = httpx2.Client(base_url=url, trust_env=False)
        self.target = connect({**DEMO, "url": url})

    def document(self, kind: DocumentKind, name: str) -> FinanceDocument:
        key = derive("pst", kind, name)
        return FinanceDocument(
            kind=kind,
            key=key,
            key16=short_key(key),
            number=name,
            company="1",
            currency="USD",
            document_date=DAY,
            accounting_date=DAY,
            lines=_lines(kind),
            taxes=() if kind == "journal" else _taxes(-1 if kind == "credit_memo" else 1),
            customer="" if kind == "journal" else "cust-1",
            due_date=date(2025, 4, 30),
            memo=f"{name}, usage of 2025-03",
            corrects_key=derive("pst", "invoice", name) if kind == "credit_memo" else "",
            settings=SETTINGS,
        )

    def count(self, document: FinanceDocument) -> int:
        found = self.admin.get(
            "/_sim/documents",
            params={"record": RECORDS[document.kind], "externalId": document.key},
        ).json()
        return len(found["documents"])

    def faults(self, **config: Any) -> None:
        self.admin.put("/_sim/faults", content=json.dumps(config)).raise_for_status()

    def fired(self, name: str) -> int:
        counters: dict[str, dict[str, int]] = self.admin.get("/_sim/counters").json()
        return counters["faults"].get(name, 0)

    def lose_next_reply(self) -> bool:
        self.faults(lose_reply_after_commit={"times": 1})
        return True

    def close_period(self, day: date) -> bool:
        self.admin.post(f"/_sim/periods/{day:%b %Y}/close").raise_for_status()
        return True

    def open_period(self, day: date) -> None:
        self.admin.post(f"/_sim/periods/{day:%b %Y}/open").raise_for_status()

    def close(self) -> None:
        self.target.close()
        self.admin.close()


def _lines(kind: DocumentKind) -> tuple[DocumentLine, ...]:
    if kind == "journal":
        return (
            DocumentLine(1, "255", Decimal("-70.10"), "unbilled_receivable 2025-03"),
            DocumentLine(2, "410", Decimal("70.10"), "revenue 2025-03"),
        )
    sign = -1 if kind == "credit_memo" else 1
    return (
        DocumentLine(1, "255", sign * Decimal("100.10"), "API calls", "55", DAY, DAY),
        DocumentLine(2, "250", sign * Decimal("20.00"), "Platform fee", "57"),
    )


def _taxes(sign: int) -> tuple[DocumentTax, ...]:
    return (
        DocumentTax(
            "12",
            "260",
            Decimal("0.0725"),
            sign * Decimal("100.10"),
            sign * Decimal("7.26"),
            "US sales tax",
            line_no=1,
        ),
    )


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NetSuiteRig]:
    with Simulator(state=tmp_path / "netsuite.db", seed=1) as simulator:
        rig = NetSuiteRig(simulator.url)
        yield rig
        rig.close()


class TestNetSuite(TargetConformance):
    """All of the suite runs here."""


def test_a_period_that_netsuite_moved_is_read_back_as_another_period(rig: NetSuiteRig) -> None:
    rig.faults(move_closed_period=True)
    document = rig.document("invoice", "moved")
    rig.target.send(document)
    moved = replace(document, accounting_date=date(2025, 2, 28))

    receipt = rig.target.look_up(moved)

    assert isinstance(receipt, Receipt)
    assert receipt.period == "2025-03"


def test_an_explicit_period_is_refused_rather_than_moved(rig: NetSuiteRig) -> None:
    rig.faults(move_closed_period=True)
    rig.close_period(DAY)

    refusal = refusal_of(rig.target, rig.document("invoice", "explicit"))

    assert isinstance(refusal, Blocked)
    assert refusal.code == "post.closed_period"


def test_a_day_without_a_period_is_a_closed_period(rig: NetSuiteRig) -> None:
    document = replace(rig.document("invoice", "old"), accounting_date=date(2001, 1, 31))

    refusal = refusal_of(rig.target, document)

    assert isinstance(refusal, Blocked)
    assert refusal.ids["cause"] == "1|2001-01"


@pytest.mark.parametrize(
    ("fault", "kind", "is_written"),
    [
        ({"http_429": {"times": 1, "on": "create"}}, Transient, 0),
        ({"http_503": {"times": 1, "on": "create"}}, Transient, 0),
        ({"html_502": {"times": 1, "on": "create"}}, Unknown, 0),
        ({"html_502": {"times": 1, "on": "create", "commit": True}}, Unknown, 1),
        ({"http_500_after_commit": {"times": 1}}, Unknown, 1),
        ({"garbage_json_200": {"times": 1, "on": "create"}}, Unknown, 1),
        ({"refuse_connection_reset_before_commit": {"times": 1, "on": "create"}}, Unknown, 0),
        ({"hang": {"times": 1, "on": "create", "seconds": 3}}, Unknown, 0),
        ({"lose_reply_after_commit": {"times": 1}}, Unknown, 1),
    ],
)
def test_every_bad_answer_to_a_write_is_sorted_by_what_may_have_happened(
    rig: NetSuiteRig, fault: dict[str, Any], kind: type[Exception], is_written: int
) -> None:
    document = rig.document("invoice", "weather")
    assert rig.target.look_up(document) is None
    rig.faults(**fault)

    refusal = refusal_of(rig.target, document)

    assert type(refusal) is kind
    assert rig.fired(next(iter(fault))) == 1
    assert rig.count(document) == is_written


@pytest.mark.parametrize("fault", ["http_429", "http_503", "html_502", "garbage_json_200", "hang"])
def test_a_bad_answer_to_a_look_up_is_never_taken_for_absence(rig: NetSuiteRig, fault: str) -> None:
    document = rig.document("invoice", "there")
    rig.target.send(document)
    rig.faults(**{fault: {"times": 1, "on": "lookup"}})

    with pytest.raises(Transient):
        rig.target.look_up(document)

    assert isinstance(rig.target.look_up(document), Receipt)


def test_a_read_back_that_fails_after_the_write_is_doubt(rig: NetSuiteRig) -> None:
    document = rig.document("invoice", "unread")
    rig.faults(http_503={"times": 1, "on": "lookup"})

    refusal = refusal_of(rig.target, document)

    assert isinstance(refusal, Unknown)
    assert rig.count(document) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"taxes": (replace(_taxes(1)[0], code="99"),)}, "missing_or_invalid_tax"),
        ({"lines": (replace(_lines("invoice")[0], item="999"),)}, "invalid_account"),
        ({"settings": {**SETTINGS, "currency:USD": "77"}}, "invalid_currency"),
        ({"company": "77"}, "validation"),
    ],
)
def test_a_refusal_carries_its_reason_and_the_words_of_netsuite(
    rig: NetSuiteRig, change: dict[str, Any], code: str
) -> None:
    document = rig.document("invoice", "refused")

    refusal = refusal_of(rig.target, replace(document, **change))

    assert isinstance(refusal, Rejected)
    assert refusal.code == f"post.rejected.{code}"
    assert "nvalid" in refusal.message


def test_a_missing_setting_is_said_before_anything_is_sent(rig: NetSuiteRig) -> None:
    document = replace(rig.document("invoice", "thin"), settings={})

    refusal = refusal_of(rig.target, document)

    assert isinstance(refusal, Blocked)
    assert refusal.code == "post.missing_setting"
    assert "currency:USD" in refusal.message
    assert rig.count(document) == 0


def test_a_credit_memo_reduces_its_invoice_by_no_more_than_is_due(rig: NetSuiteRig) -> None:
    invoice = rig.document("invoice", "credited")
    rig.target.send(invoice)
    rig.admin.post(
        "/_sim/payments", content=json.dumps({"invoice": invoice.key, "amount": "100.00"})
    ).raise_for_status()

    rig.target.send(rig.document("credit_memo", "credited"))

    found = rig.admin.get("/_sim/documents", params={"externalId": invoice.key}).json()
    assert Decimal(found["documents"][0]["amountRemaining"]) == 0


def test_a_credit_memo_waits_for_an_invoice_that_is_not_there(rig: NetSuiteRig) -> None:
    refusal = refusal_of(rig.target, rig.document("credit_memo", "early"))

    assert isinstance(refusal, Transient)


def test_wrong_secrets_lock_us_out_and_blame_no_document(rig: NetSuiteRig) -> None:
    target = connect({**DEMO, "url": rig.url, "token_secret": "wrong"})

    refusal = refusal_of(target, rig.document("invoice", "locked"))
    target.close()

    assert isinstance(refusal, Transient)
    assert refusal.code == "post.target_unavailable"


@pytest.fixture
def with_certificate(rig: NetSuiteRig) -> Iterator[NetSuiteTarget]:
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    client = {"client_id": "app-1", "certificate_id": "cert-1"}
    registered = {
        "account": DEMO["account"],
        "oauth2": [{**client, "public_key_pem": public.decode()}],
    }
    rig.admin.put("/_sim/credentials", content=json.dumps(registered)).raise_for_status()
    target = connect({"account": DEMO["account"], "url": rig.url, **client, "private_key": private})
    yield target
    target.close()


def test_a_certificate_gets_a_token_and_renews_one_that_was_revoked(
    rig: NetSuiteRig, with_certificate: NetSuiteTarget
) -> None:
    first, second = (rig.document("invoice", name) for name in ("token-1", "token-2"))
    with_certificate.send(first)
    rig.faults(expire_token={"times": 1, "on": "create"})

    receipt = with_certificate.send(second)

    assert isinstance(receipt, Receipt)
    assert rig.fired("expire_token") == 1
    assert rig.count(second) == 1


def test_what_is_missing_in_the_settings_of_a_target_is_named() -> None:
    with pytest.raises(Rejected, match="token_secret"):
        connect({key: value for key, value in DEMO.items() if key != "token_secret"})
