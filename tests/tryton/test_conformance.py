"""The Tryton connector against a real Tryton: the suite of all targets, and its own traps."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tollbook.config import SystemSettings
from tollbook.connectors.tryton.target import connect
from tollbook.errors import Blocked, Rejected, Transient, Unknown
from tollbook.records.posting import (
    DocumentKind,
    DocumentLine,
    DocumentTax,
    FinanceDocument,
    Receipt,
)
from tollbook.sdk.conformance import TargetConformance, refusal_of
from tollbook.values.clock import FixedClock, SystemClock
from tollbook.values.ids import derive, short_key
from tryton.cutting_proxy import CuttingProxy
from tryton.rehearsal import NOVEMBER, Erp

COMPANY = "NWI-US"
DAY = date(2023, 11, 30)


class TrytonRig:
    """A target that speaks to Tryton over a line that can be cut."""

    def __init__(self, settings: SystemSettings, proxy: CuttingProxy) -> None:
        self.proxy = proxy
        self.options = {**settings.options, "url": proxy.url}
        self.target = connect(self.options, SystemClock())
        self.erp = Erp(settings, FixedClock(datetime(2023, 12, 1, tzinfo=UTC)))

    def document(self, kind: DocumentKind, name: str) -> FinanceDocument:
        key = derive("pst", kind, name)
        return FinanceDocument(
            kind=kind,
            key=key,
            key16=short_key(key),
            number=name,
            company=COMPANY,
            currency="USD",
            document_date=DAY,
            accounting_date=DAY,
            lines=_lines(kind),
            taxes=() if kind == "journal" else _taxes(-1 if kind == "credit_memo" else 1),
            customer="" if kind == "journal" else "CUST-001",
            due_date=date(2023, 12, 30),
            receivable_account="" if kind == "journal" else "1100",
            memo=f"{name}, usage of 2023-11",
            corrects_key=derive("pst", "invoice", name) if kind == "credit_memo" else "",
            settings={"payment_term": "30 days"},
        )

    def count(self, document: FinanceDocument) -> int:
        model = "account.move" if document.kind == "journal" else "account.invoice"
        return len(self.erp.rows(model, [["external_key", "=", document.key]]))

    def lose_next_reply(self) -> bool:
        self.proxy.lose_next("account.invoice.post")
        return True

    def close_period(self, day: date) -> bool:
        assert day == DAY
        self.erp.close_period(COMPANY, NOVEMBER)
        return True

    def open_period(self, day: date) -> None:
        assert day == DAY
        self.erp.open_period(COMPANY, NOVEMBER)


def _lines(kind: DocumentKind) -> tuple[DocumentLine, ...]:
    if kind == "journal":
        return (
            DocumentLine(1, "1150", Decimal("-70.10"), "unbilled_receivable 2023-11"),
            DocumentLine(2, "4000", Decimal("70.10"), "revenue 2023-11"),
        )
    sign = -1 if kind == "credit_memo" else 1
    return (
        DocumentLine(1, "1150", sign * Decimal("100.10"), "Code Small, input tokens"),
        DocumentLine(2, "2300", sign * Decimal("20.00"), "Support"),
    )


def _taxes(sign: int) -> tuple[DocumentTax, ...]:
    base, amount = sign * Decimal("120.10"), sign * Decimal("10.66")
    return (DocumentTax("US-NY", "2200", Decimal("0.08875"), base, amount, "US-NY"),)


@pytest.fixture(scope="module")
def shared_rig(shared_books: SystemSettings) -> Iterator[TrytonRig]:
    with CuttingProxy(shared_books.options["url"]) as proxy:
        rig = TrytonRig(shared_books, proxy)
        yield rig
        rig.target.close()
        rig.erp.close()


@pytest.fixture
def rig(shared_rig: TrytonRig) -> TrytonRig:
    """Every document has a key of its own, so one set of books is enough."""
    return shared_rig


class TestTryton(TargetConformance):
    """All of the suite runs here."""


@pytest.mark.parametrize("kind", ["invoice", "credit_memo", "journal"])
@pytest.mark.parametrize("method", ["create", "post"])
def test_a_call_whose_answer_is_lost_ends_in_one_document(
    rig: TrytonRig, kind: DocumentKind, method: str
) -> None:
    document = rig.document(kind, f"lost-{method}")
    model = "account.move" if kind == "journal" else "account.invoice"
    lost = rig.proxy.lost
    rig.proxy.lose_next(f"{model}.{method}")

    refusal = refusal_of(rig.target, document)
    found = rig.target.look_up(document)

    assert rig.proxy.lost == lost + 1
    assert isinstance(refusal, Unknown)
    assert rig.count(document) == 1
    # Without its post it is a draft, which is not yet the document: it is sent again.
    assert isinstance(found, Receipt) == (method == "post")
    if found is None:
        assert isinstance(rig.target.send(document), Receipt)
        assert rig.count(document) == 1


def test_a_read_back_that_fails_after_posting_is_doubt(rig: TrytonRig) -> None:
    document = rig.document("invoice", "half heard")
    # The first question is whether an earlier draft is there, the second what was posted.
    rig.proxy.lose_next("account.invoice.search_read", after=1)

    refusal = refusal_of(rig.target, document)

    assert isinstance(refusal, Unknown)
    assert isinstance(rig.target.look_up(document), Receipt)
    assert rig.count(document) == 1


def test_a_look_up_whose_answer_is_lost_is_never_taken_for_absence(rig: TrytonRig) -> None:
    document = rig.document("invoice", "unread")
    rig.target.send(document)
    rig.proxy.lose_next("account.invoice.search_read")

    with pytest.raises(Transient):
        rig.target.look_up(document)

    assert isinstance(rig.target.look_up(document), Receipt)


def test_what_was_refused_leaves_no_draft_that_keeps_the_period_open(rig: TrytonRig) -> None:
    document = rig.document("journal", "refused")
    lines = (replace(document.lines[0], amount=Decimal("-1.00")), *document.lines[1:])

    refusal = refusal_of(rig.target, replace(document, lines=lines))
    rig.close_period(DAY)
    rig.open_period(DAY)

    assert refusal.code == "post.rejected.unbalanced"


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("invoice", {"customer": "CUST-999"}, "unknown_customer"),
        ("invoice", {"receivable_account": "1999"}, "invalid_account"),
        # It exists, but lines of an invoice may not be booked on it.
        ("invoice", {"lines": (DocumentLine(1, "2200", Decimal(5), "x"),)}, "invalid_account"),
        ("invoice", {"taxes": (replace(_taxes(1)[0], account="2299"),)}, "invalid_account"),
        ("invoice", {"taxes": (replace(_taxes(1)[0], code="US-XX"),)}, "missing_or_invalid_tax"),
        ("invoice", {"currency": "XXX"}, "invalid_currency"),
        # Tryton knows the euro from the other company, and has no rate for it.
        ("invoice", {"currency": "EUR"}, "invalid_currency"),
        ("journal", {"currency": "EUR"}, "invalid_currency"),
        (
            "invoice",
            {"taxes": (replace(_taxes(1)[0], amount=Decimal("10.661")),)},
            "precision_or_length",
        ),
        ("invoice", {"document_date": date(2023, 11, 1)}, "sequence_order"),
        ("invoice", {"settings": {"payment_term": "never"}}, "validation"),
        ("invoice", {"company": "NWI-FR"}, "validation"),
    ],
)
def test_a_refusal_carries_its_reason_and_leaves_nothing(
    rig: TrytonRig, kind: DocumentKind, change: dict[str, Any], code: str
) -> None:
    rig.target.send(rig.document("invoice", f"before-{kind}-{change}"))
    document = replace(rig.document(kind, f"refused-{change}"), **change)

    refusal = refusal_of(rig.target, document)

    assert isinstance(refusal, Rejected)
    assert refusal.code == f"post.rejected.{code}"
    assert refusal.ids["cause"]
    assert rig.count(document) == 0


def test_a_journal_that_stayed_closed_in_a_reopened_period_is_a_closed_period(
    rig: TrytonRig,
) -> None:
    rig.target.send(rig.document("invoice", "before the close"))
    document = rig.document("invoice", "half open")
    rig.close_period(DAY)
    rig.erp.act("account.period", "reopen", [rig.erp.period(COMPANY, NOVEMBER)])

    refusal = refusal_of(rig.target, document)
    rig.open_period(DAY)

    assert isinstance(refusal, Blocked)
    assert refusal.code == "post.closed_period"
    assert "journal" in refusal.message
    assert isinstance(rig.target.send(document), Receipt)


def test_a_day_without_a_period_is_a_closed_period(rig: TrytonRig) -> None:
    day = date(1999, 1, 31)

    for kind in rig.target.capabilities.kinds:
        document = replace(
            rig.document(kind, "old"), document_date=day, accounting_date=day, corrects_key=""
        )
        refusal = refusal_of(rig.target, document)

        assert isinstance(refusal, Blocked), kind
        assert refusal.ids["cause"] == f"{COMPANY}|1999-01"


def test_a_session_that_is_gone_is_renewed_without_anybody_noticing(rig: TrytonRig) -> None:
    document = rig.document("invoice", "session")
    rig.target.send(document)
    user = rig.erp.rows("res.user", [["login", "=", "admin"]])[0]["id"]

    # A new password throws every session of the user out.
    rig.erp.act("res.user", "write", [user], {"password": rig.options["password"]})

    assert isinstance(rig.target.look_up(document), Receipt)


def test_a_wrong_password_locks_us_out_and_blames_no_document(rig: TrytonRig) -> None:
    target = connect({**rig.options, "password": "wrong"}, SystemClock())

    refusal = refusal_of(target, rig.document("invoice", "locked"))
    target.close()

    assert isinstance(refusal, Transient)
    assert refusal.code == "post.target_unavailable"
    assert "password" in refusal.message


def test_a_server_that_is_down_has_certainly_done_nothing(rig: TrytonRig) -> None:
    target = connect({**rig.options, "url": "http://127.0.0.1:9"}, SystemClock())

    refusal = refusal_of(target, rig.document("invoice", "down"))
    target.close()

    assert isinstance(refusal, Transient)


def test_what_is_missing_in_the_settings_of_a_target_is_named() -> None:
    with pytest.raises(Rejected, match="database, password"):
        connect({"url": "http://127.0.0.1:8421"}, SystemClock())
