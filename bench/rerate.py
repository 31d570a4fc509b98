"""Measures re-rating: from a month's stored usage to a report on other prices.

Fills an embedded PostgreSQL in a temporary home with customers, contracts, five meters each and the
usage of a month as metering stores it, 200 events behind every line, and rates all of it on the
present and on other graduated prices. Then ten times the customers, with --more.
"""

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from psycopg.types.json import Jsonb

from tollbook.flow.rate.rerate.step import Question
from tollbook.flow.rate.step import rate
from tollbook.masterdata.documents import documents_to_versions
from tollbook.masterdata.store import load_catalog
from tollbook.runtime.rerate import plan_terms, what_if
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate
from tollbook.values.codec import to_builtins
from tollbook.values.ids import derive
from tollbook.values.period import Month

METERS = ("input", "output", "cached", "images", "audio")
EVENTS_A_LINE = 200
NOVEMBER = Month(2023, 11)
AT = datetime(2023, 12, 1, tzinfo=UTC)


def book(version: int, *prices: str) -> dict[str, Any]:
    first, second, third = map(Decimal, prices)
    tiers = [
        {"up_to": 100_000, "unit_price": first},
        {"up_to": 1_000_000, "unit_price": second},
        {"unit_price": third},
    ]
    return {
        "id": "usd",
        "version": version,
        "currency": "USD",
        "effective_from": date(2023, version, 1),
        "prices": [
            {"product": name, "model": "graduated", "per": 1000, "tiers": tiers} for name in METERS
        ],
    }


def company(customers: int) -> dict[str, Any]:
    """Give the master data, as files would."""
    return {
        "entities": [
            {
                "id": "us",
                "name": "Example Inc",
                "currency": "USD",
                "country": "US",
                "target": "erp",
                "invoice_prefix": "US",
            }
        ],
        "event_types": [{"id": "llm", "schema": {"type": "object"}}],
        "meters": [
            {"id": name, "event_type": "llm", "aggregation": "sum", "value": name, "unit": "token"}
            for name in METERS
        ],
        "products": [
            {
                "id": name,
                "name": name,
                "meter": name,
                "unit": "token",
                "revenue": "usage",
                "tax_class": "standard",
            }
            for name in METERS
        ],
        "price_books": [book(1, "0.0123", "0.0107", "0.009123456789")],
        "customers": [
            {"id": f"cus_{number:06}", "name": f"Customer {number}", "jurisdiction": "US-WA"}
            for number in range(customers)
        ],
        "contracts": [
            {
                "id": f"con_{number:06}",
                "customer": f"cus_{number:06}",
                "entity": "us",
                "currency": "USD",
                "price_book": "usd",
                "effective_from": date(2023, 1, 1),
                "items": list(METERS),
            }
            for number in range(customers)
        ],
    }


def usages(customers: int) -> Iterator[tuple[Any, ...]]:
    random = Random(7)
    period = NOVEMBER.period
    for number in range(customers):
        for name in METERS:
            yield (
                derive("use", str(number), name),
                f"cus_{number:06}",
                f"con_{number:06}",
                1,
                name,
                name,
                1,
                Jsonb({}),
                period.start,
                period.end,
                Decimal(random.randrange(1, 3_000_000)),
                EVENTS_A_LINE,
                f"{random.getrandbits(128):032x}",
                1,
                AT,
                "UTC",
            )


def fill(database: Database, customers: int) -> None:
    wanted = documents_to_versions(company(customers))
    assert not wanted.problems, wanted.problems[:3]
    with database.transaction() as connection:
        connection.execute("truncate metered_usage, master_version, charge cascade")
        with connection.cursor().copy(
            """copy master_version (kind, key, version, effective_from, document, content_hash,
                                    decided_at, decided_by) from stdin"""
        ) as copy:
            for one in wanted.versions:
                written = Jsonb(to_builtins(one.record))
                copy.write_row(
                    (
                        *(one.kind, one.key, one.version, one.effective_from, written),
                        *(one.content_hash, AT, "bench"),
                    )
                )
        with connection.cursor().copy(
            """copy metered_usage (usage_id, customer_id, contract_id, contract_version, product_id,
                                   meter_id, meter_version, where_equal, starts_at, ends_at,
                                   quantity, event_count, digest, through_receipt, decided_at,
                                   zone) from stdin"""
        ) as copy:
            for row in usages(customers):
                copy.write_row(row)
    with database.transaction() as connection:
        connection.execute("analyze")


def measure(database: Database) -> tuple[float, int]:
    """Return how many seconds a re-rating takes from stored usage to a report, and its lines."""
    wanted = documents_to_versions({"price_books": [book(2, "0.0125", "0.0101", "0.0091")]})
    started, spent = time.perf_counter(), time.process_time()
    with database.transaction() as connection:
        terms = plan_terms(connection, wanted, at=AT)
        planned = time.perf_counter() - started
        answer = what_if(connection, terms, Question(NOVEMBER), database=database)
    seconds, spent = time.perf_counter() - started, time.process_time() - spent
    [total] = answer.report.totals
    assert total.difference
    assert not answer.report.not_rated
    print(
        f"{answer.report.contracts:7} customers, {answer.report.lines} lines on both terms: "
        f"{seconds:.2f} s ({planned:.2f} s of it reading and checking master data; {spent:.2f} s "
        f"CPU here), {answer.report.lines / seconds:,.0f} lines/s, "
        f"{total.winners.customers} win, {total.losers.customers} lose"
    )
    return seconds, answer.report.lines


def measure_month(database: Database) -> None:
    """Say how long the street takes to rate the month and store its charges."""
    for name in ("rating the month", "rating it again"):
        started, spent = time.perf_counter(), time.process_time()
        with database.transaction() as connection:
            known = load_catalog(connection, known_at=AT)
            rated = rate(connection, catalog=known, month=NOVEMBER, at=AT)
        seconds, spent = time.perf_counter() - started, time.process_time() - spent
        lines = len(rated.written) + rated.unchanged
        print(
            f"{name}: {len(rated.written)} charges written, {rated.unchanged} unchanged, "
            f"{seconds:.2f} s ({spent:.2f} s CPU here), {lines / seconds:,.0f} lines/s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--more", action="store_true", help="Ten times the customers as well.")
    parser.add_argument("--month", action="store_true", help="Rate and store the month as well.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = embedded.start(Path(home), settings={"max_connections": "20"})
        try:
            migrate(server.dsn)
            database = Database(server.dsn, size=2)
            print(f"{os.cpu_count()} cores")
            fill(database, asked.customers)
            first = min(measure(database)[0] for _ in range(3))
            if asked.month:
                measure_month(database)
            if asked.more:
                fill(database, asked.customers * 10)
                print(f"ten times the customers: {measure(database)[0] / first:.1f} times as long")
            database.close()
        finally:
            embedded.stop(Path(home))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"at most {peak:,.0f} MB here")


if __name__ == "__main__":
    main()
