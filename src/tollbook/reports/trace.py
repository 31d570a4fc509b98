"""Trace: from any id to everything it was made from and everything that was made from it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from tollbook.controls.lineage import children, parents
from tollbook.errors import Rejected
from tollbook.flow.meter.store import some_events_behind, usages_by_id, usages_of_event
from tollbook.records.usage import MeteredUsage
from tollbook.reports.nodes import Node, describe, event_node, find
from tollbook.storage.database import Connection

# How many events a trace lists per metered usage; the count is always exact.
EVENTS_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Edge:
    """One step of lineage: the child was made from the parent."""

    child_id: str
    parent_id: str
    stage: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The part of the lineage that an id belongs to, in street order.

    `event_count` is how many events are behind it, once for each product that counts them; only a
    few of many are among the nodes.
    """

    start: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    event_count: int


Step = Callable[[Connection, list[str]], list[tuple[str, str, str]]]


def trace(connection: Connection, identifier: str) -> Trace:
    """Walk both ways from an id, an invoice number, or an ERP reference.

    An event is named by its `evt_` id or as SOURCE|ID. What was replaced is part of the way and
    says so; other lines of the same document are not, unless the document was asked for. Raises
    Rejected when nothing, or more than one thing, has that name.
    """
    start = find(connection, identifier)
    if start is None:
        raise Rejected(
            "trace.unknown_id",
            f"Nothing is known under {identifier!r}: give an event (SOURCE|ID), a usage, charge, "
            "invoice number, posting, ERP document, journal entry or schedule id.",
        )
    edges: set[Edge] = set()
    counting = _counting(connection, start, edges)
    above = _walk(connection, {start.node_id}, parents, edges)
    # An invoice and a revenue schedule are both made from a line: from one to the other the way
    # goes up to the line and down again.
    lines = {node for node in above if "#" in node}
    below = _walk(connection, {start.node_id} | lines | counting, children, edges)
    usages = _latest(connection, above)
    events = _events(connection, usages, edges)
    found = describe(connection, sorted((above | below) - {start.node_id}))
    nodes = sorted({start, *events, *found}, key=lambda node: (node.order, node.node_id))
    return Trace(
        start=start.node_id,
        nodes=tuple(nodes),
        edges=tuple(sorted(edges, key=lambda edge: (edge.child_id, edge.parent_id))),
        event_count=1 if start.stage == "capture" else sum(one.event_count for one in usages),
    )


def _walk(connection: Connection, start: Collection[str], step: Step, edges: set[Edge]) -> set[str]:
    """Return all ids that some steps of lineage lead to, and note the steps."""
    seen, frontier = set(start), set(start)
    while frontier:
        rows = step(connection, sorted(frontier))
        edges.update(Edge(child, parent, stage) for child, parent, stage in rows)
        reached = {child if step is children else parent for child, parent, _ in rows}
        frontier = reached - seen
        seen |= frontier
    return seen


def _counting(connection: Connection, start: Node, edges: set[Edge]) -> set[str]:
    """Return the usages that count an event: lineage keeps their digest, not each event."""
    if start.stage != "capture":
        return set()
    usages = usages_of_event(connection, start.source, start.event_id)
    edges.update(Edge(usage, start.node_id, "meter") for usage in usages)
    return set(usages)


def _events(
    connection: Connection, usages: Collection[MeteredUsage], edges: set[Edge]
) -> list[Node]:
    """Return a few of the events behind each usage."""
    nodes = []
    for usage in usages:
        for event in some_events_behind(connection, usage, limit=EVENTS_LISTED):
            nodes.append(event_node(event.event_id, event.source, event.id, event.occurred_at))
            edges.add(Edge(usage.usage_id, event.event_id, "meter"))
    return nodes


def _latest(connection: Connection, ids: Collection[str]) -> list[MeteredUsage]:
    """Return the usages among some ids, without those that were counted again since."""
    usages = usages_by_id(connection, sorted(one for one in ids if one.startswith("use_")))
    return list({(one.contract_id, one.product_id, one.period): one for one in usages}.values())
