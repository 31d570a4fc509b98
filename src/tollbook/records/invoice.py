"""Invoices and credit memos: what a customer owes, in money, numbered, immutable once issued."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from tollbook.records.charge import ChargeKind
from tollbook.values.ids import ChargeId, CustomerId, EntityId, InvoiceId
from tollbook.values.money import Money
from tollbook.values.period import Month, Period

InvoiceKind = Literal["invoice", "credit_memo"]

InvoiceState = Literal["draft", "approved", "issued"]


@dataclass(frozen=True, slots=True)
class TaxLine:
    """Tax on one line at one rate, with the version of the tax table that said so."""

    line_no: int
    jurisdiction: str
    tax_code: str
    rate: Decimal
    base: Money
    amount: Money
    tax_version: int = 1


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One charge, settled. `residue` is what rounding left over (charge - amount), major units.

    `role` is the subledger account the line credits (negative lines debit it).
    """

    line_no: int
    charge_id: ChargeId
    kind: ChargeKind
    product_id: str
    description: str
    quantity: Decimal
    amount: Money
    residue: Decimal
    period: Period
    role: str
    tax_class: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice or a credit memo. Totals are sums of its lines and taxes, never typed in.

    A credit memo carries negative amounts and names the invoice it corrects. `booked_on` is the
    accounting date in the legal entity's calendar; `service_month` the month it bills.
    """

    invoice_id: InvoiceId
    kind: InvoiceKind
    state: InvoiceState
    entity_id: EntityId
    customer_id: CustomerId
    contract_id: str
    currency: str
    service_month: Month
    lines: tuple[InvoiceLine, ...]
    taxes: tuple[TaxLine, ...] = ()
    number: str | None = None
    booked_on: date | None = None
    due_on: date | None = None
    corrects: InvoiceId | None = None

    @property
    def net(self) -> Money:
        """Sum of the lines, before tax."""
        return Money(sum(line.amount.minor for line in self.lines), self.currency)

    @property
    def tax(self) -> Money:
        """Sum of the tax lines."""
        return Money(sum(line.amount.minor for line in self.taxes), self.currency)

    @property
    def total(self) -> Money:
        """Net plus tax: what the customer owes (or gets back, negative)."""
        return self.net + self.tax
