"""The SQL of invoices, their lines, and their number series."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from psycopg.rows import DictRow, dict_row

from tollbook.flow.invoice.settlement import Billed
from tollbook.flow.invoice.states import State
from tollbook.flow.rate.rated import Obligation
from tollbook.records.invoice import Invoice, InvoiceKind, InvoiceLine, InvoiceState, TaxLine
from tollbook.storage.database import Connection
from tollbook.values.ids import ChargeId, CustomerId, EntityId, InvoiceId
from tollbook.values.money import Money, Precise
from tollbook.values.period import Month, Period


def load_invoice(connection: Connection, reference: str) -> Invoice | None:
    """Return an invoice by its id or, once issued, by its number; None when there is none."""
    row = connection.execute(
        """select invoice_id from invoice where invoice_id = %(reference)s
               or number = %(reference)s
           order by invoice_id <> %(reference)s, entity_id limit 1""",
        {"reference": reference},
    ).fetchone()
    return load_invoices(connection, [row[0]])[0] if row else None


def load_invoices(connection: Connection, invoice_ids: Iterable[str]) -> list[Invoice]:
    """Return whole invoices, by entity, contract, month and id."""
    ids = list(invoice_ids)
    lines, taxes = _lines(connection, ids), _taxes(connection, ids)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """select invoice_id, kind, state, entity_id, customer_id, contract_id, currency,
                      service_month, number, booked_on, due_on, corrects
               from invoice where invoice_id = any(%s)
               order by entity_id, contract_id, service_month, corrects is not null, invoice_id""",
            [ids],
        ).fetchall()
    return [
        _invoice(row, tuple(lines[row["invoice_id"]]), tuple(taxes[row["invoice_id"]]))
        for row in rows
    ]


def list_invoices(
    connection: Connection,
    *,
    month: Month | None = None,
    state: InvoiceState | None = None,
    entity_id: str | None = None,
) -> list[Invoice]:
    """Return the invoices of a service month, a state, a legal entity, or all of them."""
    rows = connection.execute(
        """select invoice_id from invoice
           where (%(month)s::text is null or service_month = %(month)s)
             and (%(state)s::text is null or state = %(state)s)
             and (%(entity_id)s::text is null or entity_id = %(entity_id)s)
           order by invoice_id""",
        {"month": str(month) if month else None, "state": state, "entity_id": entity_id},
    ).fetchall()
    return load_invoices(connection, [row[0] for row in rows])


def issued_invoices(connection: Connection, month: Month) -> list[Invoice]:
    """Return the issued invoices and credit memos of a service month."""
    return list_invoices(connection, month=month, state="issued")


def lock_month(
    connection: Connection, month: Month, states: Sequence[InvoiceState]
) -> list[Invoice]:
    """Return the invoices of a month in these states, locked until commit."""
    rows = connection.execute(
        """select invoice_id from invoice where service_month = %s and state = any(%s)
           order by entity_id, contract_id, invoice_id for update""",
        [str(month), list(states)],
    ).fetchall()
    return load_invoices(connection, [row[0] for row in rows])


def lock_invoices(connection: Connection, invoice_ids: Iterable[str]) -> list[Invoice]:
    """Return these invoices, locked until commit; ids that do not exist are left out."""
    rows = connection.execute(
        """select invoice_id from invoice where invoice_id = any(%s)
           order by entity_id, contract_id, invoice_id for update""",
        [list(invoice_ids)],
    ).fetchall()
    return load_invoices(connection, [row[0] for row in rows])


def issued_at(connection: Connection, invoice: Invoice) -> datetime:
    """Return when an issued document was issued."""
    row = connection.execute(
        "select issued_at from invoice where invoice_id = %s and state = 'issued'",
        [invoice.invoice_id],
    ).fetchone()
    assert row is not None, "only an issued document was issued"
    found: datetime = row[0]
    return found


def issued_of(connection: Connection, invoice_ids: Iterable[str]) -> set[InvoiceId]:
    """Return which of these invoices are issued."""
    rows = connection.execute(
        "select invoice_id from invoice where invoice_id = any(%s) and state = 'issued'",
        [list(invoice_ids)],
    )
    return {InvoiceId(row[0]) for row in rows}


def billed(connection: Connection, month: Month) -> dict[Obligation, Billed]:
    """Return what issued documents of a service month hold of each obligation."""
    rows = connection.execute(
        """select c.contract_id, c.kind, c.product_id, c.starts_at, c.ends_at, c.entity_id,
                  c.currency, c.rule_id, sum(c.amount), sum(l.amount_minor)::bigint
           from invoice i
               join invoice_line l using (invoice_id)
               join charge c using (charge_id)
           where i.service_month = %s and i.state = 'issued'
           group by 1, 2, 3, 4, 5, 6, 7, 8""",
        [str(month)],
    )
    return {
        Obligation(
            row[0], row[1], row[2], Period(row[3], row[4]), EntityId(row[5]), row[6], row[7]
        ): Billed(Precise(row[8], row[6]), Money(row[9], row[6]))
        for row in rows
    }


def insert_draft(connection: Connection, invoice: Invoice, *, at: datetime) -> None:
    """Store a draft with its lines."""
    connection.execute(
        """insert into invoice (invoice_id, kind, state, entity_id, customer_id, contract_id,
                                currency, service_month, corrects, drafted_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            invoice.invoice_id,
            invoice.kind,
            State.DRAFT,
            invoice.entity_id,
            invoice.customer_id,
            invoice.contract_id,
            invoice.currency,
            str(invoice.service_month),
            invoice.corrects,
            at,
        ],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into invoice_line (invoice_id, line_no, charge_id, kind, product_id,
                                         description, quantity, amount_minor, residue, starts_at,
                                         ends_at, role, tax_class)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [_line_row(invoice.invoice_id, line) for line in invoice.lines],
        )


