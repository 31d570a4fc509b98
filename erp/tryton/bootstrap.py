# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the books described by a JSON file into a Tryton database; again, it changes nothing.

    TRYTOND_CONFIG=trytond.conf bootstrap.py --database NAME BOOKS.json

Runs with Tryton's own python, inside the server's code and in one transaction: either the whole
description is in the books afterwards or nothing is. README.md has the format.
"""

import argparse
import json
import sys
import time
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

from trytond.pool import Pool
from trytond.transaction import Transaction, TransactionError

ROLES = {
    # role: (name of the account type, statement, its flags, flags of its GL accounts)
    "receivable": (
        "Receivable",
        "balance",
        {"assets": True, "receivable": True},
        {"party_required": True, "reconcile": True},
    ),
    "current_asset": ("Current assets", "balance", {"assets": True}, {}),
    "contract_asset": (
        "Contract assets",
        "balance",
        {"assets": True, "contract_balance": True},
        {},
    ),
    "payable": (
        "Payable",
        "balance",
        {"assets": False, "payable": True},
        {"party_required": True, "reconcile": True},
    ),
    "current_liability": ("Current liabilities", "balance", {"assets": False}, {}),
    "contract_liability": (
        "Contract liabilities",
        "balance",
        {"assets": False, "contract_balance": True},
        {},
    ),
    "equity": ("Equity", "balance", {"assets": False}, {}),
    "revenue": ("Revenue", "income", {"revenue": True}, {}),
    "expense": ("Expense", "income", {"expense": True}, {}),
}
CURRENCIES = {
    # code: (name, symbol, decimal places); any other code gets two places
    "EUR": ("Euro", "€", 2),
    "GBP": ("Pound sterling", "£", 2),
    "JPY": ("Yen", "¥", 0),
    "USD": ("US dollar", "$", 2),
}
PAYMENT_TERMS = [{"name": "30 days", "days": 30}]


class Books:
    """The open transaction, and a count of what this run created and changed."""

    def __init__(self, pool):
        self.pool = pool
        self.counts = Counter()

    def find(self, model, *clauses):
        found = self.pool.get(model).search(list(clauses), limit=2)
        if len(found) > 1:
            raise SystemExit(f"bootstrap: {model} {clauses} is not unique")
        return found[0] if found else None

    def ensure(self, model, *clauses, key, values=None, first=None):
        """This function will create the record that has this key, or write what differs in it.

        `first` holds the values given at creation only.
        """
        values = values or {}
        record = self.find(model, *((name, "=", value) for name, value in key.items()), *clauses)
        if record is None:
            (record,) = self.pool.get(model).create([{**key, **values, **(first or {})}])
            self.counts[f"{model} created"] += 1
            return record
        differing = {name: value for name, value in values.items() if plain(record, name) != value}
        if differing:
            self.pool.get(model).write([record], differing)
            self.counts[f"{model} changed"] += 1
        return record

    def reference(self, module, name):
        return self.pool.get("ir.model.data").get_id(module, name)


def plain(record, name):
    value = getattr(record, name)
    return value.id if hasattr(value, "id") else value


def put_currency(books, code):
    name, symbol, places = CURRENCIES.get(code, (code, None, 2))
    return books.ensure(
        "currency.currency",
        key={"code": code},
        first={
            "name": name,
            "symbol": symbol,
            "digits": places,
            "rounding": Decimal(1).scaleb(-places),
        },
    )


def put_companies(books, descriptions, login):
    """This function will create the companies and let the user work in all of them."""
    companies = []
    for described in descriptions:
        party = books.ensure(
            "party.party", key={"code": described["code"]}, values={"name": described["name"]}
        )
        currency = put_currency(books, described["currency"])
        companies.append(
            books.ensure(
                "company.company", key={"party": party.id}, values={"currency": currency.id}
            )
        )
    (user,) = books.pool.get("res.user").search([("login", "=", login)])
    wanted = {company.id for company in companies}
    missing = wanted - {company.id for company in user.companies}
    values = {}
    if missing:
        values["companies"] = [("add", sorted(missing))]
    if user.company is None:
        values["company"] = companies[0].id
    # With "one", the company of the first request stays in the server's cache for this user, and
    # a request for another company then finds nothing.
    if user.company_filter != "all":
        values["company_filter"] = "all"
    if values:
        books.pool.get("res.user").write([user], values)
        books.counts["res.user changed"] += 1
    return companies


def put_accounts(books, company, descriptions):
    """This function will return the company's GL accounts by their code."""
    model = "account.account.type"
    key = {"company": company.id, "name": company.party.code}
    root = books.ensure(model, ("parent", "=", None), key=key)
    accounts = {}
    for described in descriptions:
        role = described["role"]
        if role not in ROLES:
            raise SystemExit(
                f"bootstrap: GL account {described['code']} has the role {role!r}; "
                f"known roles are {', '.join(ROLES)}"
            )
        type_name, statement, type_flags, account_flags = ROLES[role]
        account_type = books.ensure(
            model,
            key={"company": company.id, "name": type_name, "parent": root.id},
            values={"statement": statement, **type_flags},
        )
        accounts[described["code"]] = books.ensure(
            "account.account",
            key={"company": company.id, "code": described["code"]},
            values={"name": described["name"], "type": account_type.id, **account_flags},
        )
    return accounts


