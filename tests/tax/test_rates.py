"""Which rate applies, and what it comes to."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tollbook.errors import Blocked
from tollbook.flow.tax.apply import TaxPolicy, TaxRounding, tax_lines
from tollbook.flow.tax.booking import issue_entry
from tollbook.flow.tax.determine import AppliedRate, rate_in_force, rates_for
from tollbook.records.commercial import TaxRate, TaxTable
from tollbook.records.invoice import Invoice, InvoiceLine, TaxLine
from tollbook.values.ids import ChargeId, CustomerId, EntityId, InvoiceId
from tollbook.values.money import Money, Precise, money_of, settle
from tollbook.values.period import Month

VECTORS = Path(__file__).parents[1] / "vectors" / "tax"
POLICIES: tuple[TaxRounding, ...] = get_args(TaxRounding)
DAY = date(2023, 11, 30)
OLD = AppliedRate("DE", "VAT19", Decimal("0.19"), 1)
TABLE = TaxTable(
    EntityId("de"), (TaxRate("DE", "saas", "VAT20", Decimal("0.20"), date(2023, 1, 1)),), version=2
)

minors = st.integers(min_value=-(10**9), max_value=10**9)
rates = st.decimals(min_value=0, max_value=1, places=5)


def cases(name: str) -> list[Any]:
    found = yaml.safe_load((VECTORS / f"{name}.yaml").read_text())
    return [pytest.param(case, id=case["why"]) for case in found]


def line(line_no: int, amount: Money, tax_class: str = "saas") -> InvoiceLine:
    return InvoiceLine(
        line_no=line_no,
        charge_id=ChargeId(f"chg_{line_no}"),
        kind="usage",
        product_id="tokens",
        description="Tokens",
        quantity=Decimal(1),
        amount=amount,
        residue=Decimal(0),
        period=Month(2023, 11).period,
        role="unbilled_receivable",
        tax_class=tax_class,
    )


def document(*lines: InvoiceLine, taxes: tuple[TaxLine, ...] = ()) -> Invoice:
    return Invoice(
        invoice_id=InvoiceId("inv_1"),
        kind="invoice",
        state="approved",
        entity_id=EntityId("de"),
        customer_id=CustomerId("acme"),
        contract_id="acme-1",
        currency="USD",
        service_month=Month(2023, 11),
        lines=lines,
        taxes=taxes,
    )


def at_rate(rate: Decimal) -> AppliedRate:
    return AppliedRate("DE", "VAT", rate, 1)


def minor_taxes(amounts: list[Money], rate: Decimal, policy: TaxRounding) -> list[int]:
    lines = [line(line_no, amount) for line_no, amount in enumerate(amounts, start=1)]
    taxes = tax_lines(lines, {"saas": at_rate(rate)}, TaxPolicy(policy))
    return [tax.amount.minor for tax in taxes]


@pytest.mark.parametrize("case", cases("rates"))
def test_the_rate_in_force(case: dict[str, Any]) -> None:
    rows = tuple(
        TaxRate("DE", "saas", code, Decimal(rate), start, end)
        for code, rate, start, end in case["rows"]
    )

    found = rate_in_force(
        TaxTable(EntityId("de"), rows), jurisdiction="DE", tax_class="saas", on=case["day"]
    )

    assert (found.tax_code if found else None) == case["code"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", cases("rounding"))
def test_tax_is_rounded_as_the_entity_says(case: dict[str, Any], policy: TaxRounding) -> None:
    bases = [money_of(Decimal(text), case.get("currency", "USD")) for text in case["bases"]]
    classes = case.get("classes", ["saas"] * len(bases))
    lines = [line(at, base, classes[at - 1]) for at, base in enumerate(bases, start=1)]

    taxes = tax_lines(lines, {"saas": at_rate(Decimal(case["rate"]))}, TaxPolicy(policy))

    amounts = {tax.line_no: f"{tax.amount.major:f}" for tax in taxes}
    # One rate: the sum of each rate is the sum of all.
    expected = case["document" if policy == "total" else policy]
    assert [amounts.get(one.line_no) for one in lines] == expected


@given(st.lists(minors.filter(bool), min_size=1, max_size=10), rates)
def test_line_taxes_sum_to_the_tax_of_the_document_rounded_once(
    bases: list[int], rate: Decimal
) -> None:
    taxes = minor_taxes([Money(base, "USD") for base in bases], rate, "document")

    exact = sum((Decimal(base).scaleb(-2) * rate for base in bases), Decimal(0))
    assert sum(taxes) == settle(Precise(exact, "USD"), "half_up").money.minor


@given(st.lists(minors.filter(bool), min_size=1, max_size=10), rates, st.sampled_from(POLICIES))
def test_a_full_credit_takes_back_exactly_the_tax_of_each_line(
    bases: list[int], rate: Decimal, policy: TaxRounding
) -> None:
    charged = minor_taxes([Money(base, "USD") for base in bases], rate, policy)
    credited = minor_taxes([Money(-base, "USD") for base in bases], rate, policy)

    assert credited == [-tax for tax in charged]


def test_classes_that_are_never_taxed_need_no_rate() -> None:
    invoice = document(
        line(1, Money(1000, "USD"), "exempt"),
        line(2, Money(1000, "USD"), "none"),
        line(3, Money(1000, "USD"), "saas"),
    )

    applied = rates_for(invoice, table=TABLE, jurisdiction="DE", on=DAY, original=None)

    assert applied == {"saas": AppliedRate("DE", "VAT20", Decimal("0.20"), 2)}


def test_a_rate_that_is_missing_says_whose_table_needs_it() -> None:
    invoice = document(line(1, Money(1000, "USD"), "hardware"))

    with pytest.raises(Blocked) as refusal:
        rates_for(invoice, table=TABLE, jurisdiction="DE", on=DAY, original=None)

    assert refusal.value.code == "tax.missing_rate"
    assert refusal.value.ids["cause"] == "de|DE|hardware"


def test_a_credit_memo_takes_tax_back_at_the_rate_that_was_charged() -> None:
    charged = line(1, Money(1000, "USD"))
    original = document(charged, taxes=tax_lines([charged], {"saas": OLD}, TaxPolicy()))
    memo = replace(document(line(1, Money(-500, "USD"))), kind="credit_memo")

    applied = rates_for(memo, table=TABLE, jurisdiction="DE", on=DAY, original=original)

    assert applied == {"saas": OLD}


def test_a_further_invoice_is_taxed_at_the_rate_of_its_own_day() -> None:
    charged = line(1, Money(1000, "USD"))
    original = document(charged, taxes=tax_lines([charged], {"saas": OLD}, TaxPolicy()))

    applied = rates_for(
        document(line(1, Money(500, "USD"))),
        table=TABLE,
        jurisdiction="DE",
        on=DAY,
        original=original,
    )

    assert applied["saas"].tax_code == "VAT20"


@given(st.lists(minors, min_size=1, max_size=6), rates, st.sampled_from(POLICIES))
def test_the_entry_of_an_issued_document_balances(
    bases: list[int], rate: Decimal, policy: TaxRounding
) -> None:
    lines = [line(line_no, Money(base, "USD")) for line_no, base in enumerate(bases, start=1)]
    taxes = tax_lines(lines, {"saas": at_rate(rate)}, TaxPolicy(policy))
    invoice = replace(document(*lines, taxes=taxes), number="DE-000001", booked_on=DAY)

    entry = issue_entry(invoice)

    sides = {one.role: one.amount for one in entry.lines} if entry else {}
    assert sum(amount.minor for amount in sides.values()) == 0
    nothing = Money(0, "USD")
    assert sides.get("accounts_receivable", nothing) == invoice.total
    assert sides.get("unbilled_receivable", nothing) == -invoice.net
    assert sides.get("tax_payable", nothing) == -invoice.tax
