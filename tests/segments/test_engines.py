"""DuckDB, Spark and PostgreSQL count the same events to the same digit, and so does plain Python."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact
from random import Random
from typing import Any, cast

import pytest

from meter.company import Company
from segments.test_sealing import seal
from tollbook.flow.capture.store import intake_watermark
from tollbook.flow.meter.events.store import recount
from tollbook.flow.meter.sealed.parts import Parts
from tollbook.flow.meter.sealed.store import Engine, count_in_files
from tollbook.flow.meter.window import Counted, Span
from tollbook.records.commercial import Aggregation, Meter
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Database
from tollbook.values.ids import CustomerId, MeterId, UsageId, event_digest
from tollbook.values.period import Period

EXACT = Context(prec=200, traps=[Inexact])
NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?")
# A meter that needs no value lets the door take whatever is in the others.
ANY = Meter(MeterId("any"), "llm.request", "count", "event", dimensions=("model",))
FIRST, UNTIL = date(2023, 11, 14), date(2023, 11, 18)
AGGREGATIONS: list[Aggregation] = ["count", "sum", "max", "unique_count", "latest"]
HOSTILE: list[Any] = [
    "99999999999999999999999999.999999999999",
    "-99999999999999999999999999.999999999999",
    "0.000000000001",
    "-1e-12",
    "2e3",
    "+5",
    ".5",
    "5.",
    "1.50",
    "007",
    -3,
    0,
    "-0",
    12345678901234567890,
    0.1,
    1.25,
    "",
    " 1",
    "1_000",
    "abc",
    "N",
    "\\N",
    'quo"te',
    "tab\tline\nback\\slash",
    "null",
    None,
    True,
    [1, 2],
    {"b": 1, "a": [None]},
    "é漢😀",
]


class Sent:
    """What was sent, for the oracle."""

    def __init__(self, company: Company, seed: int) -> None:
        chance = Random(seed)
        self.uses: list[dict[str, Any]] = []
        for number in range(160):
            day = 14 + number % 4
            # Ties on purpose: there are fewer instants than events.
            at = f"2023-11-{day}T{chance.randrange(3):02}:00:00.{chance.randrange(3):06}Z"
            use = {
                "id": f"g{number}",
                "at": at,
                "who": chance.choice(["acme", "beta"]),
                "model": chance.choice(["large", "small", "", None, "é"]),
                "tokens": chance.choice([*HOSTILE, chance.randrange(10**6)]),
            }
            self.uses.append(use)
        company.use(*self.uses)

    def counted(
        self, aggregation: str, usage: MeteredUsage, left_out: Sequence[str] = ()
    ) -> tuple[Decimal, int]:
        found = list(self._inside(aggregation, usage, left_out))
        if not found:
            return Decimal(0), 0
        match aggregation:
            case "count":
                answer = Decimal(len(found))
            case "unique_count":
                answer = Decimal(len({value for _, _, value in found}))
            case "sum":
                answer = Decimal(0)
                for _, _, value in found:
                    answer = EXACT.add(answer, value)
            case "max":
                answer = max(value for _, _, value in found)
            case "min":
                answer = min(value for _, _, value in found)
            case _:
                answer = max(found)[2]
        return answer, len(found)

    def values(self, usage: MeteredUsage) -> list[Decimal]:
        return sorted(value for _, _, value in self._inside("sum", usage, ()))

    def _inside(
        self, aggregation: str, usage: MeteredUsage, left_out: Sequence[str]
    ) -> Iterator[tuple[datetime, bytes, Any]]:
        for use in self.uses:
            at = datetime.fromisoformat(use["at"])
            where = dict(usage.where or {})
            if (
                use["id"] in left_out
                or use["who"] != usage.customer_id
                or not usage.period.start <= at < usage.period.end
                or (where and (use["model"] or "") != where["model"])
            ):
                continue
            value = self._value(aggregation, use["tokens"])
            if value is not None:
                yield at, event_digest("/test", use["id"]), value

    @staticmethod
    def _value(aggregation: str, token: Any) -> Any:
        if aggregation == "count":
            return ""
        if aggregation == "unique_count":
            known = {
                "True": "true",
                "[1, 2]": "[1, 2]",
                "{'b': 1, 'a': [None]}": '{"a": [null], "b": 1}',
            }
            if token is None or isinstance(token, str):
                return token
            return known.get(str(token), str(token))
        if isinstance(token, bool) or not isinstance(token, int | float | str):
            return None
        text = str(token)
        if not NUMBER.fullmatch(text):
            return None
        return Decimal(text)


def usages(through: int) -> list[MeteredUsage]:
    found: list[MeteredUsage] = []
    for customer in ("acme", "beta", "nobody"):
        for where in ({}, {"model": "large"}, {"model": ""}, {"model": "é"}):
            for hours in (96, 25):
                start = datetime(2023, 11, 14, tzinfo=UTC)
                found.append(
                    MeteredUsage(
                        UsageId(f"use_{len(found)}"),
                        CustomerId(customer),
                        MeterId("any"),
                        Period(start, start + timedelta(hours=hours)),
                        Decimal(0),
                        0,
                        where=where,
                        through_receipt=through,
                    )
                )
    return found


def spans(aggregation: str, **changes: Any) -> list[Span]:
    meter = replace(
        ANY,
        aggregation=cast("Aggregation", aggregation),
        value=None if aggregation == "count" else "tokens",
        **changes,
    )
    return [Span(meter, FIRST, date(2023, 11, 16)), Span(meter, date(2023, 11, 16), UNTIL)]


@pytest.fixture(params=[1, 2])
def sent(database: Database, request: pytest.FixtureRequest) -> tuple[Company, Sent]:
    """Give two sealed days, one of them in two segments without the fields, and two days that are not."""
    company = Company(database, meter=ANY)
    found = Sent(company, seed=request.param)
    seal(company, date(2023, 11, 14))
    company.use({"id": "late", "at": "2023-11-15T23:59:59.999999Z", "tokens": 1})
    found.uses.append(
        {
            "id": "late",
            "at": "2023-11-15T23:59:59.999999Z",
            "tokens": 1,
            "who": "acme",
            "model": "large",
        }
    )
    company.decide(Meter(MeterId("t"), "llm.request", "sum", "token", value="tokens"))
    company.decide(Meter(MeterId("u"), "llm.request", "unique_count", "text", value="tokens"))
    seal(company, date(2023, 11, 15), events_per_segment=30)
    return company, found


def watermark(company: Company) -> int:
    with company.database.transaction() as connection:
        return intake_watermark(connection)


def count(
    company: Company, wanted: Sequence[MeteredUsage], aggregation: str, engine: Engine
) -> list[Counted]:
    with company.database.transaction() as connection:
        return recount(connection, wanted, spans(aggregation), engine=engine)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_duckdb_counts_what_postgresql_and_plain_python_count(
    sent: tuple[Company, Sent], aggregation: Aggregation
) -> None:
    company, oracle = sent
    wanted = usages(watermark(company))

    duckdb = count(company, wanted, aggregation, "duckdb")
    postgres = count(company, wanted, aggregation, "postgres")

    expected = [oracle.counted(aggregation, usage) for usage in wanted]
    assert [(one.quantity, one.event_count) for one in duckdb] == expected
    assert duckdb == postgres


def test_voided_and_later_events_are_left_out(sent: tuple[Company, Sent]) -> None:
    company, oracle = sent
    first = usages(watermark(company))
    [voided] = list(company.use(oracle.uses[0]))
    company.void(voided)
    company.use({"id": "later", "at": "2023-11-14T05:00:00Z", "tokens": 1})
    second = usages(watermark(company) - 1)

    as_known_first = count(company, first, "sum", "duckdb")
    as_known_second = count(company, second, "sum", "duckdb")

    assert [one.event_count for one in as_known_first] == [
        oracle.counted("sum", usage)[1] for usage in first
    ]
    assert [one.event_count for one in as_known_second] == [
        oracle.counted("sum", usage, ["g0"])[1] for usage in second
    ]


def test_what_percentiles_and_averages_are_made_of_is_exact(sent: tuple[Company, Sent]) -> None:
    company, oracle = sent
    wanted = usages(watermark(company))

    with company.database.transaction() as connection:
        ranked = count_in_files(connection, wanted, spans("percentile"), engine="duckdb")
        averaged = count_in_files(connection, wanted, spans("average"), engine="duckdb")
        smallest = count_in_files(connection, wanted, spans("min"), engine="duckdb")

    assert [in_order(parts) for parts in ranked] == [oracle.values(usage) for usage in wanted]
    assert [(parts.total or 0, parts.events) for parts in averaged] == [
        oracle.counted("sum", usage) for usage in wanted
    ]
    assert [parts.smallest or 0 for parts in smallest] == [
        oracle.counted("min", usage)[0] for usage in wanted
    ]


@pytest.mark.parametrize("sent", [3], indirect=True)
def test_spark_counts_what_duckdb_counts(sent: tuple[Company, Sent]) -> None:
    company, _ = sent
    wanted = usages(watermark(company))

    for aggregation in AGGREGATIONS:
        assert count(company, wanted, aggregation, "spark") == count(
            company, wanted, aggregation, "duckdb"
        )


def in_order(parts: Parts) -> list[Decimal]:
    return sorted(value for value, times in parts.values for _ in range(times))
