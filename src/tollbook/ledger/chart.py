"""The chart of account roles; each legal entity maps a role to an account of its ERP."""

from typing import Final, Literal

from tollbook.records.charge import ChargeKind
from tollbook.records.commercial import RevenueMethod

Nature = Literal["asset", "liability", "revenue"]

RECEIVABLE: Final = "accounts_receivable"
UNBILLED: Final = "unbilled_receivable"
CONTRACT_LIABILITY: Final = "contract_liability"
TAX_PAYABLE: Final = "tax_payable"
REVENUE: Final = "revenue"

NATURES: Final[dict[str, Nature]] = {
    RECEIVABLE: "asset",
    UNBILLED: "asset",
    CONTRACT_LIABILITY: "liability",
    TAX_PAYABLE: "liability",
    REVENUE: "revenue",
}


def nature(role: str) -> Nature:
    """Return what kind of account a role is; `revenue:support` is as `revenue`."""
    return NATURES[role.partition(":")[0]]


def revenue_role(product_id: str) -> str:
    """Return the revenue account role of a product."""
    return f"{REVENUE}:{product_id}"


def billed_role(kind: ChargeKind, method: RevenueMethod) -> str:
    """Return the balance account an invoice line is billed against.

    Usage and shortfalls were accrued as an unconditional right when they arose (ASC 606-10-45-4);
    fees billed in advance and prepaid credits are owed service (ASC 606-10-45-2).
    """
    if kind in {"credit_purchase", "credit_applied"} or method == "ratable":
        return CONTRACT_LIABILITY
    return UNBILLED
