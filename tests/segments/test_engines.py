"""DuckDB, Spark and PostgreSQL count the same events to the same digit, and so does plain Python."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from random import Random
from typing import Any

import pytest

from meter.company import Company
from segments.test_sealing import seal
from tollbook.flow.capture.store import intake_watermark
from tollbook.flow.meter.definition import Counted, finish
from tollbook.flow.meter.events.store import parts_of
from tollbook.flow.meter.sealed.store import Engine
from tollbook.flow.meter.window import Question, Span
from tollbook.records.commercial import Aggregation, Meter
from tollbook.storage.database import Database
from tollbook.values.ids import MeterId, event_digest, event_id
from tollbook.values.period import Period

EXACT = Context(prec=200, traps=[Inexact])
EXACT_OR_NOT = Context(prec=200)
NUMBER = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?")
# A meter that needs no value lets the door take whatever is in the others.
ANY = Meter(MeterId("any"), "llm.request", "count", "event", dimensions=("model",))
FIRST, UNTIL = date(2023, 11, 14), date(2023, 11, 18)
AGGREGATIONS: list[Aggregation] = [
    "count",
    "sum",
    "min",
    "max",
    "average",
    "unique_count",
    "latest",
    "percentile",
]
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
    "1e99",
    "100000000000000000000000000",
    "0.0000000000001",
    "1.0000000000000000000000",
    "-0.000",
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
        self, aggregation: str, asked: Question, left_out: Sequence[str] = ()
    ) -> tuple[Decimal, int]:
        found = list(self._inside(aggregation, asked, left_out))
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
            case "average":
                total = sum((Fraction(value) for _, _, value in found), Fraction())
                answer = half_even(total / len(found))
            case "percentile":
                ranked = sorted(value for _, _, value in found)
                answer = ranked[-(-len(ranked) * 95 // 100) - 1]
            case "max":
                answer = max(value for _, _, value in found)
            case "min":
                answer = min(value for _, _, value in found)
            case _:
                answer = max(found)[2]
        return answer, len(found)

    def _inside(
        self, aggregation: str, asked: Question, left_out: Sequence[str]
    ) -> Iterator[tuple[datetime, bytes, Any]]:
        for use in self.uses:
            at = datetime.fromisoformat(use["at"])
            where = dict(asked.where)
            if (
                use["id"] in left_out
                or use["who"] != asked.customer_id
                or not asked.period.start <= at < asked.period.end
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
        number = Decimal(text)
        is_short = number == 0 or number == number.quantize(Decimal("1e-12"), context=EXACT_OR_NOT)
        return number if number.copy_abs() < 10**26 and is_short else None


def half_even(value: Fraction) -> Decimal:
    """Round as the definition says, by integers alone."""
    scaled = value * 10**12
    return EXACT.scaleb(Decimal(round(scaled)), -12)


def questions(aggregation: Aggregation) -> list[Question]:
    """Ask for customers, dimensions and periods, one of which ends in the middle of a day."""
    meter = replace(
        ANY,
        aggregation=aggregation,
        value=None if aggregation == "count" else "tokens",
        percentile=Decimal(95) if aggregation == "percentile" else None,
    )
    half = date(2023, 11, 16)
    spans = (Span(meter, FIRST, half), Span(replace(meter, version=2), half, UNTIL))
    start = datetime(2023, 11, 14, tzinfo=UTC)
    wheres: list[dict[str, str]] = [{}, {"model": "large"}, {"model": ""}, {"model": "é"}]
    return [
        Question(customer, spans, Period(start, start + timedelta(hours=hours)), where)
        for customer in ("acme", "beta", "nobody")
        for where in wheres
        for hours in (96, 25)
    ]


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
    company: Company, asked: Sequence[Question], engine: Engine, *, through: int | None = None
) -> list[Counted]:
    with company.database.transaction() as connection:
        found = parts_of(connection, asked, through=through, engine=engine)
    return [
        finish(one.meter, parts[()], one.period.start, one.period.end) if parts else Counted()
        for one, parts in zip(asked, found, strict=True)
    ]


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_duckdb_counts_what_postgresql_and_plain_python_count(
    sent: tuple[Company, Sent], aggregation: Aggregation
) -> None:
    company, oracle = sent
    asked = questions(aggregation)

    duckdb = count(company, asked, "duckdb")
    postgres = count(company, asked, "postgres")

    expected = [oracle.counted(aggregation, one) for one in asked]
    assert [(one.quantity, one.event_count) for one in duckdb] == expected
    assert duckdb == postgres


def test_voided_and_later_events_are_left_out(sent: tuple[Company, Sent]) -> None:
    company, oracle = sent
    asked, first = questions("sum"), watermark(company)
    company.void(event_id("/test", "g0"))
    company.use({"id": "later", "at": "2023-11-14T05:00:00Z", "tokens": 1})
    second = watermark(company) - 1

    as_known_first = count(company, asked, "duckdb", through=first)
    as_known_second = count(company, asked, "duckdb", through=second)

    assert [one.event_count for one in as_known_first] == [
        oracle.counted("sum", one)[1] for one in asked
    ]
    assert [one.event_count for one in as_known_second] == [
        oracle.counted("sum", one, ["g0"])[1] for one in asked
    ]


def test_an_identity_reused_on_another_day_takes_only_the_later_event_out(
    sent: tuple[Company, Sent],
) -> None:
    company, oracle = sent
    company.use({"id": "g0", "at": "2023-11-17T12:00:00Z", "tokens": 3})
    company.summarize()
    asked = questions("sum")

    duckdb = count(company, asked, "duckdb")

    assert duckdb == count(company, asked, "postgres")
    assert [one.event_count for one in duckdb] == [oracle.counted("sum", one)[1] for one in asked]


@pytest.mark.parametrize("sent", [3], indirect=True)
def test_spark_counts_what_duckdb_counts(sent: tuple[Company, Sent]) -> None:
    company, _ = sent

    # Each shape of an answer once: Spark takes seconds for every question, however small.
    shapes: list[Aggregation] = ["sum", "latest", "unique_count", "percentile"]
    for aggregation in shapes:
        asked = questions(aggregation)
        assert count(company, asked, "spark") == count(company, asked, "duckdb"), aggregation


def test_gauges_and_formulas_are_counted_with_the_sealed_events_beside_the_others(
    database: Database,
) -> None:
    company = Company(database, meter=ANY)
    Sent(company, seed=5)
    gauge = replace(ANY, aggregation="time_weighted_sum", value="tokens")
    formula = replace(ANY, aggregation="sum", expression="2 * tokens + 1")
    spans = [(Span(meter, FIRST, UNTIL),) for meter in (gauge, formula)]
    period = Period(datetime(2023, 11, 15, tzinfo=UTC), datetime(2023, 11, 17, tzinfo=UTC))
    asked = [Question("acme", one, period) for one in spans]
    before = [count(company, [one], "postgres") for one in asked]
    for day in (14, 16):
        seal(company, date(2023, 11, day))

    with company.database.transaction() as connection:
        found = [parts_of(connection, [one], through=None)[0][()] for one in asked]

    after = [
        [finish(one.meter, parts, period.start, period.end)]
        for one, parts in zip(asked, found, strict=True)
    ]
    assert after == before
    assert all(counted.event_count for [counted] in before)
