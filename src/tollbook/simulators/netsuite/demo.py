"""The company, the customers and the credentials that a fresh simulator starts with."""

from calendar import monthrange
from typing import Final

from tollbook.simulators.netsuite.wire import JsonObject

ACCOUNT: Final = "9999999_SB1"
CREDENTIALS: Final[JsonObject] = {
    "account": ACCOUNT,
    "tba": [
        {
            "consumer_key": "demo-consumer-key",
            "consumer_secret": "demo-consumer-secret",
            "token": "demo-token",
            "token_secret": "demo-token-secret",
        }
    ],
    "oauth2": [],
}

FIRST_YEAR: Final = 2024
LAST_YEAR: Final = 2027
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def master() -> JsonObject:
    """Return the demo master data in the shape of the master file."""
    return {
        "subsidiaries": [
            {"id": "1", "externalId": "us", "name": "Demo Inc", "currency": {"id": "1"}},
            {"id": "2", "externalId": "de", "name": "Demo GmbH", "currency": {"id": "2"}},
        ],
        "currencies": [
            {"id": "1", "externalId": "USD", "name": "US Dollar", "symbol": "USD", "decimals": 2},
            {"id": "2", "externalId": "EUR", "name": "Euro", "symbol": "EUR", "decimals": 2},
            {"id": "3", "externalId": "JPY", "name": "Yen", "symbol": "JPY", "decimals": 0},
            {"id": "4", "externalId": "GBP", "name": "Pound", "symbol": "GBP", "decimals": 2},
        ],
        "customers": [_customer(n) for n in range(1, 6)],
        "items": [
            {"id": "55", "externalId": "api-calls", "itemId": "API calls"},
            {"id": "56", "externalId": "storage", "itemId": "Storage"},
            {"id": "57", "externalId": "platform-fee", "itemId": "Platform fee"},
        ],
        "accounts": _accounts(),
        "taxCodes": [
            {"id": "12", "externalId": "us-tax", "itemId": "US sales tax", "rate": "7.25"},
            {"id": "13", "externalId": "de-vat-19", "itemId": "DE VAT 19%", "rate": "19"},
            {"id": "14", "externalId": "exempt", "itemId": "Exempt", "rate": "0"},
        ],
        "taxTypes": [{"id": "5", "name": "Sales tax"}, {"id": "6", "name": "VAT"}],
        "nexuses": [{"id": "1", "name": "US"}, {"id": "2", "name": "DE"}],
        "departments": [{"id": "3", "externalId": "sales", "name": "Sales"}],
        "classes": [{"id": "7", "externalId": "cloud", "name": "Cloud"}],
        "locations": [{"id": "1", "externalId": "hq", "name": "Headquarters"}],
        "terms": [{"id": "2", "name": "Net 30"}],
        "accountingPeriods": periods(FIRST_YEAR, LAST_YEAR),
    }


def _customer(n: int) -> JsonObject:
    return {
        "id": str(200 + n),
        "externalId": f"cust-{n}",
        "entityId": f"CUST{n}",
        "companyName": f"Customer {n}",
        "subsidiary": {"id": "1"},
        "currency": {"id": "1"},
    }


def _accounts() -> list[JsonObject]:
    named = (
        ("110", "1100", "Accounts receivable", "AcctRec"),
        ("250", "2500", "Deferred revenue", "DeferRevenue"),
        ("255", "2550", "Unbilled receivable", "UnbilledRec"),
        ("260", "2600", "Sales tax payable", "OthCurrLiab"),
        ("400", "4000", "Revenue", "Income"),
        ("410", "4100", "Usage revenue", "Income"),
        ("690", "6900", "Rounding", "Expense"),
    )
    return [
        {"id": id_, "externalId": number, "acctNumber": number, "acctName": name, "acctType": type_}
        for id_, number, name, type_ in named
    ]


def periods(first_year: int, last_year: int) -> list[JsonObject]:
    """Return one open accounting period per calendar month."""
    made: list[JsonObject] = []
    for year in range(first_year, last_year + 1):
        for month, name in enumerate(_MONTHS, start=1):
            made.append(
                {
                    "id": str(101 + len(made)),
                    "periodName": f"{name} {year}",
                    "startDate": f"{year}-{month:02}-01",
                    "endDate": f"{year}-{month:02}-{monthrange(year, month)[1]:02}",
                    "closed": False,
                }
            )
    return made
