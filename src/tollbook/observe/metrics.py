"""Prometheus metrics: what this process counted, and what the database held when it was asked."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

AnswerName = TypeVar("AnswerName", bound=str)

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class EventCounts:
    """Counts the answers that this process gave to usage events, each kind from 0."""

    def __init__(self, answers: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        self._events = Counter(
            "tollbook_events",
            "Usage events answered by this process since it started, by answer.",
            ["answer"],
            registry=self._registry,
        )
        for answer in answers:
            self._events.labels(answer)

    def add(self, counts: Mapping[AnswerName, int]) -> None:
        """Add how many events had each answer."""
        for answer, count in counts.items():
            self._events.labels(answer).inc(count)

    def exposition(self) -> bytes:
        """Return the counts in the text format of Prometheus."""
        return generate_latest(self._registry)


def backlog_exposition(
    *,
    open_work_items: Mapping[str, int],
    postings: Mapping[tuple[str, str], int],
    oldest_unposted_seconds: float,
) -> bytes:
    """Return what waits, in the text format of Prometheus; postings are by target and state."""
    registry = CollectorRegistry()
    items = Gauge(
        "tollbook_open_work_items",
        "Open work items, by code.",
        ["code"],
        registry=registry,
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
    return generate_latest(registry)
