"""Pairs of our document and the ERP's, kept as data; and the laws of journals and comparison."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fake_erp import sample
from tollbook.connectors.netsuite.mapping import Application, Period, payload
from tollbook.errors import Blocked
from tollbook.flow.post.compare import compare
from tollbook.flow.post.journal import JournalSummary, journal_document
from tollbook.flow.post.mapping import Address, invoice_document
from tollbook.flow.post.posting import posting_id_of
from tollbook.records.commercial import GlMap
from tollbook.records.invoice import Invoice, InvoiceLine, TaxLine
from tollbook.records.parties import Customer
from tollbook.records.posting import DocumentLine, DocumentTax, FinanceDocument, Receipt
from tollbook.sdk.http import encode
from tollbook.values.codec import from_builtins
from tollbook.values.ids import ChargeId, CustomerId, EntityId, InvoiceId
from tollbook.values.money import Money
from tollbook.values.period import Month

VECTORS = Path(__file__).parents[1] / "vectors" / "post"
INVOICES = yaml.safe_load((VECTORS / "invoices.yaml").read_text())
NETSUITE = yaml.safe_load((VECTORS / "netsuite.yaml").read_text())
NOVEMBER = Month(2023, 11)
CUSTOMER = Customer(CustomerId("acme"), "Acme", "US-NY", external_ids={"erp": "CUST-001"})
GL_MAP = GlMap(
    entity_id=EntityId("us"),
    target="erp",
    company="NWI-US",
    accounts={
        "accounts_receivable": "1100",
        "unbilled_receivable": "1150",
        "tax_payable": "2200",
        "contract_liability": "2300",
        "revenue": "4000",
        "revenue:support": "4100",
    },
    tax_codes={"US-NY": "NY-SALES", "US-TX": "TX-SALES"},
    tax_accounts={"US-NY": "2210"},
    settings={"item": "99", "item:llm-input": "55", "item:unbilled_receivable": "57"},
)
ADDRESS = Address("erp", "pst_1", "TB1")


def invoice_of(found: Mapping[str, Any]) -> Invoice:
    currency = found["currency"]
    return Invoice(
        invoice_id=InvoiceId("inv_1"),
        kind=found["kind"],
        state="issued",
        entity_id=EntityId("us"),
        customer_id=CustomerId("acme"),
        contract_id="acme-1",
        currency=currency,
        service_month=NOVEMBER,
        lines=tuple(
            InvoiceLine(
                line_no=line_no,
                charge_id=ChargeId(f"chg_{line_no}"),
                kind="usage",
                product_id=line["product_id"],
                description=line["description"],
                quantity=Decimal(line["quantity"]),
                amount=Money(line["amount_minor"], currency),
                residue=Decimal(0),
                period=NOVEMBER.period,
                role=line["role"],
                tax_class="saas",
            )
            for line_no, line in enumerate(found["lines"], start=1)
        ),
        taxes=tuple(
            TaxLine(
                line_no=tax["line_no"],
                jurisdiction="US",
                tax_code=tax["tax_code"],
                rate=Decimal(tax["rate"]),
                base=Money(tax["base_minor"], currency),
                amount=Money(tax["amount_minor"], currency),
            )
            for tax in found["taxes"]
        ),
        number=found["number"],
        booked_on=date(2023, 11, 30),
        due_on=date(2023, 12, 30),
        corrects=found["corrects"],
    )


def address_of(invoice: Invoice) -> Address:
    corrects = invoice.corrects
    return replace(ADDRESS, corrects_key=posting_id_of("erp", corrects) if corrects else "")


@pytest.mark.parametrize("case", INVOICES["cases"], ids=lambda case: case["why"])
def test_an_invoice_is_put_into_the_names_of_the_erp(case: dict[str, Any]) -> None:
    invoice, expected = invoice_of(case["invoice"]), case["expected"]

    document = invoice_document(
        invoice, address=address_of(invoice), customer=CUSTOMER, gl_map=GL_MAP
    )

    assert document.kind == invoice.kind
    assert document.accounting_date == date(2023, 11, 30)
    assert (document.customer, document.due_date) == (expected["customer"], expected["due_date"])
    assert document.corrects_key == expected["corrects_key"]
    for total in ("net", "tax", "total"):
        assert str(getattr(document, total)) == expected[total]
    for line, wanted in zip(document.lines, expected["lines"], strict=True):
        assert {name: shown(getattr(line, name)) for name in wanted} == wanted
    for tax, wanted in zip(document.taxes, expected["taxes"], strict=True):
        assert {name: shown(getattr(tax, name)) for name in wanted} == wanted


def shown(value: object) -> object:
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("case", INVOICES["refusals"], ids=lambda case: case["why"])
def test_a_missing_name_blocks_with_the_cause_that_one_correction_cures(
    case: dict[str, Any],
) -> None:
    [(part, name)] = case["without"].items()
    gl_map: GlMap | None = GL_MAP
    customer = CUSTOMER
    if part == "gl_map":
        gl_map = None
    elif part == "external_ids":
        customer = replace(CUSTOMER, external_ids={})
    else:
        found = getattr(GL_MAP, part)
        thinner: dict[str, Any] = {part: {key: found[key] for key in found if key != name}}
        gl_map = replace(GL_MAP, **thinner)

    with pytest.raises(Blocked) as refused:
        invoice_document(
            invoice_of(INVOICES["cases"][0]["invoice"]),
            address=ADDRESS,
            customer=customer,
            gl_map=gl_map,
        )

    assert refused.value.code == case["code"]
    assert refused.value.ids == {"cause": case["cause"]}


@pytest.mark.parametrize("case", NETSUITE["cases"], ids=lambda case: case["why"])
def test_a_document_becomes_the_body_netsuite_expects(case: dict[str, Any]) -> None:
    document = FinanceDocument(
        key="pst_1",
        key16="TB1",
        number="US-000041",
        company="1",
        document_date=date(2023, 11, 30),
        accounting_date=date(2023, 11, 30),
        lines=tuple(from_builtins(line, DocumentLine) for line in case["lines"]),
        taxes=tuple(from_builtins(tax, DocumentTax) for tax in case["taxes"]),
        customer="" if case["document"]["kind"] == "journal" else "cust-1",
        memo="US-000041, usage of 2023-11",
        settings={"currency:USD": "1", "tax_type": "5"},
        **case["document"],
    )
    found = case["application"]
    application = from_builtins(found, Application) if found else None
    period = Period("111", date(2023, 11, 1), date(2023, 11, 30))

    body = encode(payload(document, period, application)).decode()

    assert exact(body) == exact(case["expected"])


def exact(text: str) -> Any:
    # Numbers stay text: 1.50 and 1.5 are not the same body.
    return json.loads(text, parse_float=str)


def test_a_journal_is_summed_by_role_and_says_nothing_that_is_zero() -> None:
    summary = JournalSummary(
        "jdc_1",
        "us",
        "USD",
        date(2023, 11, 30),
        {
            "unbilled_receivable": Money(-12000, "USD"),
            "revenue:llm-input": Money(10000, "USD"),
            "revenue:support": Money(2000, "USD"),
            "contract_liability": Money(0, "USD"),
        },
    )

    document = journal_document(summary, address=ADDRESS, gl_map=GL_MAP)

    assert [(line.account, str(line.amount)) for line in document.lines] == [
        ("4000", "100.00"),
        ("4100", "20.00"),
        ("1150", "-120.00"),
    ]
    assert document.total == Decimal("120.00")


@given(st.lists(st.integers(-(10**12), 10**12).filter(bool), min_size=1, max_size=8))
def test_any_balanced_movement_becomes_a_balanced_journal(amounts: list[int]) -> None:
    moved = {f"revenue:p{number}": Money(minor, "USD") for number, minor in enumerate(amounts)}
    moved["contract_liability"] = Money(-sum(amounts), "USD")
    summary = JournalSummary("jdc_1", "us", "USD", date(2023, 11, 30), moved)

    document = journal_document(summary, address=ADDRESS, gl_map=GL_MAP)

    assert sum(line.amount for line in document.lines) == 0
    assert all(line.amount for line in document.lines)


def equal_receipt(document: FinanceDocument) -> Receipt:
    return Receipt(
        reference="1",
        number="INV1",
        currency="USD",
        net=document.net,
        tax=document.tax,
        total=document.total,
        period="2023-11",
        customer="cust-1",
        line_count=1,
        state="posted",
    )


def test_what_the_erp_does_not_tell_is_no_difference() -> None:
    document = sample("pst_1")
    silent = replace(equal_receipt(document), period=None, customer=None, line_count=None)

    assert compare(document, equal_receipt(document)) == ()
    assert compare(document, silent) == ()


def test_an_amount_with_fewer_decimals_is_the_same_amount() -> None:
    document = sample("pst_1")

    assert compare(document, replace(equal_receipt(document), total=Decimal(120))) == ()


@pytest.mark.parametrize(
    ("field", "theirs"),
    [
        ("net", Decimal("99.99")),
        ("tax", Decimal("20.01")),
        ("total", Decimal("120.01")),
        ("currency", "EUR"),
        ("period", "2023-12"),
        ("customer", "cust-2"),
        ("line_count", 2),
        ("state", "draft"),
    ],
)
def test_each_field_that_differs_is_named_with_both_sides(field: str, theirs: Any) -> None:
    document = sample("pst_1")

    [difference] = compare(document, replace(equal_receipt(document), **{field: theirs}))

    assert (difference.field, difference.theirs) == (field, str(theirs))
    assert difference.ours != difference.theirs
