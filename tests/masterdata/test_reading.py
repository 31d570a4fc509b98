"""Files are read exactly as they are written."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tollbook.masterdata.catalog import SINCE_EVER
from tollbook.masterdata.documents import Wanted, documents_to_versions
from tollbook.masterdata.files import Reading, read_directory, read_text
from tollbook.records.commercial import Contract, GlMap, PriceBook, TaxTable
from tollbook.records.parties import Customer, Subject


def values(text: str) -> dict[str, Any]:
    reading = Reading()
    read_text(f"customers:\n  - {{{text}}}\n", "case", reading)
    return dict(reading.documents[0].content)


def record(found: Wanted, kind: str, key: str, version: int = 1) -> Any:
    (one,) = [v for v in found.versions if (v.kind, v.key, v.version) == (kind, key, version)]
    return one.record


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.1", Decimal("0.1")),
        ("0.002", Decimal("0.002")),
        ("3.10", Decimal("3.10")),
        ("123456789012345678.000000000001", Decimal("123456789012345678.000000000001")),
        ("1_000_000", 1_000_000),
        ("1_000.50", Decimal("1000.50")),
        ("-7", -7),
        ("0100", "0100"),
        ("1e6", "1e6"),
        (".inf", ".inf"),
        ("NO", "NO"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("true", True),
        ("~", None),
        ("", None),
        ("2023-11-01", date(2023, 11, 1)),
        ("'2023-11-01'", "2023-11-01"),
    ],
)
def test_a_value_is_what_was_written(written: str, read: object) -> None:
    found = values(f"value: {written}")["value"]

    assert found == read
    assert type(found) is type(read)


def test_a_price_never_passes_a_float(wanted: Callable[[str], Wanted]) -> None:
    book = record(wanted(""), "price_book", "list")

    assert isinstance(book, PriceBook)
    assert book.prices[0].tiers[0].unit_price == Decimal(3)
    assert book.prices[0].price_version_id == "list/tokens@1"
    assert book.prices[0].currency == "USD"


def test_zeros_at_the_end_of_a_price_do_not_make_another_version(
    wanted: Callable[[str], Wanted],
) -> None:
    book = """
price_books:
  - {{id: x, currency: USD, effective_from: 2023-01-01, prices: [{{product: fee, model: flat, amount: {}}}]}}
"""
    one, other = wanted(book.format("5")), wanted(book.format("5.00"))

    assert [v.content_hash for v in one.versions] == [v.content_hash for v in other.versions]


def test_what_stands_above_the_versions_holds_for_each_of_them(
    wanted: Callable[[str], Wanted],
) -> None:
    found = wanted("""
contracts:
  - id: bob-1
    customer: bob
    entity: us
    currency: USD
    price_book: list
    items: [tokens]
    versions:
      - {version: 1, effective_from: 2023-01-01}
      - version: 2
        effective_from: 2023-12-01
        items: [{product: tokens, price: {model: unit, unit_price: 2.50}}]
""")

    first, second = (record(found, "contract", "bob-1", number) for number in (1, 2))
    assert isinstance(first, Contract)
    assert isinstance(second, Contract)
    assert first.items[0].price is None
    assert second.customer_id == "bob"
    assert second.items[0].price is not None
    assert second.items[0].price.price_version_id == "bob-1/tokens@2"
    assert second.items[0].price.currency == "USD"


def test_a_rate_may_be_written_in_percent(wanted: Callable[[str], Wanted]) -> None:
    table = record(wanted(""), "tax_table", "us")

    assert isinstance(table, TaxTable)
    assert table.rates[0].rate == Decimal("0.08875")


def test_a_subject_may_be_written_as_a_word(wanted: Callable[[str], Wanted]) -> None:
    found = wanted("customers: [{id: x, name: X, jurisdiction: DE, subjects: [x-prod, x-test]}]")

    customer = record(found, "customer", "x")

    assert isinstance(customer, Customer)
    assert customer.subjects == (Subject("x-prod"), Subject("x-test"))


def test_account_numbers_are_text(wanted: Callable[[str], Wanted]) -> None:
    gl_map = record(wanted(""), "gl_map", "us")

    assert isinstance(gl_map, GlMap)
    assert gl_map.accounts["revenue"] == "4000"


def test_a_record_without_a_day_was_always_in_force(wanted: Callable[[str], Wanted]) -> None:
    found = wanted("customers: [{id: x, name: X, jurisdiction: DE, effective_from: 2024-01-01}]")

    since = {v.key: v.effective_from for v in found.versions if v.kind == "customer"}

    assert since["x"] == date(2024, 1, 1)
    assert since["ada"] == SINCE_EVER


def test_the_api_takes_the_shape_of_the_files() -> None:
    found = documents_to_versions(
        {
            "customers": [{"id": "x", "name": "X", "jurisdiction": "DE"}, "y"],
            "price_books": [
                {
                    "id": "b",
                    "currency": "EUR",
                    "effective_from": "2023-01-01",
                    "prices": [{"product": "fee", "model": "flat", "amount": "9.90"}],
                }
            ],
            "nonsense": [],
        }
    )

    book = record(found, "price_book", "b")
    assert isinstance(book, PriceBook)
    assert book.prices[0].flat_amount == Decimal("9.9")
    assert [(str(p.place), p.code) for p in found.problems] == [
        ("customers[1]", "masterdata.malformed"),
        ("nonsense", "masterdata.unknown_key"),
    ]


def test_directories_are_read_to_their_end_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.yml").write_text("customers:\n  - {id: y, name: Y, jurisdiction: DE}\n")
    (tmp_path / "a.yaml").write_text("---\ncustomers: [{id: x, name: X, jurisdiction: DE}]\n---\n")
    (tmp_path / "notes.txt").write_text("customers: no")

    reading = read_directory(tmp_path)

    assert [str(d.place()) for d in reading.documents] == ["a.yaml:2", "b/2.yml:2"]
    assert reading.problems == []


def test_a_directory_without_files_is_a_problem(tmp_path: Path) -> None:
    (problem,) = read_directory(tmp_path).problems

    assert problem.code == "masterdata.no_files"
