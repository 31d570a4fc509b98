"""The SQL of the taxes on invoices."""

from collections.abc import Sequence

from tollbook.records.invoice import TaxLine
from tollbook.storage.database import Connection


def insert_taxes(connection: Connection, invoice_id: str, taxes: Sequence[TaxLine]) -> None:
    """Store the taxes of a document that is not issued yet."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into invoice_tax (invoice_id, line_no, jurisdiction, tax_code, rate,
                                        base_minor, amount_minor, tax_version)
               values (%s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    invoice_id,
                    tax.line_no,
                    tax.jurisdiction,
                    tax.tax_code,
                    tax.rate,
                    tax.base.minor,
                    tax.amount.minor,
                    tax.tax_version,
                )
                for tax in taxes
            ],
        )
