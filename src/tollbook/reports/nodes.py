"""The nodes of a trace: how each kind of id is found and described, in street order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from tollbook.errors import Rejected
from tollbook.flow.capture.corrections.store import amendments
from tollbook.flow.capture.events.store import get_event
from tollbook.records.control import Stage
from tollbook.storage.database import Connection
from tollbook.values.ids import event_digest, read_event_id
from tollbook.values.money import Money


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the lineage, with a line a person can read.

    `order` is its place on the street. `source` and `event_id` are set for usage events only.
    """

    node_id: str
    stage: Stage
    order: int
    summary: str
    source: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """How ids with one prefix are described.

    SQL giving (id, summary) for an array of ids, or (id, summary, minor units, currency).
    """

    prefix: str
    stage: Stage
    sql: LiteralString


# A line's id is INVOICE#LINE.
_LINE: Final = "line"
EVENT: Final = "evt"

# In street order. What no longer counts is shown and said to be so: it explains a correction.
KINDS: Final = (
    Kind(
        "use",
        "meter",
        """select m.usage_id, m.customer_id || ' used ' || trim_scale(m.quantity) || ' of '
                  || m.product_id || ' in ' || m.event_count || ' events, ' || m.starts_at::date
                  || ' to ' || (m.ends_at - interval '1 second')::date
                  || case when exists (select from metered_usage n where n.replaces = m.usage_id)
                          then ' (counted again since)' else '' end
           from metered_usage m where m.usage_id = any(%s) order by m.usage_id""",
    ),
    Kind(
        "chg",
        "rate",
        """select c.charge_id, replace(c.kind, '_', ' ') || ' charge of ' || trim_scale(c.amount)
                  || ' ' || c.currency || ' for ' || c.product_id || ' at ' || c.price_version_id
                  || case when s.charge_id is not null then ' (superseded before it was billed)'
                          when c.corrects is not null then ' (corrects ' || c.corrects || ')'
                          else '' end
           from charge c left join charge_superseded s using (charge_id)
           where c.charge_id = any(%s) order by c.charge_id""",
    ),
    Kind(
        _LINE,
        "invoice",
        """select l.invoice_id || '#' || l.line_no, l.description || ':', l.amount_minor, i.currency
           from unnest(%s::text[]) wanted (line)
               join invoice_line l on l.invoice_id = split_part(wanted.line, '#', 1)
                                   and l.line_no::text = split_part(wanted.line, '#', 2)
               join invoice i using (invoice_id)
           order by l.invoice_id, l.line_no""",
    ),
    Kind(
        "inv",
        "invoice",
        """select i.invoice_id, replace(i.kind, '_', ' ') || ' ' || coalesce(i.number, i.state)
                  || coalesce(' correcting ' || first.number, '') || ' to ' || i.customer_id
                  || ', before tax:',
                  (select coalesce(sum(l.amount_minor), 0)::bigint from invoice_line l
                   where l.invoice_id = i.invoice_id), i.currency
           from invoice i left join invoice first on first.invoice_id = i.corrects
           where i.invoice_id = any(%s) order by i.invoice_id""",
    ),
    Kind(
        "jrn",
        "tax",
        """select e.entry_id, 'journal entry of the ' || replace(e.kind, '_', ' ')
                  || ', booked on ' || e.booked_on || ':',
                  (select coalesce(sum(greatest(l.amount_minor, 0)), 0)::bigint from journal_line l
                   where l.entry_id = e.entry_id), e.currency
           from journal_entry e where e.kind <> 'recognition' and e.entry_id = any(%s)
           order by e.entry_id""",
    ),
    Kind(
        "sch",
        "recognize",
        """select schedule_id, 'revenue schedule, ' || replace(method, '_', ' ') || ', to '
                  || to_role || ':', amount_minor, currency
           from revenue_schedule where schedule_id = any(%s) order by schedule_id""",
    ),
    Kind(
        "jrn",
        "recognize",
        """select e.entry_id, 'revenue recognized, booked on ' || e.booked_on || ':',
                  (select coalesce(sum(-l.amount_minor), 0)::bigint from journal_line l
                   where l.entry_id = e.entry_id and l.role like 'revenue%%'), e.currency
           from journal_entry e where e.kind = 'recognition' and e.entry_id = any(%s)
           order by e.booked_on, e.entry_id""",
    ),
    Kind(
        "jdc",
        "post",
        """select document_id, 'summarized journal of ' || entity_id || ', ' || currency || ', '
                  || booked_on
           from journal_document where document_id = any(%s) order by document_id""",
    ),
    Kind(
        "pst",
        "post",
        """select posting_id, replace(document_kind, '_', ' ') || ' ' || state || ' in ' || target
                  || coalesce(' as ' || (receipt ->> 'number') || ' (id '
                              || (receipt ->> 'reference') || ')', '') || ', key ' || key
           from posting where posting_id = any(%s) order by posting_id""",
    ),
)

