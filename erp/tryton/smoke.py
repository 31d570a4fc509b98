# SPDX-License-Identifier: GPL-3.0-or-later
"""Post documents into a running server and provoke its refusals; also the connector's phrase book.

    TRYTON_ADMIN_PASSWORD=... smoke.py --port PORT --database NAME [--company CODE]

Standard library only. It leaves posted documents behind, so point it at books made for it. Every
run uses keys of its own and can be repeated.
"""

import argparse
import base64
import http.client
import itertools
import json
import os
import time
from datetime import date
from decimal import Decimal

TIMEOUT_SECONDS = 60


class Refused(Exception):
    """What the server answered instead of doing it: kind (UserError, UserWarning, ...), message."""

    def __init__(self, kind, message):
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


def encode(value):
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    raise TypeError(type(value))


def decode(found):
    kind = found.get("__class__")
    if kind == "Decimal":
        return Decimal(found["decimal"])
    if kind == "date":
        return date(found["year"], found["month"], found["day"])
    return found


class Tryton:
    def __init__(self, port, database, password):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self.path = f"/{database}/rpc/"
        self.numbers = itertools.count(1)
        self.headers = {"Content-Type": "application/json"}
        user, token, _ = self.call("common.db.login", "admin", {"password": password})
        session = base64.b64encode(f"admin:{user}:{token}".encode()).decode()
        self.headers["Authorization"] = f"Session {session}"
        self.context = {}

    def call(self, method, *params):
        body = {"id": next(self.numbers), "method": method, "params": params}
        self.connection.request("POST", self.path, json.dumps(body, default=encode), self.headers)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise Refused(f"HTTP {response.status}", response.reason)
        answer = json.loads(text, object_hook=decode)
        if "error" in answer:
            kind, detail = answer["error"][:2]
            message = detail
            if isinstance(detail, list):
                message = detail[1 if kind == "UserWarning" else 0]
            raise Refused(kind, message)
        return answer["result"]

    def model(self, model, method, *params):
        return self.call(f"model.{model}.{method}", *params, self.context)

    def rows(self, model, domain, names, *, limit=None):
        return self.model(model, "search_read", domain, 0, limit, None, names)


