"""Verify: an issued document is what its raw events and pinned versions make of it, or it is told."""

import json
from pathlib import Path

import pytest

from small_month import SmallMonth, command_line
from tollbook.errors import Rejected
from tollbook.flow.capture.step import void_event
from tollbook.reports.verify import Verification, verify
from tollbook.values.ids import event_id

US_1 = "US-000001"


def verified(month: SmallMonth, reference: str) -> Verification:
    with month.database.transaction() as connection:
        return verify(connection, reference)


def wrong(month: SmallMonth, reference: str = US_1) -> set[str]:
    return {check.what for check in verified(month, reference).wrong}


def void(month: SmallMonth, name: str) -> None:
    with month.database.transaction() as connection:
        void_event(
            connection,
            event_id=event_id("/gateway", name),
            by="ann",
            reason="sent by mistake",
            at=month.clock.now(),
        )


def all_wrong(month: SmallMonth) -> dict[str, set[str]]:
    return {number: found for number in month.invoices() if (found := wrong(month, number))}


def test_every_document_of_a_whole_month_is_right(month: SmallMonth) -> None:
    found = {number: verified(month, number) for number in month.invoices()}

    assert all(one.is_right for one in found.values())
    assert {number: one.event_count for number, one in found.items()} == {
        "DE-000001": 2,
        "US-000001": 3,
        "US-000002": 1,
        "US-000003": 1,
    }
    # Usage, commitment, prepaid credits, fee, tax: each kind of amount was recomputed.
    subjects = {check.what for one in found.values() for check in one.checks}
    assert subjects == {
        "quantity",
        "events",
        "digest",
        "charged so far",
        "working",
        "amount",
        "residue",
        "tax WA",
        "tax DE",
    }


def test_a_document_is_found_by_id_too(month: SmallMonth) -> None:
    by_id = verified(month, month.invoice_of("acme").invoice_id)

    assert by_id == verified(month, US_1)


def test_documents_and_their_corrections_stay_right_after_late_events_and_voids(
    month: SmallMonth,
) -> None:
    for number, late in enumerate(("acme", "beta", "coral", "delta")):
        month.later()
        month.use(f"late-{number}", late, "large", 20_000)
        month.run()
    month.later()
    void(month, "a2")
    void(month, "late-1")
    month.run()
    month.later()
    month.use("last", "acme", "small", 7)
    month.run()

    numbers = set(month.invoices())
    assert {"US-CM-000001", "US-CM-000002"} <= numbers
    assert len(numbers) == 4 + 4 + 2 + 1
    assert all_wrong(month) == {}


def test_an_event_that_is_not_billed_yet_changes_nothing(month: SmallMonth) -> None:
    month.use("late", "acme", "large", 100)
    month.run("meter")

    assert all_wrong(month) == {}


@pytest.mark.parametrize(
    "decided_later",
    [
        """price_books: [{id: usd, version: 2, currency: USD, effective_from: 2023-06-01, prices: [
        {product: large, model: unit, unit_price: 7}, {product: small, model: unit, unit_price: 7},
        {product: support, model: flat, amount: 7}]}]""",
        """meters: [{id: tokens, version: 2, effective_from: 2023-06-01, event_type: llm.request,
        aggregation: count, unit: token, dimensions: [model]}]""",
        """contracts: [{id: beta-1, version: 2, customer: beta, entity: us, currency: USD,
        price_book: usd, effective_from: 2023-02-01, items: [large],
        commitment: {monthly_amount: 7}}]""",
        """tax_tables: [{entity: us, version: 2, rates: [{jurisdiction: US-WA, tax_code: WA,
        tax_class: standard, rate: 1 %, effective_from: 2020-01-01}]}]""",
        """customers: [{id: acme, name: Moved, jurisdiction: US-OR, external_ids: {erp: C-9}}]""",
        """entities: [{id: us, name: Example Inc, currency: USD, country: US, target: erp,
        invoice_prefix: US, tax_rounding: document}]""",
    ],
    ids=["price", "meter", "contract", "tax", "customer", "entity"],
)
def test_a_version_decided_later_does_not_make_an_issued_document_wrong(
    month: SmallMonth, decided_later: str
) -> None:
    month.later(decided_later)

    assert all_wrong(month) == {}


def test_a_corrected_price_is_credited_and_both_documents_are_right(month: SmallMonth) -> None:
    month.later(
        """price_books: [{id: usd, version: 2, currency: USD, effective_from: 2023-06-01, prices: [
        {product: large, model: unit, unit_price: "0.005"},
        {product: small, model: unit, unit_price: "0.00333"},
        {product: support, model: flat, amount: 1000}]}]"""
    )
    month.run()

    # 1501 x 0.005 = 7.505, billed 13.76; support 1000 instead of 1200.
    assert str(month.invoices()["US-CM-000001"].net) == "-206.26 USD"
    assert all_wrong(month) == {}