def put_defaults(books, company, accounts):
    """This function will make the first receivable and payable GL accounts the defaults."""
    configuration = books.pool.get("account.configuration")(1)
    changed = False
    for field, flag in (
        ("default_account_receivable", "receivable"),
        ("default_account_payable", "payable"),
    ):
        fitting = [account for account in accounts.values() if getattr(account.type, flag)]
        current = configuration.get_multivalue(field, company=company.id)
        if fitting and current != fitting[0]:
            configuration.set_multivalue(field, fitting[0], company=company.id)
            changed = True
    if changed:
        books.counts["account.configuration changed"] += 1


def put_fiscal_year(books, company, year):
    """This function will create a calendar year with monthly periods and their numbering.

    Tryton numbers invoices of one sequence in the order of their dates. With a sequence for each
    month, a document that was held up can still be posted once a later month has begun.
    """
    key = {"company": company.id, "name": str(year)}
    if books.find("account.fiscalyear", *((name, "=", value) for name, value in key.items())):
        return
    move_type = books.reference("account", "sequence_type_account_move")
    (moves,) = put_sequences(books, company, move_type, {"moves": f"{year}-M"})
    FiscalYear = books.pool.get("account.fiscalyear")
    (fiscal_year,) = FiscalYear.create(
        [
            {
                **key,
                "start_date": date(year, 1, 1),
                "end_date": date(year, 12, 31),
                "move_sequence": moves.id,
            }
        ]
    )
    FiscalYear.create_period([fiscal_year])
    books.pool.get("account.fiscalyear.invoice_sequence").create(
        [month_numbering(books, company, period) for period in fiscal_year.periods]
    )
    books.counts["account.fiscalyear created"] += 1


def month_numbering(books, company, period):
    invoice_type = books.reference("account_invoice", "sequence_type_account_invoice")
    month = f"{period.start_date:%Y-%m}"
    invoices, credits_ = put_sequences(
        books, company, invoice_type, {"invoices": f"{month}-I", "credit notes": f"{month}-C"}
    )
    return {
        "company": company.id,
        "fiscalyear": period.fiscalyear.id,
        "period": period.id,
        "out_invoice_sequence": invoices.id,
        "out_credit_note_sequence": credits_.id,
        "in_invoice_sequence": invoices.id,
        "in_credit_note_sequence": credits_.id,
    }


def put_sequences(books, company, sequence_type, prefixes):
    """This function will create a gapless numbering for each prefix, by what it numbers."""
    code = company.party.code
    return books.pool.get("ir.sequence.strict").create(
        [
            {
                "name": f"{code} {prefix[:-2]} {what}",
                "company": company.id,
                "sequence_type": sequence_type,
                "prefix": f"{code}-{prefix}",
                "padding": 5,
            }
            for what, prefix in prefixes.items()
        ]
    )