class Desk:
    """One company's ids, looked up by the codes that the books file gave them."""

    def __init__(self, tryton, code):
        self.tryton = tryton
        domain = [["party.code", "=", code]] if code else []
        company = tryton.rows("company.company", domain, ["party.code", "currency"], limit=1)[0]
        self.company = company["id"]
        self.currency = company["currency"]
        tryton.context = {"company": self.company, "language": "en"}
        mine = ["company", "=", self.company]
        self.accounts = {
            row["code"]: row["id"] for row in tryton.rows("account.account", [mine], ["code"])
        }
        self.receivable = self.account_of("receivable")
        self.revenue = self.account_of("revenue")
        self.contract = self.account_of("contract_balance")
        self.tax = tryton.rows("account.tax", [mine], ["invoice_account"], limit=1)[0]
        self.journals = {
            row["code"]: row["id"] for row in tryton.rows("account.journal", [], ["code"])
        }
        self.payment_term = tryton.rows("account.invoice.payment_term", [], ["name"], limit=1)[0][
            "id"
        ]
        customers = [["code", "!=", company["party."]["code"]], ["addresses", "!=", None]]
        party = tryton.rows("party.party", customers, ["addresses"], limit=1)[0]
        self.party, self.address = party["id"], party["addresses"][0]
        self.periods = sorted(
            tryton.rows(
                "account.period",
                [mine, ["type", "=", "standard"], ["state", "=", "open"]],
                ["name", "start_date", "end_date"],
            ),
            key=lambda row: row["start_date"],
        )
        # The end of the last period: an invoice may not be dated before one already numbered.
        self.booked_on = self.periods[-1]["end_date"]

    def account_of(self, flag):
        domain = [["company", "=", self.company], [f"type.{flag}", "=", True]]
        return self.tryton.rows("account.account", domain, ["code"], limit=1)[0]["id"]

    def invoice(self, key, amounts, taxes=(), *, booked_on=None, totals=None):
        """This function will write the values of an invoice: (GL account, amount) and tax lines."""
        booked_on = booked_on or self.booked_on
        lines = [
            {
                "type": "line",
                "company": self.company,
                "currency": self.currency,
                "invoice_type": "out",
                "account": account,
                "quantity": 1.0,
                "unit_price": Decimal(amount),
                "description": f"line {number}",
            }
            for number, (account, amount) in enumerate(amounts, 1)
        ]
        tax_lines = [
            {
                "manual": True,
                "tax": self.tax["id"],
                "account": self.tax["invoice_account"],
                "base": Decimal(base),
                "amount": Decimal(amount),
                "description": "Sales tax",
            }
            for base, amount in taxes
        ]
        return {
            "company": self.company,
            "type": "out",
            "party": self.party,
            "invoice_address": self.address,
            "currency": self.currency,
            "journal": self.journals["REV"],
            "account": self.receivable,
            "payment_term": self.payment_term,
            "reference": key,
            "external_key": key,
            "invoice_date": booked_on,
            "accounting_date": booked_on,
            "lines": [["create", lines]],
            "taxes": [["create", tax_lines]],
            **({"source_total_amount": Decimal(totals)} if totals else {}),
        }

    def move(self, key, lines, *, period=None, party=None):
        """This function will write the values of a journal entry: (GL account, debit, credit)."""
        period = period or self.periods[-1]
        return {
            "company": self.company,
            "journal": self.journals["MISC"],
            "period": period["id"],
            "date": period["end_date"],
            "description": key,
            "external_key": key,
            "lines": [
                [
                    "create",
                    [
                        {
                            "account": account,
                            "debit": Decimal(debit),
                            "credit": Decimal(credit),
                            **({"party": party} if account == self.receivable and party else {}),
                        }
                        for account, debit, credit in lines
                    ],
                ]
            ],
        }

    def post(self, model, values):
        """This function will create and post the document, and read back what became of it."""
        ids = self.tryton.model(model, "create", [values])
        self.tryton.model(model, "post", ids)
        names = {
            "account.invoice": [
                "number",
                "state",
                "untaxed_amount",
                "tax_amount",
                "total_amount",
                "move.number",
                "move.period.rec_name",
            ],
            "account.move": ["number", "state", "period.rec_name"],
        }[model]
        mine = [["company", "=", self.company], ["external_key", "=", values["external_key"]]]
        (row,) = self.tryton.rows(model, mine, names, limit=2)
        assert row["id"] == ids[0]
        assert row["state"] == "posted"
        return row


def refuse(label, expected, action):
    try:
        action()
    except Refused as refused:
        assert expected in refused.message, (label, refused)
        print(f"  refused {label}: {refused.kind}: {refused.message}")
    else:
        raise AssertionError(f"{label} was accepted")


def check_invoices(desk, key):
    def post(*arguments, **more):
        return desk.post("account.invoice", desk.invoice(*arguments, **more))

    row = post(
        f"{key}-1",
        [(desk.revenue, "100.00"), (desk.contract, "30.00"), (desk.contract, "-10.00")],
        [("120.00", "4.80"), ("120.00", "5.85")],
        totals="130.65",
    )
    assert (row["untaxed_amount"], row["tax_amount"]) == (Decimal("120.00"), Decimal("10.65"))
    print("  invoice", row["number"], row["total_amount"], row["move."]["period."]["rec_name"])
    row = post(f"{key}-2", [(desk.revenue, "-40.00")], [("-40.00", "-3.55")])
    assert row["total_amount"] == Decimal("-43.55")
    print("  credit note", row["number"], row["total_amount"])
    row = post(f"{key}-3", [(desk.revenue, "10.00"), (desk.contract, "-10.00")])
    assert row["total_amount"] == 0
    print("  nothing to pay", row["number"], row["total_amount"])

    tax_account = desk.tax["invoice_account"]
    refuse("the same key", "already used", lambda: post(f"{key}-1", [(desk.revenue, "1.00")]))
    refuse("plain liability", "its domain", lambda: post(f"{key}-4", [(tax_account, "1.00")]))
    refuse("five decimals", "exceeds", lambda: post(f"{key}-5", [(desk.revenue, "1.00001")]))
    refuse(
        "another total",
        "must equal the source value",
        lambda: post(f"{key}-6", [(desk.revenue, "1.00")], totals="1.01"),
    )
    refuse(
        "no period",
        "must create a period",
        lambda: post(f"{key}-7", [(desk.revenue, "1.00")], booked_on=date(1999, 1, 31)),
    )
    refuse(
        "unknown GL account",
        "does not exist",
        lambda: post(f"{key}-8", [(999999, "1.00")]),
    )


