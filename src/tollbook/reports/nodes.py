"""The nodes of a trace: how each kind of id is found and described, in street order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tollbook.flow.capture.store import get_event
from tollbook.storage.database import Connection
from tollbook.values.ids import event_digest, read_event_id


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the lineage, with a line a person can read.

    `source` and `event_id` are set for usage events only.
    """

    node_id: str
    stage: str
    order: int
    summary: str
    source: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """How ids with one prefix are described: SQL giving (id, summary) for an array of ids."""

    stage: str
    order: int
    sql: str


EVENT_ORDER: Final = 0

KINDS: Final[dict[str, Kind]] = {
    "use": Kind(
        "meter",
        1,
        """select usage_id, customer_id || ' used ' || trim_scale(quantity) || ' of ' || product_id
                  || ' in ' || event_count || ' events, ' || starts_at::date || ' to '
                  || (ends_at - interval '1 second')::date
           from metered_usage where usage_id = any(%s) order by usage_id""",
    ),
    "chg": Kind(
        "rate",
        2,
        """select charge_id, kind || ' charge of ' || trim_scale(amount) || ' ' || currency
                  || ' for ' || product_id || ' at ' || price_version_id
           from charge where charge_id = any(%s) order by charge_id""",
    ),
    "inv": Kind(
        "invoice",
        4,
        """select i.invoice_id, replace(i.kind, '_', ' ') || ' ' || coalesce(i.number, i.state)
                  || ' to ' || i.customer_id || ', net '
                  || (select coalesce(sum(l.amount_minor), 0) from invoice_line l
                      where l.invoice_id = i.invoice_id) || ' minor units ' || i.currency
           from invoice i where i.invoice_id = any(%s) order by i.invoice_id""",
    ),
    "sch": Kind(
        "recognize",
        6,
        """select schedule_id, 'revenue schedule, ' || method || ', ' || amount_minor
                  || ' minor units ' || currency || ' to ' || to_role
           from revenue_schedule where schedule_id = any(%s) order by schedule_id""",
    ),
    "jrn": Kind(
        "recognize",
        7,
        """select entry_id, kind || ' entry booked on ' || booked_on
           from journal_entry where entry_id = any(%s) order by entry_id""",
    ),
    "jdc": Kind(
        "post",
        8,
        """select document_id, 'summarized journal of ' || entity_id || ', ' || booked_on
           from journal_document where document_id = any(%s) order by document_id""",
    ),
    "pst": Kind(
        "post",
        9,
        """select posting_id, state || ' in ' || target
                  || coalesce(' as ' || (receipt ->> 'number') || ' (id '
                              || (receipt ->> 'reference') || ')', '') || ', key ' || key
           from posting where posting_id = any(%s) order by posting_id""",
    ),
}
LINE: Final = Kind(
    "invoice",
    3,
    """select invoice_id || '#' || line_no, description || ': ' || amount_minor || ' minor units'
       from invoice_line where invoice_id || '#' || line_no = any(%s) order by 1""",
)

# Other names a person may have in hand: an invoice number, what the ERP calls the document.
ALIASES: Final = """
    select invoice_id from invoice where number = %(name)s
    union all
    select posting_id from posting
    where receipt ->> 'number' = %(name)s or receipt ->> 'reference' = %(name)s
       or target || ':' || (receipt ->> 'reference') = %(name)s
       or key = %(name)s or key16 = %(name)s
    limit 1"""


def kind_of(identifier: str) -> Kind | None:
    """Return the kind of an id by its prefix; a line id is INVOICE#LINE."""
    if identifier.startswith("inv_") and "#" in identifier:
        return LINE
    return KINDS.get(identifier.partition("_")[0])


def describe(connection: Connection, ids: Sequence[str]) -> list[Node]:
    """Return a node for each id that exists."""
    nodes = []
    for kind in (*KINDS.values(), LINE):
        mine = [identifier for identifier in ids if kind_of(identifier) is kind]
        if mine:
            rows = connection.execute(kind.sql, [mine])
            nodes += [Node(found, kind.stage, kind.order, summary) for found, summary in rows]
    return nodes


def find(connection: Connection, identifier: str) -> Node | None:
    """Return the node that an id or another name of it means, or None."""
    nodes = describe(connection, [identifier])
    if nodes:
        return nodes[0]
    alias = connection.execute(ALIASES, {"name": identifier}).fetchone()
    if alias is not None:
        return describe(connection, [alias[0]])[0]
    return find_event(connection, identifier)


def find_event(connection: Connection, identifier: str) -> Node | None:
    """Return a stored event by our `evt_` id or by SOURCE|ID."""
    digest = _digest(identifier)
    event = get_event(connection, digest) if digest is not None else None
    if event is None:
        return None
    return event_node(event.event_id, event.source, event.id, event.occurred_at)


def event_node(node_id: str, source: str, event: str, occurred_at: datetime) -> Node:
    """Build the node of a usage event."""
    summary = f"{source}|{event} at {occurred_at:%Y-%m-%d %H:%M:%S.%f} UTC"
    return Node(node_id, "capture", EVENT_ORDER, summary, source, event)


def _digest(identifier: str) -> bytes | None:
    source, bar, event = identifier.rpartition("|")
    if bar:
        return event_digest(source, event)
    try:
        return read_event_id(identifier)
    except ValueError:
        return None
