"""Prometheus metrics: what the database holds when it is asked, whichever process answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Events(Collector):
    """Presents totals that are kept elsewhere as a counter."""

    def __init__(self, events: Mapping[str, int]) -> None:
        self._events = events

    def collect(self) -> list[CounterMetricFamily]:
        """Return the counter with a sample for each answer."""
        family = CounterMetricFamily(
            "tollbook_events", "Usage events taken since ever, by answer.", labels=["answer"]
        )
        for answer, count in self._events.items():
            family.add_metric([answer], count)
        return [family]


@dataclass(frozen=True, slots=True)
class SourceSignal:
    """What is told of a source: what waits there (None when it cannot tell), and how it goes."""

    name: str
    backlog_records: int | None
    oldest_seconds: int | None
    is_failing: bool


def exposition(
    *,
    events: Mapping[str, int],
    open_work_items: Mapping[str, int],
    postings: Mapping[tuple[str, str], int],
    oldest_unposted_seconds: int,
    sources: Sequence[SourceSignal] = (),
) -> bytes:
    """Return all metrics in the text format of Prometheus; postings are by target and state."""
    registry = CollectorRegistry()
    registry.register(_Events(events))
    items = Gauge(
        "tollbook_open_work_items", "Open work items, by code.", ["code"], registry=registry
    )
    for code, count in open_work_items.items():
        items.labels(code).set(count)
    documents = Gauge(
        "tollbook_postings",
        "Documents on their way into an ERP and there, by target and state.",
        ["target", "state"],
        registry=registry,
    )
    for (target, state), count in postings.items():
        documents.labels(target, state).set(count)
    Gauge(
        "tollbook_oldest_unposted_age_seconds",
        "Age of the oldest document that is queued for an ERP and not posted; 0 when none is.",
        registry=registry,
    ).set(oldest_unposted_seconds)
    if sources:
        _add_sources(registry, sources)
    return generate_latest(registry)


def _add_sources(registry: CollectorRegistry, sources: Sequence[SourceSignal]) -> None:
    backlog = Gauge(
        "tollbook_source_backlog_records",
        "Records that wait in a source, as far as it can tell.",
        ["source"],
        registry=registry,
    )
    age = Gauge(
        "tollbook_source_oldest_age_seconds",
        "Age of the oldest record that waits in a source, as far as it can tell.",
        ["source"],
        registry=registry,
    )
    failing = Gauge(
        "tollbook_source_failing", "1 while a source cannot be read.", ["source"], registry=registry
    )
    for source in sources:
        if source.backlog_records is not None:
            backlog.labels(source.name).set(source.backlog_records)
        if source.oldest_seconds is not None:
            age.labels(source.name).set(source.oldest_seconds)
        failing.labels(source.name).set(source.is_failing)
