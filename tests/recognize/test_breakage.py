"""Paid credits that expire are revenue, at what was paid for them."""

from datetime import date
from decimal import Decimal

from meter.company import AT, NOVEMBER, Company, contract
from tollbook.flow.recognize.step import recognize
from tollbook.ledger.store import balances
from tollbook.records.credits import CreditGrant
from tollbook.storage.database import Database

EXPIRY = date(2023, 11, 20)


def company_with(database: Database, grant: CreditGrant) -> Company:
    company = Company(database, contract(credits=(grant,)))
    company.use({"tokens": 10000})
    company.rate()
    return company


def recognized(company: Company) -> dict[str, int]:
    with company.database.transaction() as connection:
        recognize(connection, catalog=company.catalog(), month=NOVEMBER, at=AT)
    with company.database.transaction() as connection:
        return {role: minor for _, _, role, minor in balances(connection)}


def test_what_was_paid_for_credits_that_expired_is_revenue_once(database: Database) -> None:
    bought = CreditGrant("g", Decimal(50), date(2023, 11, 5), EXPIRY, cost=Decimal(40))
    company = company_with(database, bought)

    first, again = recognized(company), recognized(company)

    assert first == again == {"contract_liability": 2400, "revenue:credits": -2400}


def test_credits_that_were_given_expire_without_revenue(database: Database) -> None:
    given = CreditGrant("g", Decimal(50), date(2023, 11, 5), EXPIRY, kind="promotional")
    company = company_with(database, given)

    assert recognized(company) == {}


def test_late_use_takes_back_revenue_of_what_had_expired(database: Database) -> None:
    company = company_with(database, CreditGrant("g", Decimal(50), date(2023, 11, 5), EXPIRY))
    recognized(company)
    company.use({"tokens": 5000})
    company.rate()

    assert recognized(company) == {"contract_liability": 2000, "revenue:credits": -2000}
