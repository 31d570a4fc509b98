# SPDX-License-Identifier: GPL-3.0-or-later
"""An invoice from another system: its totals are checked, its due date is not questioned."""

from trytond.pool import Pool, PoolMeta
from trytond.pyson import Eval
from trytond.transaction import Transaction


class Invoice(metaclass=PoolMeta):
    __name__ = "account.invoice"

    @classmethod
    def __setup__(cls):
        super().__setup__()
        # Tryton refuses to post when these differ from its own totals, but lets only its own
        # modules fill them in. Here the sender may, so a wrong total stops before it is booked.
        for field in (cls.source_untaxed_amount, cls.source_tax_amount, cls.source_total_amount):
            field.readonly = False
            field.states = {**field.states, "readonly": Eval("state") != "draft"}

    def get_move(self):
        # "Generates a payment date in the past" is a question to a person. The sender of a keyed
        # invoice is a program, and a bill that is posted late is due when its terms say.
        if not self.external_key:
            return super().get_move()
        with Transaction().set_context(_skip_warnings=True):
            return super().get_move()

    @classmethod
    def _post(cls, invoices):
        cls.lock_move_sequences(invoices)
        super()._post(invoices)

    @classmethod
    def lock_move_sequences(cls, invoices):
        """This function will lock the numbering of the moves before anything else is done.

        Tryton starts a transaction again each time it finds that it needs a lock. Numbering the
        moves is its last step, so without this it does nearly all of its work twice.
        """
        pool = Pool()
        Period = pool.get("account.period")
        Sequence = pool.get("ir.sequence.strict")
        sequences = set()
        for invoice in invoices:
            booked_on = invoice.accounting_date or invoice.invoice_date
            if invoice.move or not booked_on:
                continue
            period = Period.find(invoice.company, date=booked_on)
            sequences.add(period.move_sequence_used.id)
        if sequences:
            Sequence.lock(Sequence.browse(sorted(sequences)))
