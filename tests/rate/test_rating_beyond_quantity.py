"""Prices that look at more than a quantity, fed from events through the stages of a month."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from meter.company import NOVEMBER, Company, contract
from tollbook.flow.rate.evaluate import price_of
from tollbook.flow.rate.price import multiplied_out
from tollbook.flow.rate.store import load_charges
from tollbook.flow.rate.truth import Elsewhere, month_truth
from tollbook.records.charge import Charge, PriceVersion
from tollbook.records.commercial import Contract, ContractItem, Meter, Product
from tollbook.reports.recompute import owed
from tollbook.storage.database import Database
from tollbook.values.ids import MeterId
from tollbook.values.period import Month

OCTOBER = Month(2023, 10)
TOKENS = Meter(
    MeterId("tokens"),
    "llm.request",
    "sum",
    "token",
    value="tokens",
    dimensions=("model", "region"),
)
PAID = Meter(MeterId("paid"), "llm.request", "sum", "USD", value="paid", dimensions=("region",))
ALL = Product("all", "All", "usage", "saas", MeterId("tokens"))


def agreed(**written: Any) -> Contract:
    """Build a contract for all tokens at a price written as in a price book."""
    price: PriceVersion = price_of({"currency": "USD", "product": "all", **written}, name="acme-1")
    return contract(items=(ContractItem("all", price),))


def rated(database: Database, terms: Contract, *uses: dict[str, Any]) -> Company:
    """Use, meter and rate November."""
    company = Company(database, terms, ALL, PAID, meter=TOKENS)
    company.use(*uses)
    company.rate()
    return company


def the_charge(company: Company, month: Month = NOVEMBER) -> Charge:
    """Return the one charge of a month, which must be what it is when computed again."""
    (charge,) = company.charges(month)
    with company.database.transaction() as connection:
        (stored,) = load_charges(connection, month)
        quantities = {usage.usage_id: usage.quantity for usage in company.usages(month)}
        again = owed(
            connection,
            [stored],
            quantities={str(key): value for key, value in quantities.items()},
            catalog=company.catalog(),
        )
    assert multiplied_out(charge) == charge
    assert (again.amount, again.quantity) == (charge.amount.value, charge.quantity)
    return charge


def test_a_matrix_rates_what_was_used_in_each_cell(database: Database) -> None:
    terms = agreed(
        model="matrix",
        dimensions=["region"],
        cells=[{"when": {"region": "eu"}, "unit_price": "2"}],
        default="0.5",
    )

    company = rated(
        database,
        terms,
        {"tokens": 3, "region": "eu"},
        {"tokens": 4, "region": "eu"},
        {"tokens": 10, "region": "us"},
        {"tokens": 2},
    )

    charge = the_charge(company)
    assert charge.amount.value == 20
    assert {one.label: int(one.quantity) for one in charge.parts} == {
        "region=eu: units": 7,
        "default: units": 12,
    }


def test_usage_of_a_cell_that_is_missing_waits_on_the_worklist(database: Database) -> None:
    terms = agreed(
        model="matrix",
        dimensions=["region"],
        cells=[{"when": {"region": "eu"}, "unit_price": "2"}],
    )
    company = Company(database, terms, ALL, PAID, meter=TOKENS)
    company.use({"tokens": 3, "region": "us"})

    found = company.rate()

    assert company.charges() == []
    assert found.set_aside == ("rate:2023-11:acme-1:all",)


def test_free_events_are_the_first_ones_that_occurred(database: Database) -> None:
    terms = agreed(model="percentage", rate="10 %", fixed_fee="1", free_events="1")

    company = rated(
        database,
        terms,
        {"tokens": 100, "at": "2023-11-20T00:00:00Z"},
        {"tokens": 50, "at": "2023-11-02T00:00:00Z"},
    )

    assert the_charge(company).amount.value == 11


def test_a_percentage_counts_events_without_reading_them(database: Database) -> None:
    company = rated(
        database,
        agreed(model="percentage", rate="1 %", fixed_fee="0.30"),
        {"tokens": 100},
        {"tokens": 50},
    )

    assert the_charge(company).amount.value == Decimal("2.10")


def test_each_day_of_the_month_is_a_window_of_its_own(database: Database) -> None:
    terms = agreed(
        model="unit",
        unit_price="1",
        commitment={"window": "day", "quantity": "10", "overage_factor": "2", "true_up": "yes"},
    )

    company = rated(
        database,
        terms,
        {"tokens": 8, "at": "2023-11-02T01:00:00Z"},
        {"tokens": 4, "at": "2023-11-02T23:59:59Z"},
        {"tokens": 3, "at": "2023-11-30T12:00:00Z"},
    )

    # 2 November: 10 + 2 x 2; 30 November and the other 28 days: 10 each.
    assert the_charge(company).amount.value == 304


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ({"model": "dynamic"}, "3.75"),
        ({"model": "cost_plus", "markup": "20 %"}, "4.50"),
        ({"model": "percentage", "rate": "10 %", "event_minimum": "0.30"}, "0.60"),
    ],
)
def test_the_amount_comes_from_another_meter_and_the_quantity_stays(
    database: Database, written: dict[str, Any], amount: str
) -> None:
    company = rated(
        database,
        agreed(amount_meter="paid", **written),
        {"tokens": 7, "paid": "2.50"},
        {"tokens": 5, "paid": "1.25"},
    )

    charge = the_charge(company)
    assert charge.amount.value == Decimal(amount)
    assert charge.quantity == 12


def test_tiers_go_on_through_the_contract_year(database: Database) -> None:
    terms = agreed(
        model="graduated",
        accumulate="contract_year",
        tiers=[{"up_to": "100", "unit_price": "1"}, {"unit_price": "0.5"}],
    )
    company = Company(database, terms, ALL, PAID, meter=TOKENS)
    company.use(
        {"tokens": 90, "at": "2023-10-05T00:00:00Z"},
        {"tokens": 60, "at": "2023-11-05T00:00:00Z"},
    )

    company.rate(OCTOBER)
    company.rate(NOVEMBER)

    assert the_charge(company, OCTOBER).amount.value == 90
    november = the_charge(company, NOVEMBER)
    assert november.amount.value == 35
    assert [one.label for one in november.parts] == [
        "used before in the span",
        "up to 100",
        "above 100",
    ]


def test_late_usage_of_an_earlier_month_moves_the_tiers_of_the_next_one(
    database: Database,
) -> None:
    terms = agreed(
        model="graduated",
        accumulate="contract_life",
        tiers=[{"up_to": "100", "unit_price": "1"}, {"unit_price": "0.5"}],
    )
    company = Company(database, terms, ALL, PAID, meter=TOKENS)
    company.use({"tokens": 90, "at": "2023-10-05T00:00:00Z"}, {"tokens": 60})
    company.rate(OCTOBER)
    company.rate(NOVEMBER)
    company.bill(OCTOBER)
    company.bill(NOVEMBER)
    company.use({"tokens": 10, "at": "2023-10-06T00:00:00Z"})

    company.rate(OCTOBER)
    company.rate(NOVEMBER)

    charged = [*company.charges(OCTOBER), *company.charges(NOVEMBER)]
    # 160 tokens: 100 x 1 + 60 x 0.5.
    assert sum(charge.amount.value for charge in charged) == 130


def test_an_amendment_within_the_month_does_not_start_the_year_again(database: Database) -> None:
    written: dict[str, Any] = {
        "model": "graduated",
        "accumulate": "calendar_year",
        "tiers": [{"up_to": "100", "unit_price": "1"}, {"unit_price": "0.5"}],
    }
    company = Company(database, agreed(**written), ALL, PAID, meter=TOKENS)
    amended = agreed(**written)
    company.decide(
        contract(version=2, effective_from=date(2023, 11, 11), items=amended.items),
    )
    company.use(
        {"tokens": 90, "at": "2023-11-05T00:00:00Z"},
        {"tokens": 60, "at": "2023-11-15T00:00:00Z"},
    )

    company.rate()

    assert [charge.amount.value for charge in company.charges()] == [90, 35]


def test_a_price_that_looks_beyond_is_never_rated_by_the_quantity_alone(
    database: Database,
) -> None:
    company = Company(
        database, agreed(model="dynamic", amount_meter="paid"), ALL, PAID, meter=TOKENS
    )
    company.use({"tokens": 5, "paid": "1.00"})
    company.meter()

    truth = month_truth(company.catalog(), NOVEMBER, company.usages(), Elsewhere())

    assert truth.charges == {}
    assert [refusal.failure.code for refusal in truth.refusals] == ["rate.detail_missing"]


def test_negative_usage_is_credited_where_the_price_says_so(database: Database) -> None:
    company = rated(
        database,
        agreed(model="unit", unit_price="2", negative_usage="credit"),
        {"tokens": 3},
        {"tokens": -5},
    )

    assert the_charge(company).amount.value == -4


@pytest.mark.parametrize(
    ("interval", "month", "months"),
    [
        (1, Month(2023, 11), "2023-11-01 2023-12-01"),
        (3, Month(2023, 9), "2023-07-01 2023-10-01"),
        (3, Month(2023, 11), None),
        (12, Month(2023, 12), "2023-01-01 2024-01-01"),
    ],
)
def test_a_fee_in_arrears_is_owed_when_its_interval_ends(
    database: Database, interval: int, month: Month, months: str | None
) -> None:
    price = price_of(
        {
            "currency": "USD",
            "product": "seats",
            "model": "flat",
            "amount": "10",
            "due": "in_arrears",
            "steps": ["price", {"discount": "10 %"}],
        }
    )
    item = ContractItem("seats", price, quantity=Decimal(3), interval_months=interval)
    company = Company(database, contract(items=(item,)))

    company.rate(month)

    found = company.charges(month)
    spans = [f"{one.period.start.date()} {one.period.end.date()}" for one in found]
    assert spans == ([] if months is None else [months])
    assert all(one.amount.value == 27 for one in found)


def test_a_fee_in_arrears_is_owed_when_the_contract_ends_early(database: Database) -> None:
    price = price_of(
        {
            "currency": "USD",
            "product": "seats",
            "model": "flat",
            "amount": "10",
            "due": "in_arrears",
        }
    )
    item = ContractItem("seats", price, interval_months=12)
    company = Company(database, contract(items=(item,), effective_until=date(2023, 11, 21)))

    company.rate()

    (charge,) = company.charges()
    assert str(charge.period.end.date()) == "2023-11-21"


def test_the_minimum_of_a_quarter_is_owed_in_its_last_month(database: Database) -> None:
    terms = agreed(
        model="unit", unit_price="1", minimum="100", accumulate="quarter", minimum_due="at_end"
    )
    company = Company(database, terms, ALL, PAID, meter=TOKENS)
    company.use({"tokens": 30, "at": "2023-10-05T00:00:00Z"}, {"tokens": 20})

    for month in (OCTOBER, NOVEMBER, Month(2023, 12)):
        company.rate(month)

    assert the_charge(company, OCTOBER).amount.value == 30
    assert the_charge(company).amount.value == 20
    (last,) = company.charges(Month(2023, 12))
    assert last.amount.value == 50