def test_a_contract_that_loses_a_product_is_credited_and_right(month: SmallMonth) -> None:
    month.later(
        """contracts: [{id: acme-1, version: 2, customer: acme, entity: us, currency: USD,
        price_book: usd, effective_from: 2023-11-01, items: [large]}]"""
    )
    month.run()

    assert str(month.invoices()["US-CM-000001"].net) == "-1,203.33 USD"
    assert all_wrong(month) == {}


EVENT = "where event_id = 'a1'"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            f"""update usage_event set data = '{{"model": "large", "tokens": 1}}' {EVENT}""",
            {"quantity", "digest", "charged so far"},
        ),
        (
            f"""update usage_event set data = (data::jsonb || '{{"note": "x"}}')::json {EVENT}""",
            {"digest"},
        ),
        (f"update usage_event set occurred_at = occurred_at + interval '1s' {EVENT}", {"digest"}),
        (f"update usage_event set f1 = f1 + 1 {EVENT}", set()),
        (
            f"update usage_event set subject = 'beta' {EVENT}",
            {"quantity", "events", "digest", "charged so far"},
        ),
        (
            f"delete from usage_event {EVENT}",
            {"quantity", "events", "digest", "charged so far"},
        ),
        (
            f"insert into event_exclusion select h, day, 'x', 1, now() from usage_event {EVENT}",
            {"quantity", "events", "digest", "charged so far"},
        ),
        ("update metered_usage set quantity = quantity + 1", {"quantity"}),
        ("update metered_usage set event_count = event_count + 1", {"events"}),
        ("update metered_usage set digest = repeat('0', 32)", {"digest"}),
        (
            "update charge set amount = amount + 1 where kind = 'usage'",
            {"charged so far", "working", "amount"},
        ),
        (
            "update charge set amount = amount + 0.001 where kind = 'fixed'",
            {"charged so far", "working", "residue"},
        ),
        ("update charge set quantity = quantity + 1 where kind = 'usage'", {"quantity"}),
        (
            """update charge set price = jsonb_set(price, '{tiers,0,unit_price}', '"9"')
               where product_id = 'small'""",
            {"charged so far"},
        ),
        (
            """update charge set price = jsonb_set(price, '{flat_amount}', '"9"')
               where kind = 'fixed'""",
            {"charged so far"},
        ),
        ("update invoice_line set amount_minor = amount_minor + 1", {"amount", "tax WA"}),
        ("update invoice_line set residue = residue + 0.001", {"residue"}),
        ("update invoice_line set quantity = quantity + 1", {"quantity"}),
        ("update invoice_line set tax_class = 'none'", {"tax WA"}),
        ("update invoice_tax set amount_minor = amount_minor + 1", {"tax WA"}),
        ("update invoice_tax set rate = 0.2, amount_minor = amount_minor * 2", {"tax WA"}),
        ("delete from invoice_tax", {"tax WA"}),
    ],
)
def test_whatever_is_changed_behind_the_books_is_told(
    month: SmallMonth, change: str, told: set[str]
) -> None:
    month.tamper(change)

    assert wrong(month) == told


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (
            "US-000002",
            """update charge set amount = amount + 1, parts = jsonb_set(parts, '{0,amount}', '"101"')
               where kind = 'commitment_shortfall'""",
        ),
        ("US-000002", "update charge set amount = amount + 1 where kind = 'usage'"),
        ("US-000003", "update credit_movement set value = value - 1 where kind = 'drawdown'"),
        ("US-000003", "update credit_movement set value = value + 1 where kind = 'grant'"),
    ],
)
def test_commitments_and_credits_are_recomputed_too(
    month: SmallMonth, number: str, change: str
) -> None:
    month.tamper(change)

    assert "charged so far" in wrong(month, number)


def test_what_is_not_issued_cannot_be_verified(month: SmallMonth) -> None:
    month.use("late", "acme", "large", 100)
    month.run("invoice")
    [draft] = month.ask("select invoice_id from invoice where state <> 'issued'")

    with pytest.raises(Rejected, match="once it is issued"):
        verified(month, draft)
    with pytest.raises(Rejected, match="There is no invoice US-999999"):
        verified(month, "US-999999")


def test_the_command_ends_with_1_when_a_document_is_wrong(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tollbook = command_line(month, tmp_path, monkeypatch)

    right = tollbook("verify", US_1)
    month.tamper("update metered_usage set quantity = quantity + 1")
    differs = tollbook("verify", US_1)
    as_json = tollbook("verify", US_1, "--json")

    assert (right.exit_code, differs.exit_code, as_json.exit_code) == (0, 1, 1)
    assert "US-000001 is what its events and terms make of it" in right.output
    assert "quantity is 1502, recomputed 1501" in differs.output
    assert [check["stored"] for check in json.loads(as_json.output)["wrong"]] == ["1502", "1002"]