def check_moves(desk, key):
    entry = [(desk.contract, "5.00", "0.00"), (desk.revenue, "0.00", "5.00")]

    def post(*arguments, **more):
        return desk.post("account.move", desk.move(*arguments, **more))

    row = post(f"{key}-1", entry)
    print("  move", row["number"], row["period."]["rec_name"])
    owed = [(desk.receivable, "5.00", "0.00"), (desk.revenue, "0.00", "5.00")]
    row = post(f"{key}-2", owed, party=desk.party)
    print("  move with a party", row["number"])

    refuse("the same key", "already used", lambda: post(f"{key}-1", entry))
    refuse("receivable without a party", "Party", lambda: post(f"{key}-3", owed))
    uneven = [*entry[:1], (desk.revenue, "0.00", "4.99")]
    refuse("uneven", "balance all its lines", lambda: post(f"{key}-4", uneven))


def check_closed_period(desk, key):
    period = desk.periods[0]
    desk.tryton.model("account.period", "close", [period["id"]])
    try:
        entry = [(desk.contract, "5.00", "0.00"), (desk.revenue, "0.00", "5.00")]
        refuse(
            "move in a closed period",
            "closed period",
            lambda: desk.post("account.move", desk.move(f"{key}-5", entry, period=period)),
        )
        values = desk.invoice(f"{key}-9", [(desk.revenue, "1.00")], booked_on=period["end_date"])
        refuse(
            "invoice in a closed period",
            "must reopen the period",
            lambda: desk.post("account.invoice", values),
        )
    finally:
        desk.tryton.model("account.period", "reopen", [period["id"]])


def check_sessions(desk, options):
    headers = dict(desk.tryton.headers)
    desk.tryton.headers["Authorization"] = "Session " + base64.b64encode(b"admin:1:0").decode()
    refuse("a stale session", "", lambda: desk.tryton.rows("party.party", [], ["code"], limit=1))
    desk.tryton.headers = headers
    refuse(
        "a wrong password",
        "",
        lambda: Tryton(options.port, options.database, "not the password"),
    )


def discard_drafts(tryton, key):
    """This function will delete what was refused: a draft move keeps its period open."""
    for model in ("account.invoice", "account.move"):
        domain = [["external_key", "like", f"{key}%"], ["state", "=", "draft"]]
        if ids := [row["id"] for row in tryton.rows(model, domain, ["id"])]:
            tryton.model(model, "delete", ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--database", required=True)
    parser.add_argument("--company", help="its code; without it, the first one")
    options = parser.parse_args()
    started = time.monotonic()
    tryton = Tryton(options.port, options.database, os.environ["TRYTON_ADMIN_PASSWORD"])
    assert "external_key" in tryton.model("account.invoice", "fields_get", ["external_key"])
    desk = Desk(tryton, options.company)
    key = f"smoke-{time.time_ns()}"
    print("invoices")
    check_invoices(desk, f"{key}-i")
    print("moves")
    check_moves(desk, f"{key}-m")
    print("periods")
    check_closed_period(desk, key)
    discard_drafts(tryton, key)
    print("sessions")
    check_sessions(desk, options)
    print(f"all as expected ({time.monotonic() - started:.1f} s)")


if __name__ == "__main__":
    main()
