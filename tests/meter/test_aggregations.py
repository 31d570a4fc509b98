"""Every aggregation: what the vectors say, by every way of counting, in whatever order it came."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import conninfo, sql

from meter.aggregating import cases, current, customer, is_same, meter_of, only, recounted, send
from meter.company import NOVEMBER, Company
from meter.slow_model import counted
from tollbook.storage.database import Database
from tollbook.values.period import Period

FILES = ("numbers", "percentile", "gauges", "selection")
EVERY = [case for name in FILES for case in cases(name)]


def period_of(case: Mapping[str, Any]) -> Period:
    """Return the window of a case; November without one."""
    if "from" not in case:
        return NOVEMBER.period
    return Period(datetime.fromisoformat(case["from"]), datetime.fromisoformat(case["until"]))


def prepared(database: Database, *documents: Mapping[str, Any]) -> Company:
    """Give a company with meters m0, m1 ... and its summaries begun, so that deltas are folded."""
    company = Company(database)
    company.knows_quantities = False
    meters = [meter_of(document, name=f"m{n}") for n, document in enumerate(documents)]
    company.decide(customer(), *meters)
    company.summarize()
    return company


@pytest.fixture(scope="module")
def company_of_vectors(server_dsn: str, template: str) -> Iterator[Company]:
    """Give one company to all vectors; each brings its meter and forgets the others' events."""
    name = f"{template}_vectors"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        target = sql.Identifier(name)
        connection.execute(
            sql.SQL("create database {} template {}").format(target, sql.Identifier(template))
        )
        database = Database(conninfo.make_conninfo(server_dsn, dbname=name), size=2)
        yield prepared(database)
        database.close()
        connection.execute(sql.SQL("drop database {} with (force)").format(target))


@pytest.mark.parametrize("case", EVERY)
def test_a_window_comes_to_what_the_vector_says(
    company_of_vectors: Company, case: dict[str, Any]
) -> None:
    company = company_of_vectors
    company.forget_events()
    company.decide(meter_of(case["meter"], name="m0"))
    company.summarize()
    period = period_of(case)

    uses = send(company, case["events"])

    ask = {"customer_id": "acme", "meter_id": "m0", "since": period.start, "until": period.end}
    at_once = only(current(company, **ask))
    company.summarize()
    folded = only(current(company, **ask))
    assert at_once.quantity == folded.quantity == Decimal(str(case["quantity"]))
    assert at_once.event_count == folded.event_count == case["counted"]
    assert at_once.digest == folded.digest
    assert is_same(folded, recounted(company, "m0", period))
    slow = counted(case["meter"], uses, period.start, period.end)
    assert slow == (folded.quantity, folded.event_count)


METERS: tuple[dict[str, Any], ...] = (
    {"aggregation": "count"},
    {"aggregation": "sum", "value": "gb", "dimensions": ["region"]},
    {"aggregation": "average", "value": "gb", "dimensions": ["region"]},
    {"aggregation": "min", "value": "gb"},
    {"aggregation": "max", "value": "gb", "where": {"region": {"not": ["eu"]}}},
    {"aggregation": "latest", "value": "gb", "dimensions": ["region"]},
    {"aggregation": "unique_count", "value": "region"},
    {"aggregation": "sum", "expression": "gb * 2 - min(gb, 1) / 4"},
    {"aggregation": "percentile", "value": "gb", "percentile": 75},
    {
        "aggregation": "percentile",
        "value": "gb",
        "percentile": 95,
        "sample_minutes": 30,
        "empty_samples": "zero",
    },
    {"aggregation": "time_weighted_sum", "value": "gb", "series": "region"},
)
START = datetime(2023, 11, 14, 22, tzinfo=UTC)
numbers = st.one_of(
    st.integers(-3, 5),
    st.decimals(-2, 2, places=3).map(str),
    st.sampled_from([None, "many", True]),
)
uses = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 20).map(
                lambda n: (START + n * timedelta(minutes=17)).strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
            "gb": numbers,
        },
        optional={"region": st.sampled_from(["eu", "us", "", None, 7, True])},
    ),
    min_size=1,
    max_size=12,
)
PERIODS = (
    NOVEMBER.period,
    Period(START + timedelta(hours=1), START + timedelta(hours=5)),
    Period(START + timedelta(minutes=20), START + timedelta(hours=4, minutes=3)),
)


class TestLaw:
    @pytest.fixture
    def company(self, database: Database) -> Company:
        """Give a company with every kind of meter."""
        return prepared(database, *METERS)

    @given(found=uses, seed=st.integers(0, 1000))
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_in_groups_and_any_order_it_comes_to_what_all_at_once_does(
        self, company: Company, found: list[dict[str, Any]], seed: int
    ) -> None:
        company.forget_events()
        random = Random(seed)
        named = [{**one, "id": f"n{n}"} for n, one in enumerate(found)]
        random.shuffle(named)
        models = []
        for one in named:
            models += send(company, [one])
            if random.random() < 0.3:
                company.summarize()
        asks = [
            {"customer_id": "acme", "since": period.start, "until": period.end}
            for period in PERIODS
        ]

        at_once = [current(company, **ask) for ask in asks]
        company.summarize()
        folded = [current(company, **ask) for ask in asks]

        for period, before, after in zip(PERIODS, at_once, folded, strict=True):
            assert before.usages == after.usages
            by_meter = {usage.meter_id: usage for usage in after.usages}
            for place, document in enumerate(METERS):
                usage = by_meter[f"m{place}"]  # type: ignore[index]
                assert is_same(usage, recounted(company, usage.meter_id, period)), document
                slow = counted(document, models, period.start, period.end)
                assert slow == (usage.quantity, usage.event_count), document