def delete_draft(connection: Connection, invoice_id: str) -> None:
    """Remove a draft with its lines; the database refuses any other state."""
    connection.execute("delete from invoice_line where invoice_id = %s", [invoice_id])
    connection.execute("delete from invoice where invoice_id = %s", [invoice_id])


def set_approved(connection: Connection, invoice_id: str, *, by: str, at: datetime) -> None:
    """Mark a draft as approved."""
    connection.execute(
        """update invoice set state = %s, approved_by = %s, approved_at = %s
           where invoice_id = %s""",
        [State.APPROVED, by, at, invoice_id],
    )


def set_draft(connection: Connection, invoice_id: str) -> None:
    """Take an approval back."""
    connection.execute(
        """update invoice set state = %s, approved_by = null, approved_at = null
           where invoice_id = %s""",
        [State.DRAFT, invoice_id],
    )


def set_issued(
    connection: Connection,
    invoice_id: str,
    *,
    number: str,
    booked_on: date,
    due_on: date,
    at: datetime,
) -> None:
    """Issue an approved document; from here on the database refuses any change of it."""
    connection.execute(
        """update invoice set state = %s, number = %s, booked_on = %s, due_on = %s, issued_at = %s
           where invoice_id = %s""",
        [State.ISSUED, number, booked_on, due_on, at, invoice_id],
    )


def next_number(connection: Connection, entity_id: str, series: InvoiceKind) -> int:
    """Take the next number of a series; it is given back if the transaction does not commit.

    The row stays locked until then, so numbers are given in the order of commits.
    """
    row = connection.execute(
        """insert into invoice_series (entity_id, series, last_number) values (%s, %s, 1)
           on conflict (entity_id, series)
               do update set last_number = invoice_series.last_number + 1
           returning last_number""",
        [entity_id, series],
    ).fetchone()
    assert row is not None
    return int(row[0])


def superseded_of(connection: Connection, charge_ids: Sequence[str]) -> set[ChargeId]:
    """Return which of these charges no longer count."""
    rows = connection.execute(
        "select charge_id from charge_superseded where charge_id = any(%s)", [list(charge_ids)]
    )
    return {ChargeId(row[0]) for row in rows}


def _lines(connection: Connection, invoice_ids: list[str]) -> dict[str, list[InvoiceLine]]:
    found: dict[str, list[InvoiceLine]] = defaultdict(list)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """select l.*, i.currency from invoice_line l join invoice i using (invoice_id)
               where invoice_id = any(%s) order by invoice_id, line_no""",
            [invoice_ids],
        )
        for row in rows:
            found[row["invoice_id"]].append(_line(row))
    return found


def _taxes(connection: Connection, invoice_ids: list[str]) -> dict[str, list[TaxLine]]:
    found: dict[str, list[TaxLine]] = defaultdict(list)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            """select t.*, i.currency from invoice_tax t join invoice i using (invoice_id)
               where invoice_id = any(%s) order by invoice_id, line_no, tax_code""",
            [invoice_ids],
        )
        for row in rows:
            found[row["invoice_id"]].append(_tax(row))
    return found


def _invoice(row: DictRow, lines: tuple[InvoiceLine, ...], taxes: tuple[TaxLine, ...]) -> Invoice:
    return Invoice(
        invoice_id=InvoiceId(row["invoice_id"]),
        kind=row["kind"],
        state=row["state"],
        entity_id=EntityId(row["entity_id"]),
        customer_id=CustomerId(row["customer_id"]),
        contract_id=row["contract_id"],
        currency=row["currency"],
        service_month=Month.parse(row["service_month"]),
        lines=lines,
        taxes=taxes,
        number=row["number"],
        booked_on=row["booked_on"],
        due_on=row["due_on"],
        corrects=row["corrects"],
    )


def _line(row: DictRow) -> InvoiceLine:
    return InvoiceLine(
        line_no=row["line_no"],
        charge_id=ChargeId(row["charge_id"]),
        kind=row["kind"],
        product_id=row["product_id"],
        description=row["description"],
        quantity=row["quantity"],
        amount=Money(row["amount_minor"], row["currency"]),
        residue=row["residue"],
        period=Period(row["starts_at"], row["ends_at"]),
        role=row["role"],
        tax_class=row["tax_class"],
    )


def _line_row(invoice_id: str, line: InvoiceLine) -> tuple[Any, ...]:
    return (
        invoice_id,
        line.line_no,
        line.charge_id,
        line.kind,
        line.product_id,
        line.description,
        line.quantity,
        line.amount.minor,
        line.residue,
        line.period.start,
        line.period.end,
        line.role,
        line.tax_class,
    )


def _tax(row: DictRow) -> TaxLine:
    return TaxLine(
        line_no=row["line_no"],
        jurisdiction=row["jurisdiction"],
        tax_code=row["tax_code"],
        rate=row["rate"],
        base=Money(row["base_minor"], row["currency"]),
        amount=Money(row["amount_minor"], row["currency"]),
        tax_version=row["tax_version"],
    )
