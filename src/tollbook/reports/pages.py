"""Pages of long lists: which records come next, in the order of their ids."""

from collections.abc import Sequence
from dataclasses import dataclass

from tollbook.storage.database import Connection
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class Page:
    """The ids of one page, and the cursor of the next; None when this is the last."""

    ids: Sequence[str]
    next: str | None


def usage_page(
    connection: Connection, month: Month, *, customer: str | None, cursor: str, limit: int
) -> Page:
    """Return the usages of a month that no later one replaces."""
    rows = connection.execute(
        """select m.usage_id from metered_usage m
           where m.starts_at >= %(from)s and m.starts_at < %(until)s
             and (%(customer)s::text is null or m.customer_id = %(customer)s)
             and m.usage_id > %(cursor)s
             and not exists (select from metered_usage n where n.replaces = m.usage_id)
           order by m.usage_id limit %(rows)s""",
        {
            "from": month.period.start,
            "until": month.period.end,
            "customer": customer,
            "cursor": cursor,
            "rows": limit + 1,
        },
    )
    return _page([row[0] for row in rows], limit)


def charge_page(
    connection: Connection, month: Month, *, contract: str | None, cursor: str, limit: int
) -> Page:
    """Return the charges of a service month that count, billed or not."""
    rows = connection.execute(
        """select c.charge_id from charge c
           where c.service_month = %(month)s
             and (%(contract)s::text is null or c.contract_id = %(contract)s)
             and c.charge_id > %(cursor)s
             and not exists (select from charge_superseded s where s.charge_id = c.charge_id)
           order by c.charge_id limit %(rows)s""",
        {"month": str(month), "contract": contract, "cursor": cursor, "rows": limit + 1},
    )
    return _page([row[0] for row in rows], limit)


def invoice_page(
    connection: Connection,
    *,
    month: Month | None,
    state: str | None,
    entity: str | None,
    cursor: str,
    limit: int,
) -> Page:
    """Return invoices and credit memos of a month, a state, a legal entity, or all of them."""
    rows = connection.execute(
        """select invoice_id from invoice
           where (%(month)s::text is null or service_month = %(month)s)
             and (%(state)s::text is null or state = %(state)s)
             and (%(entity)s::text is null or entity_id = %(entity)s)
             and invoice_id > %(cursor)s
           order by invoice_id limit %(rows)s""",
        {
            "month": str(month) if month else None,
            "state": state,
            "entity": entity,
            "cursor": cursor,
            "rows": limit + 1,
        },
    )
    return _page([row[0] for row in rows], limit)


def _page(ids: Sequence[str], limit: int) -> Page:
    return Page(ids[:limit], ids[limit - 1] if len(ids) > limit else None)