# Other names a person may have in hand. Our own number goes before what an ERP calls a document.
_NUMBERS: Final[LiteralString] = """
    select invoice_id from invoice where number = %(name)s order by invoice_id"""
_POSTED_AS: Final[LiteralString] = """
    select posting_id from posting
    where receipt ->> 'number' = %(name)s or receipt ->> 'reference' = %(name)s
       or target || ':' || (receipt ->> 'reference') = %(name)s
       or key = %(name)s or key16 = %(name)s
    order by posting_id"""


def describe(connection: Connection, ids: Sequence[str]) -> list[Node]:
    """Return a node for each id that exists, in street order."""
    nodes = [node for one in ids if _prefix(one) == EVENT and (node := find_event(connection, one))]
    for order, kind in enumerate(KINDS, start=1):
        mine = [one for one in ids if _prefix(one) == kind.prefix]
        if mine:
            rows = connection.execute(kind.sql, [mine])
            nodes += [
                Node(found, kind.stage, order, _with_amount(summary, *amount))
                for found, summary, *amount in rows
            ]
    return nodes


def find(connection: Connection, identifier: str) -> Node | None:
    """Return the node that an id or another name of it means, or None.

    Raises Rejected when an ERP uses the name for several documents.
    """
    number, line, line_no = identifier.partition("#")
    invoices = _named(connection, _NUMBERS, number)
    known = describe(connection, [*(one + line + line_no for one in invoices), identifier])
    known = known or describe(connection, _named(connection, _POSTED_AS, identifier))
    if len(known) > 1:
        raise Rejected(
            "trace.ambiguous_id",
            f"{identifier!r} is the name of several documents: ask for one of "
            f"{', '.join(node.node_id for node in known)}.",
        )
    return known[0] if known else find_event(connection, identifier)


def find_event(connection: Connection, identifier: str) -> Node | None:
    """Return a stored event by our `evt_` id or by SOURCE|ID."""
    for digest in _digests(identifier):
        event = get_event(connection, digest)
        if event is not None:
            notes = f" (voided: {event.voided_for})" if event.voided_for else ""
            for one in amendments(connection, [digest]):
                if one.event_id == event.event_id:
                    notes += f" (amends {one.amends}: {one.reason})"
            return event_node(event.event_id, event.source, event.id, event.occurred_at, notes)
    return None


def event_node(
    node_id: str, source: str, event: str, occurred_at: datetime, notes: str = ""
) -> Node:
    """Build the node of a usage event."""
    summary = f"{source}|{event} at {occurred_at:%Y-%m-%d %H:%M:%S.%f} UTC{notes}"
    return Node(node_id, "capture", 0, summary, source, event)


def _prefix(identifier: str) -> str:
    prefix = identifier.partition("_")[0]
    return _LINE if prefix == "inv" and "#" in identifier else prefix


def _named(connection: Connection, query: LiteralString, name: str) -> list[str]:
    return [row[0] for row in connection.execute(query, {"name": name})]


def _with_amount(summary: str, minor: int | None = None, currency: str = "") -> str:
    return summary if minor is None else f"{summary} {Money(minor, currency)}"


def _digests(identifier: str) -> Iterator[bytes]:
    """Yield which event ids a name may mean: a source may contain a bar, and so may an id."""
    for at, character in enumerate(identifier):
        if character == "|":
            yield event_digest(identifier[:at], identifier[at + 1 :])
    try:
        yield read_event_id(identifier)
    except ValueError:
        return
