"""Prometheus metrics: what the database holds when it is asked, whichever process answers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

# What each process of the API holds now: its name in a process's own report, and what it means.
HELD: Final[Mapping[str, tuple[str, str]]] = {
    "waiting_requests": (
        "tollbook_intake_waiting_requests",
        "Requests whose events are not stored yet, by process.",
    ),
    "waiting_events": (
        "tollbook_intake_waiting_events",
        "Events that are not stored yet, by process.",
    ),
    "waiting_bytes": (
        "tollbook_intake_waiting_bytes",
        "Bytes of events that are not stored yet, by process.",
    ),
    "oldest_waiting_milliseconds": (
        "tollbook_intake_oldest_waiting_milliseconds",
        "How long the oldest event waits to be stored, by process.",
    ),
    "inflight_requests": (
        "tollbook_api_inflight_requests",
        "Requests that are being served, by process.",
    ),
    "inflight_bytes": (
        "tollbook_api_inflight_bytes",
        "Bytes that bodies of requests hold, by process.",
    ),
}


@dataclass(frozen=True, slots=True)
class SourceSignal:
    """What is told of a source: what waits there (None when it cannot tell), and how it goes."""

    name: str
    backlog_records: int | None
    oldest_seconds: int | None
    is_failing: bool


@dataclass(frozen=True, slots=True)
class Numbers:
    """Everything that is told. Keys of two parts are in the order of their labels.

    `latency` counts requests by the upper bounds `bounds`, the last one without a bound;
    `processes` holds what each process of the API said of itself a moment ago.
    """

    events: Mapping[tuple[str, str], int]
    refusals: Mapping[tuple[str, str], int]
    refused_requests: Mapping[str, int]
    bounds: Sequence[float]
    latency: Sequence[int]
    latency_sum: float
    processes: Mapping[str, Mapping[str, int]]
    connections: Mapping[tuple[str, str], int]
    open_work_items: Mapping[str, int]
    quarantine_open: Mapping[str, int]
    dirty_days: int
    summary_age: int
    last_event_age: int | None
    postings: Mapping[tuple[str, str], int]
    oldest_unposted_seconds: int


class _Told(Collector):
    """Presents numbers that are kept elsewhere."""

    def __init__(self, numbers: Numbers, sources: Sequence[SourceSignal]) -> None:
        self._numbers = numbers
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        yield from _of_intake(self._numbers)
        yield from _of_processes(self._numbers)
        yield from _of_books(self._numbers)
        if self._sources:
            yield from _of_sources(self._sources)


def exposition(numbers: Numbers, sources: Sequence[SourceSignal] = ()) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Told(numbers, sources))
    return generate_latest(registry)


def _of_intake(numbers: Numbers) -> Iterator[Metric]:
    yield _counter(
        "tollbook_events",
        "Usage events taken since ever, by door and answer.",
        ("door", "answer"),
        numbers.events.items(),
    )
    yield _counter(
        "tollbook_rejected_events",
        "Usage events that were refused since ever, by door and code.",
        ("door", "code"),
        numbers.refusals.items(),
    )
    yield _counter(
        "tollbook_refused_requests",
        "Requests that were refused as a whole since ever, by code.",
        ("code",),
        (((code,), count) for code, count in numbers.refused_requests.items()),
    )
    latency = HistogramMetricFamily(
        "tollbook_intake_seconds", "From the first byte of a request for events to its answer."
    )
    bounds = [*(str(bound) for bound in numbers.bounds), "+Inf"]
    buckets = list(zip(bounds, accumulate(numbers.latency), strict=True))
    latency.add_metric([], buckets, numbers.latency_sum)
    yield latency


def _of_processes(numbers: Numbers) -> Iterator[Metric]:
    for name, (metric, text) in HELD.items():
        yield _gauge(
            metric,
            text,
            ("process",),
            (((one,), said.get(name, 0)) for one, said in numbers.processes.items()),
        )
    yield _gauge(
        "tollbook_database_connections",
        "Connections of a process of the API: open, idle, and requests waiting for one.",
        ("process", "state"),
        numbers.connections.items(),
    )


def _of_books(numbers: Numbers) -> Iterator[Metric]:
    yield _gauge(
        "tollbook_open_work_items",
        "Open work items, by code.",
        ("code",),
        (((code,), count) for code, count in numbers.open_work_items.items()),
    )
    yield _gauge(
        "tollbook_quarantine_open",
        "Refused events that nobody decided on, by code.",
        ("code",),
        (((code,), count) for code, count in numbers.quarantine_open.items()),
    )
    yield _plain("tollbook_dirty_days", "Days whose summaries lag.", numbers.dirty_days)
    yield _plain(
        "tollbook_summary_age_seconds",
        "Age of the oldest event that no summary holds; 0 when none waits.",
        numbers.summary_age,
    )
    if numbers.last_event_age is not None:
        yield _plain(
            "tollbook_last_event_age_seconds",
            "How long ago the last events came in, through any door.",
            numbers.last_event_age,
        )
    yield _gauge(
        "tollbook_postings",
        "Documents on their way into an ERP and there, by target and state.",
        ("target", "state"),
        numbers.postings.items(),
    )
    yield _plain(
        "tollbook_oldest_unposted_age_seconds",
        "Age of the oldest document that is queued for an ERP and not posted; 0 when none is.",
        numbers.oldest_unposted_seconds,
    )


def _of_sources(sources: Sequence[SourceSignal]) -> Iterator[Metric]:
    yield _gauge(
        "tollbook_source_backlog_records",
        "Records that wait in a source, as far as it can tell.",
        ("source",),
        (((one.name,), n) for one in sources if (n := one.backlog_records) is not None),
    )
    yield _gauge(
        "tollbook_source_oldest_age_seconds",
        "Age of the oldest record that waits in a source, as far as it can tell.",
        ("source",),
        (((one.name,), n) for one in sources if (n := one.oldest_seconds) is not None),
    )
    yield _gauge(
        "tollbook_source_failing",
        "1 while a source cannot be read.",
        ("source",),
        (((one.name,), int(one.is_failing)) for one in sources),
    )


_Samples = Iterable[tuple[tuple[str, ...], int]]


def _counter(name: str, text: str, labels: Sequence[str], samples: _Samples) -> Metric:
    family = CounterMetricFamily(name, text, labels=list(labels))
    for values, count in samples:
        family.add_metric(list(values), count)
    return family


def _gauge(name: str, text: str, labels: Sequence[str], samples: _Samples) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, count in samples:
        family.add_metric(list(values), count)
    return family


def _plain(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
