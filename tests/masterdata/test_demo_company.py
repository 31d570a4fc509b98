"""The demo company is complete, and its month of usage is the same every time."""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import fastjsonschema
import pytest

from tollbook.demo_company import directory
from tollbook.demo_company.usage import CUSTOMERS, Feed, events, feed, write_jsonl
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.documents import to_versions
from tollbook.masterdata.files import read_directory
from tollbook.masterdata.plan import plan
from tollbook.records.commercial import Contract, PriceBook
from tollbook.values.period import Month

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
NOVEMBER = Month(2023, 11)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    reading = read_directory(directory())
    planned = plan(Catalog(AT), to_versions(reading.documents, reading.problems), at=AT)
    assert [f"{p.place} {p.message}" for p in planned.problems] == []
    versions: dict[tuple[str, str], list[object]] = {}
    for change in planned.changes:
        versions.setdefault((change.version.kind, change.version.key), []).append(change.version)
    return Catalog(AT, {key: tuple(found) for key, found in versions.items()})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def month() -> Feed:
    return feed()


def kinds_of(contract: Contract, book: PriceBook) -> Iterable[str]:
    prices = {price.product_id: price for price in book.prices}
    priced = [item.price or prices[item.product_id] for item in contract.items]
    yield from {price.model for price in priced} & {"graduated", "volume"}
    if prices["code-large-input"].model == "package":
        yield "package"
    if contract.commitment:
        yield "commitment"
    if any(price.included for price in priced):
        yield "base fee with allowance"
    if contract.credits:
        yield "prepaid credits"


def test_two_legal_entities_sell_to_forty_customers(catalog: Catalog) -> None:
    entities = [catalog.entity(key, NOVEMBER.first) for key in catalog.keys("entity")]

    assert {entity.currency for entity in entities if entity} == {"USD", "EUR"}
    assert catalog.keys("customer") == list(CUSTOMERS)


def test_both_entities_have_six_kinds_of_contract(catalog: Catalog) -> None:
    found = Counter[tuple[str, str]]()
    for contract, _, _ in catalog.contract_segments(NOVEMBER):
        book = catalog.price_book(contract.price_book_id, NOVEMBER.first)
        assert book is not None
        if "support" not in contract.contract_id:
            found.update((contract.entity_id, kind) for kind in kinds_of(contract, book))

    expected = {
        "graduated",
        "volume",
        "package",
        "commitment",
        "base fee with allowance",
        "prepaid credits",
    }
    for entity in ("nwi-us", "nwi-de"):
        assert {kind for owner, kind in found if owner == entity} == expected


def test_every_event_of_every_customer_has_a_price_on_every_day(catalog: Catalog) -> None:
    needed = {"code-small-input", "code-small-output", "code-large-input", "code-large-output"}
    needed |= {"requests", "storage"}
    for month in (Month(2023, 1), NOVEMBER, Month(2023, 12), Month(2024, 6)):
        covered = {
            contract.customer_id: (start, end)
            for contract, start, end in catalog.contract_segments(month)
            if needed <= {item.product_id for item in contract.items}
        }
        assert set(covered) == set(CUSTOMERS)
        assert set(covered.values()) == {(month.first, month.plus(1).first)}


def test_every_customer_has_a_tax_rate_and_an_account_for_its_tax(catalog: Catalog) -> None:
    for contract, _, _ in catalog.contract_segments(NOVEMBER):
        customer = catalog.customer(contract.customer_id, NOVEMBER.last)
        table = catalog.tax_table(contract.entity_id, NOVEMBER.last)
        gl_map = catalog.gl_map(contract.entity_id, NOVEMBER.last)
        assert customer is not None
        assert table is not None
        assert gl_map is not None
        codes = [
            rate.tax_code
            for rate in table.rates
            if rate.jurisdiction == customer.jurisdiction
            and rate.effective_from <= NOVEMBER.last
            and (rate.effective_until is None or NOVEMBER.last < rate.effective_until)
        ]
        assert len(codes) == 1, customer.customer_id
        assert codes[0] in gl_map.tax_codes


def test_an_amendment_and_a_price_change_wait_in_december(catalog: Catalog) -> None:
    before = catalog.in_force("contract", "con-007", date(2023, 11, 30))
    after = catalog.in_force("contract", "con-007", date(2023, 12, 1))
    november = catalog.price_book("usd-payg", date(2023, 11, 30))
    december = catalog.price_book("usd-payg", date(2023, 12, 1))

    assert before is not None
    assert after is not None
    assert (before.version, after.version) == (1, 2)
    assert november is not None
    assert december is not None
    assert (november.version, december.version) == (1, 2)


def test_the_same_seed_gives_the_same_lines_and_another_seed_others(month: Feed) -> None:
    assert feed().lines == month.lines
    assert feed(seed=2).lines != month.lines


def test_valid_events_match_their_schema_and_fall_in_the_month(catalog: Catalog) -> None:
    schemas = {}
    for key in catalog.keys("event_type"):
        event_type = catalog.event_type(key, NOVEMBER.first)
        assert event_type is not None
        schemas[key] = fastjsonschema.compile(dict(event_type.schema))
    ids = set()

    for event in events():
        schemas[event["type"]](event["data"])
        ids.add((event["source"], event["id"]))
        assert datetime.fromisoformat(event["time"]) in NOVEMBER.period

    assert len(ids) == 20_000


def test_no_number_of_the_feed_is_a_float(month: Feed) -> None:
    for line in month.lines[:2_000]:
        if line.endswith("}}"):
            json.loads(line, parse_float=pytest.fail)


def test_a_feed_counts_what_an_independent_reader_counts(month: Feed) -> None:
    """Read as a stranger would: parse, drop what has a fault, the first body of an id stands."""
    known: dict[str, str] = {}
    found = Counter[str]()
    tokens, gb_hours = 0, Decimal(0)
    for line in month.lines:
        event = read(line)
        if event is None:
            found["refused"] += 1
        elif str(event["id"]) in known:
            found["duplicate" if known[str(event["id"])] == line else "conflict"] += 1
        else:
            known[str(event["id"])] = line
            data = event["data"]
            assert isinstance(data, dict)
            tokens += data.get("input_tokens", 0)
            gb_hours += Decimal(data.get("gb_hours", "0"))

    expected = month.expected
    assert len(month.lines) == expected.lines
    assert len(known) == expected.accepted == sum(expected.events_by_customer.values())
    assert found["duplicate"] == expected.duplicates
    assert found["conflict"] == expected.conflicts
    assert found["refused"] == sum(expected.refused.values())
    assert (tokens, gb_hours) == (expected.input_tokens, expected.gb_hours)


def read(line: str) -> dict[str, object] | None:
    try:
        event = json.loads(line)
        datetime.fromisoformat(event["time"])
        sizes = [
            Decimal(v) for k, v in event["data"].items() if k not in {"model", "region", "bucket"}
        ]
    except (ArithmeticError, ValueError):
        return None
    sound = (
        event["specversion"] == "1.0"
        and event.get("subject") in CUSTOMERS
        and event["type"] in {"llm.request", "storage.measured"}
        and min(sizes) >= 0
    )
    return event if sound else None


def test_the_feed_is_written_one_event_a_line(tmp_path: Path) -> None:
    expected = write_jsonl(tmp_path / "usage.jsonl", requests=100)

    lines = (tmp_path / "usage.jsonl").read_text().splitlines()

    assert len(lines) == expected.lines
