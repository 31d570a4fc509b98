"""Quantities, periods, ids and the codec."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbook.values.clock import FixedClock
from tollbook.values.codec import content_hash, from_json, to_json
from tollbook.values.ids import derive, short_key
from tollbook.values.period import Month, Period
from tollbook.values.quantity import parse_quantity, plain


@pytest.mark.parametrize(
    ("value", "quantity"),
    [(7, "7"), ("0.1", "0.1"), (Decimal("1E+3"), "1000"), ("-5", "-5"), ("1.50", "1.5"), (0, "0")],
)
def test_a_quantity_is_read_exactly(value: object, quantity: str) -> None:
    assert parse_quantity(value) == Decimal(quantity)
    assert plain(parse_quantity(value)) == quantity


@pytest.mark.parametrize(
    "value",
    [True, None, 1.5, "many", "", "NaN", "Infinity", "1e400", "1_000", "\u0663", [1], "0." + "1" * 13,
     10**26, "1" * 200, Decimal("1E+400")],
)  # fmt: skip
def test_what_is_no_bounded_decimal_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="quantity"):
        parse_quantity(value)


def test_a_period_holds_its_start_and_not_its_end() -> None:
    november = Month.parse("2023-11").period

    assert datetime(2023, 11, 1, tzinfo=UTC) in november
    assert datetime(2023, 11, 30, 23, 59, 59, 999999, tzinfo=UTC) in november
    assert datetime(2023, 12, 1, tzinfo=UTC) not in november
    assert november.days == 30


def test_a_period_needs_zones_and_an_order() -> None:
    start = datetime(2023, 11, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        Period(start, datetime(2023, 12, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="end after"):
        Period(start, start)


@pytest.mark.parametrize(
    "text", ["2023-13", "2023-1", "11-2023", "2023-11-01", "", "\uff12\uff10\uff12\uff13-11"]
)
def test_a_month_is_written_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"YYYY-MM|no month"):
        Month.parse(text)


@given(st.integers(1990, 2200), st.integers(1, 12), st.integers(-400, 400))
def test_months_count_forth_and_back(year: int, number: int, months: int) -> None:
    month = Month(year, number)

    assert month.plus(months).plus(-months) == month
    assert month.plus(months).minus(month) == months
    assert month.plus(1).first - month.last == timedelta(days=1)


def test_a_leap_day_belongs_to_its_month() -> None:
    assert Month.of(date(2024, 2, 29)).last == date(2024, 2, 29)
    assert Month(2023, 2).last == date(2023, 2, 28)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_ids_are_equal_only_for_equal_parts(one: list[str], two: list[str]) -> None:
    assert (derive("x", *one) == derive("x", *two)) == (one == two)


def test_a_short_key_fits_the_tightest_field() -> None:
    key = short_key("inv_1", "erp")

    assert len(key) == 16
    assert key.isalnum()
    assert key.isupper()


def test_the_codec_keeps_decimals_and_orders_keys() -> None:
    @dataclass(frozen=True)
    class Sample:
        amount: Decimal
        names: dict[str, str]

    sample = Sample(Decimal("0.10"), {"b": "2", "a": "1"})

    assert to_json(sample) == b'{"amount":"0.10","names":{"a":"1","b":"2"}}'
    assert from_json(to_json(sample), Sample) == sample
    assert content_hash(sample) == content_hash(Sample(Decimal("0.10"), {"a": "1", "b": "2"}))


def test_a_decoding_error_names_the_field() -> None:
    @dataclass(frozen=True)
    class Sample:
        amount: Decimal

    with pytest.raises(ValueError, match=r"^amount: "):
        from_json('{"amount": []}', Sample)


def test_a_fixed_clock_moves_only_by_waiting() -> None:
    clock = FixedClock(datetime(2023, 12, 1, 10, tzinfo=timezone(timedelta(hours=1))))

    clock.wait(60)

    assert clock.now() == datetime(2023, 12, 1, 9, 1, tzinfo=UTC)
    assert clock.monotonic() == 60


@pytest.mark.parametrize(
    "written", ["1e-13", "1e-999999999", "1.0000000000001", "1e26", "1e999999999"]
)
def test_a_quantity_beyond_the_database_is_refused_at_once(written: str) -> None:
    with pytest.raises(ValueError, match="a quantity has at most"):
        parse_quantity(Decimal(written))


def test_zero_is_zero_however_it_is_written() -> None:
    assert [plain(parse_quantity(zero)) for zero in ("0e-999999999", "-0.00", "0E999999999")] == [
        "0",
        "0",
        "0",
    ]