def put_taxes(books, company, accounts, descriptions):
    """This function will create taxes that compute nothing: the sender brings the amounts."""
    for described in descriptions:
        account = accounts[described["account"]]
        books.ensure(
            "account.tax",
            key={"company": company.id, "name": described["code"]},
            values={
                "description": described.get("description", described["code"]),
                "type": "none",
                "invoice_account": account.id,
                "credit_note_account": account.id,
            },
        )


def put_payment_terms(books, descriptions):
    """This function will create the payment terms; the days of an existing one stay as they are."""
    for described in descriptions:
        remainder = {
            "type": "remainder",
            "relativedeltas": [("create", [{"days": described["days"]}])],
        }
        books.ensure(
            "account.invoice.payment_term",
            key={"name": described["name"]},
            first={"lines": [("create", [remainder])]},
        )


def put_parties(books, descriptions):
    """This function will create the customers and keep their names and addresses current."""
    Party = books.pool.get("party.party")
    Address = books.pool.get("party.address")
    codes = [described["code"] for described in descriptions]
    known = {party.code: party for party in Party.search([("code", "in", codes)])}
    new = []
    for described in descriptions:
        address = {
            "street": described.get("street") or None,
            "postal_code": described.get("postal_code") or None,
            "city": described.get("city") or None,
        }
        party = known.get(described["code"])
        if party is None:
            new.append(
                {
                    "code": described["code"],
                    "name": described["name"],
                    "addresses": [("create", [address])],
                }
            )
            continue
        if party.name != described["name"]:
            Party.write([party], {"name": described["name"]})
            books.counts["party.party changed"] += 1
        stored = party.addresses[0]
        differing = {
            name: value
            for name, value in address.items()
            if (getattr(stored, name) or None) != value
        }
        if differing:
            Address.write([stored], differing)
            books.counts["party.address changed"] += 1
    if new:
        Party.create(new)
        books.counts["party.party created"] += len(new)


def put_books(pool, transaction, description, login):
    """This function will make the database agree with the description."""
    books = Books(pool)
    check_codes(description)
    companies = put_companies(books, description["companies"], login)
    put_payment_terms(books, description.get("payment_terms", PAYMENT_TERMS))
    for company, described in zip(companies, description["companies"], strict=True):
        with transaction.set_context(company=company.id):
            accounts = put_accounts(books, company, described.get("accounts", []))
            put_defaults(books, company, accounts)
            for year in sorted(description["fiscal_years"]):
                put_fiscal_year(books, company, year)
            put_taxes(books, company, accounts, described.get("taxes", []))
    put_parties(books, description.get("parties", []))
    return books.counts


def check_codes(description):
    # A company is a party in Tryton, so companies and customers share one name space.
    codes = Counter(
        described["code"]
        for section in ("companies", "parties")
        for described in description.get(section, [])
    )
    repeated = sorted(code for code, times in codes.items() if times > 1)
    if repeated:
        raise SystemExit(f"bootstrap: party codes used twice: {', '.join(repeated)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", required=True)
    parser.add_argument("--login", default="admin")
    parser.add_argument("books", type=Path)
    options = parser.parse_args()
    description = json.loads(options.books.read_text(encoding="utf-8"))
    started = time.monotonic()
    Pool.start()
    pool = Pool(options.database)
    pool.init()
    extras = {}
    while True:
        with Transaction().start(options.database, 0, **extras) as transaction:
            try:
                counts = put_books(pool, transaction, description, options.login)
            except TransactionError as error:
                # Tryton asks for the transaction again, with the table locks it turned out to need.
                transaction.rollback()
                error.fix(extras)
                continue
        break
    summary = ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()))
    seconds = time.monotonic() - started
    print(f"bootstrap: {summary or 'nothing to do'} ({seconds:.1f} s)", file=sys.stderr)


if __name__ == "__main__":
    main()
