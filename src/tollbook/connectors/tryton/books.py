"""The books a Tryton sandbox is made with: companies, GL accounts, taxes and customers; pure."""

from collections.abc import Sequence
from typing import Any, Final

from tollbook.records.commercial import GlMap
from tollbook.records.parties import Customer, LegalEntity

# Our account roles as the kinds of account that `erp/tryton` knows.
_ROLES: Final = {
    "accounts_receivable": "receivable",
    "unbilled_receivable": "contract_asset",
    "contract_liability": "contract_liability",
    "tax_payable": "current_liability",
    "revenue": "revenue",
}


def books(
    entities: Sequence[tuple[LegalEntity, GlMap]],
    customers: Sequence[Customer],
    *,
    system: str,
    fiscal_years: Sequence[int],
) -> dict[str, Any]:
    """Describe books that can take every document of these legal entities and customers.

    `system` is the name under which customers carry their external id.
    """
    return {
        "fiscal_years": list(fiscal_years),
        "companies": [_company(entity, gl_map) for entity, gl_map in entities],
        "payment_terms": [
            {"name": name, "days": days}
            for name, days in sorted(
                {
                    gl_map.settings["payment_term"]: entity.payment_days
                    for entity, gl_map in entities
                    if "payment_term" in gl_map.settings
                }.items()
            )
        ],
        "parties": [
            {
                "code": customer.external_ids[system],
                "name": customer.name,
                "street": customer.street or "-",
                "city": customer.city or "-",
            }
            for customer in customers
            if system in customer.external_ids
        ],
    }


def _company(entity: LegalEntity, gl_map: GlMap) -> dict[str, Any]:
    accounts: dict[str, dict[str, str]] = {}
    for role, code in sorted(gl_map.accounts.items()):
        kind = _ROLES[role.partition(":")[0]]
        name = role.replace("_", " ").replace(":", ", ").capitalize()
        accounts.setdefault(code, {"code": code, "name": name, "role": kind})
    for code in sorted(gl_map.tax_accounts.values()):
        account = {"code": code, "name": f"Tax payable {code}", "role": _ROLES["tax_payable"]}
        accounts.setdefault(code, account)
    payable = gl_map.accounts.get("tax_payable", "")
    return {
        "code": gl_map.company,
        "name": entity.name,
        "currency": entity.currency,
        "accounts": list(accounts.values()),
        "taxes": [
            {"code": name, "account": gl_map.tax_accounts.get(code, payable)}
            for code, name in sorted(gl_map.tax_codes.items())
        ],
    }
