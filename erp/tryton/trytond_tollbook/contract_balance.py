# SPDX-License-Identifier: GPL-3.0-or-later
"""Let a customer invoice line book on a contract asset or a contract liability.

Tryton offers revenue accounts only to the lines of a customer invoice, and forbids the revenue flag
on a balance sheet type. Under IFRS 15 and ASC 606 an invoice often settles a contract balance
instead: it turns unbilled receivable into receivable, or raises a contract liability for what is
billed in advance. So account types get one more flag, and invoice lines accept it.
"""

from trytond.model import fields
from trytond.pool import PoolMeta
from trytond.pyson import Eval, If


class AccountType(metaclass=PoolMeta):
    __name__ = "account.account.type"

    contract_balance = fields.Boolean(
        "Contract Balance",
        domain=[
            If(Eval("statement") != "balance", ("contract_balance", "=", False), ()),
            If(
                Eval("receivable", False) | Eval("payable", False),
                ("contract_balance", "=", False),
                (),
            ),
        ],
        states={"invisible": Eval("statement") != "balance"},
        help="Check to allow customer invoice lines to book on accounts of this type.",
    )


class InvoiceLine(metaclass=PoolMeta):
    __name__ = "account.invoice.line"

    @classmethod
    def _account_domain(cls, type_):
        domain = super()._account_domain(type_)
        if type_ == "out":
            domain = [*domain, ("type.contract_balance", "=", True)]
        return domain
