"""A finance document on its way into an ERP, and what the ERP answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

DocumentKind = Literal["invoice", "credit_memo", "journal"]


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line as the ERP sees it; `account` and `item` are already the ERP's names.

    For an invoice `amount` is signed in favour of revenue (positive = the customer owes it); for a
    journal a debit is positive and a credit negative. Major units of the document's currency.
    """

    line_no: int
    account: str
    amount: Decimal
    description: str
    item: str = ""
    service_from: date | None = None
    service_until: date | None = None


@dataclass(frozen=True, slots=True)
class DocumentTax:
    """A tax amount as the ERP sees it; `code` and `account` are the ERP's names.

    `line_no` is the line it is charged on; 0 means the whole document.
    """

    code: str
    account: str
    rate: Decimal
    base: Decimal
    amount: Decimal
    description: str
    line_no: int = 0


@dataclass(frozen=True, slots=True)
class FinanceDocument:
    """What is posted: frozen at first send, the same bytes on every attempt.

    `key` (long) and `key16` (16 characters) identify the document in the ERP. A credit memo has
    negative amounts and names the document it corrects by `corrects_key`.
    """

    kind: DocumentKind
    key: str
    key16: str
    number: str
    company: str
    currency: str
    document_date: date
    accounting_date: date
    lines: tuple[DocumentLine, ...]
    taxes: tuple[DocumentTax, ...] = ()
    customer: str = ""
    due_date: date | None = None
    receivable_account: str = ""
    memo: str = ""
    corrects_key: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def net(self) -> Decimal:
        """Sum of the lines; for a journal the sum of its debits."""
        if self.kind == "journal":
            return sum((line.amount for line in self.lines if line.amount > 0), Decimal(0))
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def tax(self) -> Decimal:
        """Sum of the taxes."""
        return sum((tax.amount for tax in self.taxes), Decimal(0))

    @property
    def total(self) -> Decimal:
        """Net plus tax."""
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the ERP holds under our key, read back from it. Amounts signed as in our document.

    `period` is YYYY-MM of the ERP's posting period. None = the ERP does not tell.
    """

    reference: str
    number: str
    currency: str
    net: Decimal
    tax: Decimal
    total: Decimal
    period: str | None
    customer: str | None
    line_count: int | None
    state: Literal["draft", "posted"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the ERP's document is not ours."""

    field: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class PendingRemote:
    """The ERP took the document but has not posted it yet; ask again by our key."""

    reference: str
