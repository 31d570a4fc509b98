"""Reads the points of an OTLP metrics request: which are usage, and who each of them is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, Literal

from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import canonical
from tollbook.values.conversion import written

NOT_BILLABLE: Final = "capture.metric_not_billable"
INVALID: Final = "capture.metric_invalid"
POINTS_MAX: Final = 100_000

Temporality = Literal["delta", "cumulative"]

_HASH_BYTES: Final = 16
_NO_RECORDED_VALUE: Final = 1
_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TEMPORALITY: Final[Mapping[Any, Temporality]] = {
    1: "delta",
    2: "cumulative",
    "AGGREGATION_TEMPORALITY_DELTA": "delta",
    "AGGREGATION_TEMPORALITY_CUMULATIVE": "cumulative",
}
_TIMES: Final = ("startTimeUnixNano", "timeUnixNano")
_OTHER_KINDS: Final = ("gauge", "histogram", "exponentialHistogram", "summary")


@dataclass(frozen=True, slots=True)
class Point:
    """One data point. `start` and `time` are nanoseconds since 1970; `series` is what it belongs to.

    `problem` says why it cannot be usage, None when it can.
    """

    metric: str
    unit: str
    resource: Mapping[str, Any]
    scope: Mapping[str, Any]
    attributes: Mapping[str, Any]
    start: int
    time: int
    value: int | Decimal
    temporality: Temporality | None
    series: bytes
    problem: Rejected | None = None


def read_points(request: Any) -> Iterator[Point]:
    """Yield every point of a request, decoded from OTLP's JSON form; ValueError when it is none."""
    number = 0
    for resource_metrics in _objects(request, "resourceMetrics"):
        resource = _attributes(resource_metrics.get("resource", {}))
        for scope_metrics in _objects(resource_metrics, "scopeMetrics"):
            scope = _scope(scope_metrics.get("scope", {}))
            for metric in _objects(scope_metrics, "metrics"):
                for point in _points(metric, resource, scope):
                    number += 1
                    if number > POINTS_MAX:
                        raise ValueError(f"a request takes at most {POINTS_MAX} points")
                    yield point


def body_of(
    point: Point, *, start: int, value: int | Decimal, problem: Rejected | None = None
) -> bytes:
    """Write a point as the record that a mapping reads: what was added from `start` to its time.

    With a problem, the point's own or the one given, the record is refused by any mapping.
    """
    refusal = problem or point.problem
    refused = refusal and {
        "code": refusal.code,
        "message": refusal.message,
        "cause": point.metric,
    }
    identity = [point.series.hex(), start, point.time]
    return canonical(
        {
            **({"refused": refused} if refused else {}),
            "id": blake2b(canonical(identity), digest_size=_HASH_BYTES).hexdigest(),
            "metric": point.metric,
            "unit": point.unit,
            "value": value,
            "start": _instant(start),
            "time": _instant(point.time),
            "temporality": point.temporality,
            "attributes": point.attributes,
            "resource": point.resource,
            "scope": point.scope,
        }
    )


def _points(
    metric: Mapping[str, Any], resource: Mapping[str, Any], scope: Mapping[str, Any]
) -> Iterator[Point]:
    name, unit = str(metric.get("name", "")), str(metric.get("unit", ""))
    total = metric.get("sum")
    if isinstance(total, dict):
        temporality = _TEMPORALITY.get(total.get("aggregationTemporality"))
        problem = _problem_of_sum(name, total, temporality)
        points = _objects(total, "dataPoints")
    else:
        temporality, problem, points = None, _not_a_sum(name, metric), _other_points(metric)
    for point in points:
        if _whole(point.get("flags", 0)) & _NO_RECORDED_VALUE:
            continue
        attributes = _attributes(point)
        series = canonical([resource, scope, name, unit, attributes])
        start, time = (_whole(point.get(key, 0)) for key in _TIMES)
        value = _number(point)
        yield Point(
            name,
            unit,
            resource,
            scope,
            attributes,
            start,
            time,
            0 if value is None else value,
            temporality,
            blake2b(series, digest_size=_HASH_BYTES).digest(),
            problem or _problem_of_point(name, start, time, value),
        )


def _problem_of_sum(
    name: str, total: Mapping[str, Any], temporality: Temporality | None
) -> Rejected | None:
    if temporality is None:
        return _rejected(name, "does not say whether its sums are delta or cumulative")
    if total.get("isMonotonic") is not True:
        return _rejected(name, "is a sum that may go down")
    return None


def _not_a_sum(name: str, metric: Mapping[str, Any]) -> Rejected:
    kind = next((kind for kind in _OTHER_KINDS if kind in metric), "metric without data")
    return _rejected(name, f"is a {kind}")


def _rejected(name: str, what: str) -> Rejected:
    return Rejected(
        NOT_BILLABLE,
        f"Metric {name} {what}: only a counter (a monotonic sum) says how much was used.",
        cause=name,
    )


def _problem_of_point(
    name: str, start: int, time: int, value: int | Decimal | None
) -> Rejected | None:
    if value is None:
        return Rejected(INVALID, f"A point of metric {name} has no finite number.", cause=name)
    if 0 < start <= time:
        return None
    return Rejected(
        INVALID,
        f"A point of metric {name} counts from {start} to {time} (nanoseconds): a counter needs the "
        "start of what it counts, and a time not before it.",
        cause=name,
    )


def _number(point: Mapping[str, Any]) -> int | Decimal | None:
    value: Any = point.get("asInt")
    if value is not None:
        return _whole(value)
    value = point.get("asDouble")
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return value if is_number else None


def _other_points(metric: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    for kind in _OTHER_KINDS:
        if isinstance(metric.get(kind), dict):
            return _objects(metric[kind], "dataPoints")
    return ()


def _objects(parent: Any, name: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(parent, dict):
        raise ValueError("the request is no object of OTLP")  # noqa: TRY004 - one kind of error
    found = parent.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError(f"{name} must be a list of objects")
    return found


def _scope(scope: Any) -> dict[str, Any]:
    if not isinstance(scope, dict):
        raise ValueError("scope must be an object")  # noqa: TRY004 - one kind of error
    named = {key: str(scope[key]) for key in ("name", "version") if scope.get(key)}
    attributes = _attributes(scope)
    return {**named, "attributes": attributes} if attributes else named


def _attributes(parent: Any) -> dict[str, Any]:
    return {
        str(pair.get("key")): _any(pair.get("value")) for pair in _objects(parent, "attributes")
    }


def _any(value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    for name in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
        if name in value:
            return value[name]
    if "intValue" in value:
        return _whole(value["intValue"])
    if "arrayValue" in value:
        return [_any(item) for item in _objects(value["arrayValue"], "values")]
    if "kvlistValue" in value:
        pairs = _objects(value["kvlistValue"], "values")
        return {str(pair.get("key")): _any(pair.get("value")) for pair in pairs}
    return None


def _whole(value: Any) -> int:
    # OTLP's JSON writes 64-bit numbers as text, and takes numbers too.
    if isinstance(value, str) and value.lstrip("-").isdecimal() and len(value) <= 20:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no whole number")


def _instant(nanoseconds: int) -> str:
    try:
        return written(_ZERO + timedelta(microseconds=nanoseconds // 1000))
    except OverflowError:
        raise ValueError(f"{nanoseconds} nanoseconds is beyond the calendar") from None
