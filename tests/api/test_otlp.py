"""Counters of OpenTelemetry become usage exactly once; nothing else of it is billed."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb

from api_client import Api, company
from tollbook.flow.capture import store
from tollbook.runtime.otlp import MetricsDoor

PATH = "/v1/otlp/v1/metrics"
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
SECOND = 10**9
START = 1_700_158_600 * SECOND
EVENT_TYPE = {
    "id": "api.tokens",
    "schema": {"type": "object", "properties": {"value": {}, "unit": {}, "attributes": {}}},
}


@pytest.fixture
def door(empty: Api) -> Api:
    """Give the API of the small company, which counts one metric."""
    documents = company()
    documents["event_types"].append(EVENT_TYPE)
    empty.post("/v1/master-data/apply", documents)
    return empty


def point(
    seconds: int, value: Any, *, start: int = 0, customer: str = "ada", **attributes: str
) -> dict[str, Any]:
    """Give a point at some seconds after the start of the series."""
    number = {"asInt": str(value)} if isinstance(value, int) else {"asDouble": value}
    named = {"customer.id": customer} | attributes
    return {
        "startTimeUnixNano": str(START + start * SECOND),
        "timeUnixNano": str(START + seconds * SECOND),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in named.items()],
        "exemplars": [{"asInt": "999", "timeUnixNano": "1"}],
        **number,
    }


def total(*points: dict[str, Any], name: str = "api.tokens", **changes: Any) -> dict[str, Any]:
    sums = {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": list(points)} | changes
    return {"name": name, "unit": "{token}", "sum": sums}


def request(*metrics: dict[str, Any], service_name: str = "gateway") -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service_name}}]}
    scopes = [{"scope": {"name": "lib", "version": "1"}, "metrics": list(metrics)}]
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": scopes}]}


def send(api: Api, *metrics: dict[str, Any]) -> dict[str, Any]:
    response = api.client.post(PATH, content=json.dumps(request(*metrics)), headers=JSON)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def values(api: Api) -> list[Any]:
    """Give the value of each stored event, in the order of its time."""
    with api.app.database.transaction() as connection:
        rows = connection.execute(
            "select (data::jsonb->>'value')::numeric from usage_event order by occurred_at, event_id"
        )
        return [row[0] for row in rows]


def refused_codes(api: Api) -> list[str]:
    with api.app.database.transaction() as connection:
        return [one.code for one in store.list_quarantine(connection)]


def test_deltas_are_usage_as_they_come_and_a_repeated_export_changes_nothing(door: Api) -> None:
    deltas = total(point(10, 5), point(20, 7, start=10), aggregationTemporality=1)

    answers = [send(door, deltas), send(door, deltas)]

    assert answers == [{}, {}]
    assert values(door) == [5, 7]


def test_a_running_total_counts_what_was_added_since_its_last_point(door: Api) -> None:
    for seconds, value in [(10, 100), (20, 130), (20, 130), (30, 130), (40, 175)]:
        assert send(door, total(point(seconds, value))) == {}

    assert values(door) == [100, 30, 0, 45]


def test_points_of_one_request_are_taken_in_the_order_of_their_time(door: Api) -> None:
    send(door, total(point(30, 9), point(10, 4), point(20, 6)))

    assert values(door) == [4, 2, 3]


def test_a_restart_counts_from_zero(door: Api) -> None:
    send(door, total(point(10, 100)))
    send(door, total(point(30, 8, start=15)))

    assert values(door) == [100, 8]


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (point(5, 50), "a later point was taken before it"),
        (point(20, 90), "its total fell from 100 without a new start"),
        (point(10, 101), "its total at this time was 100 before"),
        (point(20, 5, start=5), "it was restarted before the time of its last point"),
        (point(20, 500, start=-5), "it counts from before the start of its last point"),
    ],
)
def test_what_would_have_to_be_guessed_is_refused_and_kept(
    door: Api, second: dict[str, Any], sentence: str
) -> None:
    send(door, total(point(10, 100)))

    answer = send(door, total(second))

    assert answer["partialSuccess"]["rejectedDataPoints"] == "1"
    assert sentence in answer["partialSuccess"]["errorMessage"]
    assert values(door) == [100]
    assert refused_codes(door) == ["capture.metric_gap"]


def test_a_refused_point_is_refused_again_for_the_same_reason(door: Api) -> None:
    send(door, total(point(10, 100)))
    send(door, total(point(20, 90)))

    door.app.replayer().replay_all(by="ana", reason="test")

    assert refused_codes(door) == ["capture.metric_gap"]


def test_counting_goes_on_after_a_total_that_fell(door: Api) -> None:
    for seconds, value in [(10, 100), (20, 90), (30, 95)]:
        send(door, total(point(seconds, value)))

    assert values(door) == [100, 5]


def test_a_first_total_of_many_days_is_left_to_a_person(door: Api) -> None:
    start = -40 * 86_400
    send(door, total(point(10, 1_000_000, start=start)))
    send(door, total(point(20, 1_000_007, start=start)))

    assert values(door) == [7]
    assert refused_codes(door) == ["capture.metric_gap"]


@pytest.mark.parametrize(
    ("hours", "counted"), [(0, [7]), (1, [1_000, 7])], ids=["none may", "an hour may"]
)
def test_for_how_long_a_first_total_may_count_is_a_setting(
    empty: Api, hours: int, counted: list[int]
) -> None:
    documents = company()
    documents["event_types"].append(EVENT_TYPE)
    empty.post("/v1/master-data/apply", documents)
    app = empty.app
    metrics = MetricsDoor(app.desk(), app.database, app.clock, first_hours_max=hours)

    first = metrics.take(request(total(point(10, 1_000, start=10 - 3_600))))
    metrics.take(request(total(point(20, 1_007, start=10 - 3_600))))

    assert values(empty) == counted
    assert ("more than 0 hours" in first.message) is (hours == 0)


@pytest.mark.parametrize(
    "metric",
    [
        {"name": "api.tokens", "gauge": {"dataPoints": [point(10, 5)]}},
        {"name": "api.tokens", "histogram": {"dataPoints": [point(10, 5)]}},
        total(point(10, 5), isMonotonic=False),
        total(point(10, 5), aggregationTemporality=0),
    ],
    ids=["gauge", "histogram", "may go down", "of unknown temporality"],
)
def test_what_is_no_counter_is_refused(door: Api, metric: dict[str, Any]) -> None:
    answer = send(door, metric)

    assert answer["partialSuccess"]["rejectedDataPoints"] == "1"
    assert "only a counter" in answer["partialSuccess"]["errorMessage"]
    assert refused_codes(door) == ["capture.metric_not_billable"]


def test_metrics_that_are_no_event_type_are_ignored(door: Api) -> None:
    other = {"name": "process.memory", "gauge": {"dataPoints": [point(10, 5)]}}

    assert send(door, other, total(point(10, 3), name="http.requests")) == {}

    assert values(door) == []
    assert refused_codes(door) == []


def test_a_point_without_a_value_is_nothing(door: Api) -> None:
    assert send(door, total({**point(10, 5), "flags": 1})) == {}
    assert values(door) == []


def test_a_point_of_an_unknown_customer_waits_in_quarantine(door: Api) -> None:
    answer = send(door, total(point(10, 5, customer="stranger")))

    assert answer["partialSuccess"]["rejectedDataPoints"] == "1"
    assert refused_codes(door) == ["capture.unknown_subject"]


def test_a_mapping_named_otlp_takes_the_place_of_the_default(door: Api) -> None:
    event = {
        "type": "call",
        "source": "otel",
        "id": "$.id",
        "subject": {"path": "$.resource['service.name']", "replace": {"gateway": "bob"}},
        "time": "$.time",
        "data": {"model": "$.attributes.model", "tokens": {"path": "$.value", "as": "integer"}},
    }
    wanted = [{"path": "$.metric", "equals": "llm.tokens"}]
    mapping = {"id": "otlp", "input": "otlp", "when": wanted, "event": event}
    door.post("/v1/master-data/apply", {"source_mappings": [mapping]})

    send(door, total(point(10, 5, model="m"), name="llm.tokens"), total(point(10, 5)))

    with door.app.database.transaction() as connection:
        rows = connection.execute("select type, subject, data::jsonb from usage_event").fetchall()
    assert rows == [("call", "bob", {"model": "m", "tokens": 5})]


def test_two_requests_at_once_never_count_the_same_twice(door: Api) -> None:
    app = door.app
    metrics = MetricsDoor(app.desk(), app.database, app.clock, first_hours_max=24)
    requests = [request(total(point(second, second * 10))) for second in range(10, 34)]

    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(metrics.take, requests))

    with app.database.transaction() as connection:
        row = connection.execute("select total from otlp_series").fetchone()
    assert row is not None
    assert sum(values(door)) == row[0]
    assert len(values(door)) + sum(one.refused for one in taken) == len(requests)


def protobuf(*points: pb.NumberDataPoint) -> bytes:
    metric = pb.Metric(name="api.tokens", unit="1")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = pb.AGGREGATION_TEMPORALITY_DELTA
    metric.sum.data_points.extend(points)
    scope = pb.ScopeMetrics(metrics=[metric])
    whole = service.ExportMetricsServiceRequest(
        resource_metrics=[pb.ResourceMetrics(scope_metrics=[scope])]
    )
    written: bytes = whole.SerializeToString()
    return written


def proto_point(**value: Any) -> pb.NumberDataPoint:
    made = pb.NumberDataPoint(start_time_unix_nano=START, time_unix_nano=START + SECOND, **value)
    made.attributes.add(key="tollbook.subject").value.string_value = "ada"
    return made


def test_protobuf_says_the_same_as_json_gzipped_or_not(door: Api) -> None:
    body = protobuf(proto_point(as_double=0.1))

    plain = door.client.post(PATH, content=body, headers=PROTOBUF)
    zipped = door.client.post(
        PATH, content=gzip.compress(body), headers=PROTOBUF | {"content-encoding": "gzip"}
    )

    for response in (plain, zipped):
        assert response.headers["content-type"] == "application/x-protobuf"
        answer = service.ExportMetricsServiceResponse.FromString(response.content)
        assert answer.partial_success.rejected_data_points == 0
    assert [str(value) for value in values(door)] == ["0.1"]


def test_one_bad_point_is_told_and_stops_no_other(door: Api) -> None:
    body = protobuf(proto_point(as_double=float("nan")), proto_point(as_int=3))

    response = door.client.post(PATH, content=body, headers=PROTOBUF)

    answer = service.ExportMetricsServiceResponse.FromString(response.content)
    assert answer.partial_success.rejected_data_points == 1
    assert "no finite number" in answer.partial_success.error_message
    assert values(door) == [3]
    assert refused_codes(door) == ["capture.metric_invalid"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b"[]", JSON, 400),
        (b'{"resourceMetrics":{}}', JSON, 400),
        (b'{"resourceMetrics":[1]}', JSON, 400),
        (b"\xff\xff", PROTOBUF, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", JSON | {"content-encoding": "br"}, 415),
    ],
)
def test_what_is_no_request_is_refused(
    door: Api, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert door.client.post(PATH, content=body, headers=headers).status_code == status
