"""Rating a month: all charges of an obligation always sum to its truth, whatever happened before."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meter.company import AT, BOOK, NOVEMBER, Company, contract, flat_price, unit_price
from tollbook.controls.lineage import parents
from tollbook.flow.rate.price import multiplied_out, price_usage
from tollbook.flow.rate.rated import obligation_key
from tollbook.flow.rate.store import charges_by_id, history, load_charges, open_charges
from tollbook.flow.rate.truth import Elsewhere, month_truth
from tollbook.ledger.credit_store import CreditMovement, move
from tollbook.records.charge import Charge, ChargeKind
from tollbook.records.commercial import Commitment, ContractItem
from tollbook.records.credits import CreditGrant
from tollbook.storage.database import Database
from tollbook.values.period import Month
from tollbook.worklist.store import list_items

DECEMBER = Month(2023, 12)


def amounts(charges: list[Charge], kind: ChargeKind = "usage") -> list[Decimal]:
    """Return the amounts of the charges of a kind."""
    return [charge.amount.value for charge in charges if charge.kind == kind]


def codes(database: Database) -> list[str]:
    """Return the codes of open work items."""
    with database.transaction() as connection:
        return sorted(item.code for item in list_items(connection))


def grant(grant_id: str, amount: str, granted_on: date, expires_on: date | None = None) -> Any:
    """Build a grant of prepaid credits."""
    return CreditGrant(grant_id, Decimal(amount), granted_on, expires_on)


class TestUsage:
    def test_a_charge_pins_what_it_was_made_from(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})

        company.rate()

        (charge,) = company.charges()
        (usage,) = company.usages()
        assert charge.amount.value == Decimal("0.5")
        assert charge.usage_id == usage.usage_id
        assert (charge.price_version_id, charge.meter_version) == ("book/large@1", 1)
        with database.transaction() as connection:
            (rated,) = load_charges(connection, NOVEMBER)
            links = parents(connection, [charge.charge_id])
        assert rated.price == unit_price("large", "0.002")
        assert price_usage(usage, rated.price).amount == charge.amount
        assert links == [(charge.charge_id, usage.usage_id, "rate")]

    def test_rating_again_writes_nothing(self, database: Database) -> None:
        terms = contract(
            items=(ContractItem("large"), ContractItem("seats")),
            commitment=Commitment(Decimal(100)),
            credits=(grant("g", "50", date(2023, 11, 1)),),
        )
        company = Company(database, terms)
        company.use({"tokens": 250})
        first = company.rate()
        grants = company.grants()

        again = company.rate()

        assert len(first.written) == 5
        assert (again.written, again.superseded, again.unchanged) == ((), (), 5)
        assert company.grants() == grants

    def test_late_usage_before_the_invoice_replaces_the_charge(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        first = company.rate()
        company.use({"tokens": 250})

        second = company.rate()

        assert second.superseded == first.written
        assert amounts(company.charges()) == [Decimal(1)]

    def test_late_usage_after_the_invoice_is_a_difference(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        (first,) = company.rate().written
        company.bill()
        company.use({"tokens": 100})

        company.rate()

        late = company.charges()[-1]
        assert late.amount.value == Decimal("0.2")
        assert late.quantity == 100
        assert late.corrects == first
        assert multiplied_out(late) == late
        with database.transaction() as connection:
            assert len(open_charges(connection, NOVEMBER)) == 1

    def test_a_voided_event_after_the_invoice_is_credited(self, database: Database) -> None:
        company = Company(database)
        (event,) = company.use({"tokens": 250})
        company.rate()
        company.bill()

        company.void(event)
        company.rate()

        assert amounts(company.charges()) == [Decimal("0.5"), Decimal("-0.5")]

    def test_usage_that_comes_and_goes_is_charged_once(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        company.rate()
        (late,) = company.use({"tokens": 100})
        company.rate()
        company.void(late)

        company.rate()

        assert amounts(company.charges()) == [Decimal("0.5")]

    def test_a_corrected_price_bills_the_difference(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        company.rate()
        company.bill()
        company.decide(replace(BOOK, version=2, prices=(unit_price("large", "0.003"),)))

        company.rate()

        assert amounts(company.charges()) == [Decimal("0.5"), Decimal("0.25")]

    def test_a_backdated_amendment_credits_the_old_window_and_bills_the_new_ones(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        company.rate()
        company.bill()
        dearer = (ContractItem("large", unit_price("large", "0.004")),)
        company.decide(contract(version=2, effective_from=date(2023, 11, 16), items=dearer))

        company.rate()

        assert sum(amounts(company.charges())) == 1
        assert amounts(company.charges()) == [Decimal("0.5"), Decimal("-0.5"), Decimal(1)]

    def test_usage_inside_the_allowance_is_charged_with_nothing(self, database: Database) -> None:
        item = ContractItem("large", unit_price("large", "0.002", included=Decimal(1000)))
        company = Company(database, contract(items=(item,)))
        company.use({"tokens": 250})

        company.rate()

        assert amounts(company.charges()) == [0]

    def test_a_minimum_is_owed_without_any_usage(self, database: Database) -> None:
        item = ContractItem("large", unit_price("large", "0.002", minimum=Decimal(5)))
        company = Company(database, contract(items=(item,)))

        company.rate()

        (charge,) = company.charges()
        assert charge.amount.value == 5
        assert charge.usage_id is None

    def test_without_usage_and_without_a_minimum_there_is_no_charge(
        self, database: Database
    ) -> None:
        company = Company(database)

        company.rate()

        assert company.charges() == []

    def test_two_runs_at_once_charge_once(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        company.meter()

        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(company.rate) for _ in range(2)]
            written = [len(run.result().written) for run in runs]

        assert sorted(written) == [0, 1]
        assert amounts(company.charges()) == [Decimal("0.5")]

    def test_charges_are_facts(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        company.rate()

        with pytest.raises(psycopg.errors.RestrictViolation), database.transaction() as connection:
            connection.execute("update charge set amount = 0")

    def test_an_obligation_tells_its_whole_history(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 250})
        (first,) = company.rate().written
        company.use({"tokens": 250})
        (second,) = company.rate().written
        company.bill()

        with database.transaction() as connection:
            (rated,) = charges_by_id(connection, [second])
            told = history(connection, obligation_key(rated))

        found = [(one.rated.charge.charge_id, one.is_superseded, one.is_billed) for one in told]
        assert found == [(first, True, False), (second, False, True)]


class TestFees:
    def test_a_fee_counts_its_seats(self, database: Database) -> None:
        company = Company(database, contract(items=(ContractItem("seats", quantity=Decimal(3)),)))

        company.rate()

        (charge,) = company.charges()
        assert charge.kind == "fixed"
        assert charge.amount.value == 30
        assert charge.quantity == 3
        assert charge.period == NOVEMBER.period

    def test_an_annual_fee_is_owed_in_the_month_of_the_contract(self, database: Database) -> None:
        annual = ContractItem("seats", interval_months=12)
        company = Company(database, contract(items=(annual,), effective_from=date(2023, 11, 10)))
        for month in (NOVEMBER, DECEMBER, Month(2024, 11)):
            company.rate(month)

        (first,) = company.charges(NOVEMBER)
        (second,) = company.charges(Month(2024, 11))

        assert company.charges(DECEMBER) == []
        assert (first.period.start.date(), first.period.end.date()) == (
            date(2023, 11, 10),
            date(2024, 11, 1),
        )
        assert (second.period.start.date(), second.period.end.date()) == (
            date(2024, 11, 1),
            date(2025, 11, 1),
        )

    def test_an_amended_contract_owes_its_fee_once_on_the_terms_of_the_first(
        self, database: Database
    ) -> None:
        company = Company(database, contract(items=(ContractItem("seats"),)))
        dearer = (ContractItem("seats", flat_price("seats", "99")),)
        company.decide(contract(version=2, effective_from=date(2023, 11, 16), items=dearer))

        company.rate()

        assert amounts(company.charges(), "fixed") == [10]

    def test_a_fee_ends_with_the_contract(self, database: Database) -> None:
        until = date(2023, 11, 21)
        items = (ContractItem("seats", interval_months=3),)
        company = Company(
            database,
            contract(items=items, effective_from=date(2023, 11, 1), effective_until=until),
        )

        company.rate()

        (charge,) = company.charges()
        assert charge.period.end.date() == until


class TestCommitments:
    def test_usage_below_the_commitment_owes_the_rest_of_it(self, database: Database) -> None:
        company = Company(database, contract(commitment=Commitment(Decimal(100))))
        company.use({"tokens": 250})

        company.rate()

        charges = company.charges()
        assert amounts(charges) == [Decimal("0.5")]
        assert amounts(charges, "commitment_shortfall") == [Decimal("99.5")]
        assert [c.product_id for c in charges] == ["large", "large"]

    def test_the_commitment_is_compared_with_settled_usage(self, database: Database) -> None:
        company = Company(database, contract(commitment=Commitment(Decimal(100))))
        company.use({"tokens": 2})

        company.rate()

        # 0.004 is nothing on the invoice, so all of the commitment is missing.
        assert amounts(company.charges(), "commitment_shortfall") == [100]

    def test_usage_beyond_the_commitment_owes_the_surcharge(self, database: Database) -> None:
        terms = contract(commitment=Commitment(Decimal(1), Decimal("1.5")))
        company = Company(database, terms)
        company.use({"tokens": 1500})

        company.rate()

        assert amounts(company.charges(), "overage") == [1]
        assert amounts(company.charges(), "commitment_shortfall") == []

    def test_late_usage_after_the_invoice_gives_the_shortfall_back(
        self, database: Database
    ) -> None:
        company = Company(database, contract(commitment=Commitment(Decimal(100))))
        company.use({"tokens": 250})
        company.rate()
        company.bill()
        company.use({"tokens": 500})

        company.rate()

        assert sum(charge.amount.value for charge in company.charges()) == 100
        assert amounts(company.charges(), "commitment_shortfall") == [Decimal("99.5"), -1]

    def test_an_amended_month_has_one_commitment(self, database: Database) -> None:
        committed = Commitment(Decimal(100))
        company = Company(database, contract(commitment=committed))
        amended = contract(version=2, effective_from=date(2023, 11, 16), commitment=committed)
        company.decide(amended)
        company.use(
            {"tokens": 5000, "at": "2023-11-02T00:00:00Z"},
            {"tokens": 5000, "at": "2023-11-20T00:00:00Z"},
        )

        company.rate()

        assert amounts(company.charges()) == [10, 10]
        assert amounts(company.charges(), "commitment_shortfall") == [80]


class TestPrepaidCredits:
    def test_credits_are_bought_and_pay_for_usage_of_the_same_month(
        self, database: Database
    ) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        company.use({"tokens": 10000})

        company.rate()

        charges = company.charges()
        assert amounts(charges, "credit_purchase") == [50]
        assert amounts(charges, "credit_applied") == [-20]
        assert company.grants() == {"g": 30}

    def test_credits_last_until_they_are_used_up(self, database: Database) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        company.use({"tokens": 20000}, {"tokens": 20000, "at": "2023-12-01T00:00:00Z"})

        company.rate()
        company.rate(DECEMBER)

        assert amounts(company.charges(), "credit_applied") == [-40]
        assert amounts(company.charges(DECEMBER), "credit_applied") == [-10]
        assert company.grants() == {"g": 0}

    def test_credits_of_one_day_are_one_purchase_of_two_grants(self, database: Database) -> None:
        day = date(2023, 11, 5)
        terms = contract(credits=(grant("a", "50", day), grant("b", "7", day)))
        company = Company(database, terms)

        company.rate()

        assert amounts(company.charges(), "credit_purchase") == [57]
        assert company.grants() == {"a": 50, "b": 7}

    def test_late_usage_before_the_invoice_uses_more_credits(self, database: Database) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        company.use({"tokens": 10000})
        company.rate()
        (late,) = company.use({"tokens": 5000})

        company.rate()
        more = company.grants()
        company.void(late)
        company.rate()

        assert more == {"g": 20}
        assert company.grants() == {"g": 30}
        assert amounts(company.charges(), "credit_applied") == [-20]

    def test_credits_of_voided_usage_return_after_the_invoice(self, database: Database) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        (event,) = company.use({"tokens": 10000})
        company.rate()
        company.bill()
        company.void(event)

        company.rate()

        assert company.grants() == {"g": 50}
        assert amounts(company.charges(), "credit_applied") == [-20, 20]

    def test_the_credits_of_an_earlier_month_are_not_used_twice(self, database: Database) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        company.use({"tokens": 15000}, {"tokens": 15000, "at": "2023-12-01T00:00:00Z"})
        company.rate()
        company.rate(DECEMBER)
        company.use({"tokens": 15000})

        company.rate()

        assert amounts(company.charges(), "credit_applied") == [-30]
        assert company.grants() == {"g": 0}

    def test_a_grant_that_shrinks_below_its_use_waits_on_the_worklist(
        self, database: Database
    ) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        company.use({"tokens": 15000, "at": "2023-12-01T00:00:00Z"})
        company.rate()
        company.rate(DECEMBER)
        company.decide(contract(version=2, credits=(grant("g", "5", date(2023, 11, 5)),)))

        company.rate()

        assert codes(database) == ["rate.credit_overdrawn"]
        assert company.grants() == {"g": 20}

    def test_no_grant_can_be_left_with_less_than_nothing(self, database: Database) -> None:
        terms = contract(credits=(grant("g", "50", date(2023, 11, 5)),))
        company = Company(database, terms)
        (purchase,) = company.rate().written
        beyond = CreditMovement(
            "g", "acme-1", "acme", "USD", "drawdown", Decimal(-51), purchase, date(2023, 11, 30)
        )

        with pytest.raises(AssertionError), database.transaction() as connection:
            move(connection, [beyond], at=AT)

        assert company.grants() == {"g": 50}


class TestRefusals:
    def test_an_item_without_a_price_waits_and_the_others_are_charged(
        self, database: Database
    ) -> None:
        items = (ContractItem("large"), ContractItem("small"))
        company = Company(database, contract(items=items))
        company.decide(replace(BOOK, version=2, prices=(unit_price("large", "0.002"),)))
        company.use({"tokens": 250}, {"tokens": 250, "model": "small"})

        rated = company.rate()

        assert amounts(company.charges()) == [Decimal("0.5")]
        assert codes(database) == ["rate.missing_price"]
        assert rated.set_aside == ("rate:2023-11:acme-1:small",)

    def test_the_item_is_charged_once_its_price_is_there(self, database: Database) -> None:
        company = Company(database, contract(items=(ContractItem("small"),)))
        company.decide(replace(BOOK, version=2, prices=()))
        company.use({"tokens": 250, "model": "small"})
        company.rate()
        company.decide(replace(BOOK, version=3, prices=(unit_price("small", "0.004"),)))

        company.rate()

        assert amounts(company.charges()) == [1]
        assert codes(database) == []

    def test_a_lost_price_neither_credits_what_was_billed_nor_touches_the_commitment(
        self, database: Database
    ) -> None:
        company = Company(database, contract(commitment=Commitment(Decimal(100))))
        company.use({"tokens": 250})
        company.rate()
        company.bill()
        before = company.charges()
        company.decide(replace(BOOK, version=2, prices=()))

        company.rate()

        assert company.charges() == before

    def test_no_commitment_is_computed_while_a_product_cannot_be_rated(
        self, database: Database
    ) -> None:
        company = Company(database, contract(commitment=Commitment(Decimal(100))))
        company.decide(replace(BOOK, version=2, prices=()))

        truth = month_truth(company.catalog(), NOVEMBER, [], Elsewhere())

        assert truth.charges == {}
        assert [refusal.product_id for refusal in truth.refusals] == ["large"]

    @pytest.mark.parametrize(
        ("item", "code"),
        [
            (ContractItem("unknown"), "rate.unknown_product"),
            (ContractItem("large", replace(flat_price("large", "1"), currency="EUR")), None),
            (ContractItem("large", replace(unit_price("large", "1"), per=Decimal(3))), None),
        ],
    )
    def test_terms_that_cannot_be_rated_wait_on_the_worklist(
        self, database: Database, item: ContractItem, code: str | None
    ) -> None:
        company = Company(database, contract(items=(item,)))
        company.use({"tokens": 250})

        company.rate()

        assert (code or "rate.invalid_price") in codes(database)
        assert company.charges() == []

    def test_usage_below_nothing_waits_on_the_worklist(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5})
        with database.transaction() as connection:
            connection.execute("""update usage_event set data = '{"model":"large","tokens":-5}'""")

        company.rate()

        assert codes(database) == ["rate.negative_usage"]
        assert company.charges() == []


# Each example has a month of its own, so that one database serves them all.
MONTHS = (Month(2001, 1).plus(n) for n in count())
KNOWN: dict[str, Company] = {}


def _company(database: Database) -> Company:
    if database.dsn not in KNOWN:
        KNOWN[database.dsn] = Company(database)
    return KNOWN[database.dsn]


USES = st.lists(st.tuples(st.sampled_from(["use", "void", "bill", "rate"]), st.integers(1, 9999)))


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=USES)
def test_charges_sum_to_the_truth_whatever_the_story(
    database: Database, story: list[tuple[str, int]]
) -> None:
    month = next(MONTHS)
    terms = contract(
        contract_id=f"c-{month}",
        effective_from=month.first,
        effective_until=month.plus(1).first,
        items=(ContractItem("large", unit_price("large", "0.0033")),),
        commitment=Commitment(Decimal(20), Decimal("1.5")),
    )
    company = _company(database)
    company.decide(terms)
    live: dict[str, int] = {}
    for at, (act, tokens) in enumerate([*story, ("rate", 0)]):
        if act == "use":
            name = f"{month}-{at}"
            (sent,) = company.use({"tokens": tokens, "at": f"{month}-09T00:00:00Z", "id": name})
            live[sent] = tokens
        elif act == "void" and live:
            company.void(live.popitem()[0])
        elif act == "bill":
            company.bill(month)
        else:
            company.rate(month)

    usage = Decimal(sum(live.values())) * Decimal("0.0033")
    assert sum(amounts(company.charges(month))) == usage
    settled = usage.quantize(Decimal("0.01"))
    beyond = max(Decimal(0), settled - 20) / 2
    assert sum(amounts(company.charges(month), "overage")) == beyond
    missing = max(Decimal(0), 20 - settled)
    assert sum(amounts(company.charges(month), "commitment_shortfall")) == missing
