"""Trace: from any id to everything it was made from and everything that was made from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from tollbook.controls.lineage import children, parents
from tollbook.errors import Rejected
from tollbook.flow.meter.store import event_count_behind, events_behind, usages_of_event
from tollbook.reports.nodes import Node, describe, event_node, find
from tollbook.storage.database import Connection

# How many events a trace lists per metered usage; the count is always exact.
EVENTS_LISTED: Final = 5
# A chain is at most: event, usage, charge, line, invoice, schedule, entry, journal, posting, ERP.
DEPTH_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Edge:
    """One step of lineage: the child was made from the parent."""

    child_id: str
    parent_id: str
    stage: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The part of the lineage graph that an id belongs to, in street order."""

    start: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    event_count: int


Step = Callable[[Connection, list[str]], list[tuple[str, str, str]]]


def trace(connection: Connection, identifier: str) -> Trace:
    """Walk both ways from an id, an invoice number, or an ERP reference.

    An event is named by its `evt_` id or as SOURCE|ID. Raises Rejected when nothing has that name.
    """
    start = find(connection, identifier)
    if start is None:
        raise Rejected(
            "trace.unknown_id",
            f"Nothing is known under {identifier!r}: give an event (SOURCE|ID), a usage, charge, "
            "invoice number, posting, ERP document, journal entry or schedule id.",
        )
    edges = set(_usage_edges(connection, start))
    above = _walk(connection, {start.node_id} | _parents_of(edges, start), parents, edges, 1)
    below = _walk(connection, {start.node_id} | _children_of(edges, start), children, edges, 0)
    usages = sorted(node for node in above if node.startswith("use_"))
    event_nodes, count = _events(connection, usages, edges) if start.stage != "capture" else ([], 1)
    known = [start, *event_nodes]
    described = describe(connection, sorted((above | below) - {node.node_id for node in known}))
    nodes = sorted({*known, *described}, key=lambda node: (node.order, node.node_id))
    ordered = sorted(edges, key=lambda edge: (edge.child_id, edge.parent_id))
    return Trace(start.node_id, tuple(nodes), tuple(ordered), count)


def _walk(
    connection: Connection,
    start: set[str],
    step: Step,
    edges: set[Edge],
    side: Literal[0, 1],
) -> set[str]:
    seen, frontier = set(start), set(start)
    for _ in range(DEPTH_MAX):
        rows = step(connection, sorted(frontier))
        edges.update(Edge(child, parent, stage) for child, parent, stage in rows)
        frontier = {row[side] for row in rows} - seen
        if not frontier:
            break
        seen |= frontier
    return seen


def _usage_edges(connection: Connection, start: Node) -> list[Edge]:
    """Return how an event joins the stored lineage: it is counted, not listed, in its usages."""
    if start.stage != "capture":
        return []
    usages = usages_of_event(connection, start.source, start.event_id)
    return [Edge(usage, start.node_id, "meter") for usage in usages]


def _parents_of(edges: Iterable[Edge], start: Node) -> set[str]:
    return {edge.parent_id for edge in edges if edge.child_id == start.node_id}


def _children_of(edges: Iterable[Edge], start: Node) -> set[str]:
    return {edge.child_id for edge in edges if edge.parent_id == start.node_id}


def _events(connection: Connection, usages: list[str], edges: set[Edge]) -> tuple[list[Node], int]:
    nodes, count = [], 0
    for usage_id in usages:
        count += event_count_behind(connection, usage_id)
        for event in events_behind(connection, usage_id, limit=EVENTS_LISTED):
            nodes.append(event_node(event.event_id, event.source, event.id, event.occurred_at))
            edges.add(Edge(usage_id, event.event_id, "meter"))
    return nodes, count
