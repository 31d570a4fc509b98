"""Prepaid credits in the books: cost, what lapses, what rolls over, what people order."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from meter.company import AT, NOVEMBER, Company, contract
from tollbook.controls.audit import all_records
from tollbook.errors import Rejected
from tollbook.flow.rate.grants.step import order_expiry, order_grant, order_refund
from tollbook.ledger.credit_store import movements_of
from tollbook.records.charge import ChargeKind
from tollbook.records.credits import CreditGrant, CreditPolicy, RollOver
from tollbook.reports.credits import credits_of
from tollbook.reports.invariants import QUESTIONS
from tollbook.storage.database import Database
from tollbook.values.period import Month

DECEMBER = Month(2023, 12)
JANUARY = Month(2024, 1)
FIFTH = date(2023, 11, 5)


def grant(name: str, amount: str, **changes: Any) -> CreditGrant:
    """Build a grant of the fifth of November."""
    return replace(CreditGrant(name, Decimal(amount), FIFTH), **changes)


def owed(company: Company, kind: ChargeKind, month: Month = NOVEMBER) -> list[Decimal]:
    """Return the amounts of the charges of a kind."""
    return [one.amount.value for one in company.charges(month) if one.kind == kind]


def moved(company: Company) -> list[tuple[str, str, Decimal, Decimal]]:
    """Return (batch, kind, credits, cost) of every movement, in order."""
    with company.database.transaction() as connection:
        return [
            (one.grant_id, one.kind, one.amount, one.cost)
            for one in movements_of(connection, ["acme-1"])
        ]


def broken(database: Database) -> dict[str, Any]:
    """Return the invariants of credits that do not hold."""
    with database.transaction() as connection:
        return {
            name: rows
            for name, sql in QUESTIONS.items()
            if "credits" in name and (rows := connection.execute(sql).fetchall())
        }


class TestCost:
    def test_what_was_given_costs_nothing_and_lowers_revenue(self, database: Database) -> None:
        company = Company(database, contract(credits=(grant("g", "50", kind="promotional"),)))
        company.use({"tokens": 10000})

        company.rate()

        assert owed(company, "credit_purchase") == [0]
        assert owed(company, "credit_applied") == [0]
        assert owed(company, "credit_discount") == [-20]
        assert company.grants() == {"g": 30}
        assert broken(database) == {}

    def test_credits_bought_below_what_they_pay_are_used_at_their_cost(
        self, database: Database
    ) -> None:
        company = Company(database, contract(credits=(grant("g", "50", cost=Decimal(40)),)))
        company.use({"tokens": 10000})

        company.rate()

        assert owed(company, "credit_purchase") == [40]
        assert owed(company, "credit_applied") == [-16]
        assert owed(company, "credit_discount") == [-4]
        assert ("g", "drawdown", Decimal(-20), Decimal(-16)) in moved(company)
        assert broken(database) == {}

    def test_credits_with_a_rate_are_bought_and_used_at_it(self, database: Database) -> None:
        company = Company(database, contract(credits=(grant("g", "100", rate=Decimal("0.5")),)))
        company.use({"tokens": 10000})

        company.rate()

        assert owed(company, "credit_purchase") == [50]
        assert owed(company, "credit_applied") == [-20]
        assert company.grants() == {"g": 60}

    def test_use_that_is_voided_after_the_invoice_gives_back_credits_and_discount(
        self, database: Database
    ) -> None:
        company = Company(database, contract(credits=(grant("g", "50", cost=Decimal(40)),)))
        (event,) = company.use({"tokens": 10000})
        company.rate()
        company.bill()
        company.void(event)

        company.rate()

        assert owed(company, "credit_applied") == [-16, 16]
        assert owed(company, "credit_discount") == [-4, 4]
        assert company.grants() == {"g": 50}
        assert broken(database) == {}

    def test_the_order_of_the_contract_decides(self, database: Database) -> None:
        paid, gift = grant("a", "50"), grant("b", "50", kind="promotional")
        terms = contract(credits=(paid, gift), credit_policy=CreditPolicy(order=("paid_first",)))
        company = Company(database, terms)
        company.use({"tokens": 10000})

        company.rate()

        assert company.grants() == {"a": 30, "b": 50}

    def test_a_grant_for_another_product_does_not_pay(self, database: Database) -> None:
        company = Company(database, contract(credits=(grant("g", "50", products=("small",)),)))
        company.use({"tokens": 10000})

        company.rate()

        assert owed(company, "credit_applied") == []
        assert company.grants() == {"g": 50}


class TestLapse:
    def test_what_is_left_at_expiry_lapses_at_its_cost(self, database: Database) -> None:
        expiring = grant("g", "50", cost=Decimal(40), expires_on=date(2023, 11, 20))
        company = Company(database, contract(credits=(expiring,)))
        company.use({"tokens": 10000})

        company.rate()
        company.rate()

        assert company.grants() == {"g": 0}
        assert ("g", "expiry", Decimal(-30), Decimal(-24)) in moved(company)
        assert broken(database) == {}

    def test_late_use_of_a_month_before_the_expiry_lapses_less(self, database: Database) -> None:
        expiring = grant("g", "50", expires_on=date(2023, 12, 20))
        company = Company(database, contract(credits=(expiring,)))
        company.rate()
        company.rate(DECEMBER)
        company.use({"tokens": 10000})

        company.rate()
        company.rate(DECEMBER)

        assert owed(company, "credit_applied") == [-20]
        assert company.grants() == {"g": 0}
        lapsed = [amount for _, kind, amount, _ in moved(company) if kind == "expiry"]
        assert lapsed == [-50, 20]
        assert broken(database) == {}

    def test_late_use_of_all_that_had_expired_takes_the_expiry_back(
        self, database: Database
    ) -> None:
        expiring = grant("g", "20", expires_on=date(2023, 12, 20))
        company = Company(database, contract(credits=(expiring,)))
        company.rate()
        company.rate(DECEMBER)
        company.use({"tokens": 10000})

        company.rate()

        lapsed = [amount for _, kind, amount, _ in moved(company) if kind == "expiry"]
        assert lapsed == [-20, 20]
        assert company.grants() == {"g": 0}
        assert broken(database) == {}

    def test_what_rolls_over_pays_in_the_next_months(self, database: Database) -> None:
        rule = RollOver(percent=Decimal(50), times=1, valid_months=1)
        rolling = grant("g", "50", expires_on=date(2023, 11, 30), roll_over=rule)
        company = Company(database, contract(credits=(rolling,)))
        company.use({"tokens": 5000}, {"tokens": 5000, "at": "2023-12-01T00:00:00Z"})

        company.rate()
        after = company.grants()
        company.rate(DECEMBER)
        company.rate(JANUARY)

        assert after == {"g": 0, "g+1": 20}
        assert owed(company, "credit_applied", DECEMBER) == [-10]
        assert company.grants() == {"g": 0, "g+1": 0}
        assert broken(database) == {}

    def test_what_a_plan_includes_comes_every_month_and_goes(self, database: Database) -> None:
        first = date(2023, 11, 1)
        plan = grant(
            "p", "15", granted_on=first, kind="promotional", every_months=1, until_next=True
        )
        company = Company(database, contract(credits=(plan,)))
        company.use({"tokens": 5000}, {"tokens": 10000, "at": "2023-12-01T00:00:00Z"})

        company.rate()
        company.rate(DECEMBER)

        assert owed(company, "credit_discount") == [-10]
        assert owed(company, "credit_discount", DECEMBER) == [-15]
        assert company.grants() == {"p/1": 0, "p/2": 0}
        assert broken(database) == {}


class TestCommands:
    def test_a_grant_that_is_given_is_billed_and_pays(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 10000})
        written = {"id": "extra", "amount": "30", "granted_on": "2023-11-10"}

        give(company, written)
        company.rate()

        assert owed(company, "credit_purchase") == [30]
        assert owed(company, "credit_applied") == [-20]
        with database.transaction() as connection:
            [*_, last] = list(all_records(connection))
        assert (last.action, last.object_id, last.actor) == (
            "credits.grant",
            "acme-1/extra",
            "erin",
        )

    def test_a_grant_that_is_ended_lapses(self, database: Database) -> None:
        company = Company(database, contract(credits=(grant("g", "50"),)))
        company.use({"tokens": 10000})

        with database.transaction() as connection:
            order_expiry(
                connection,
                catalog=company.catalog(),
                contract_id="acme-1",
                grant_id="g",
                effective_at=datetime(2023, 11, 25, tzinfo=UTC),
                by="erin",
                reason="agreed",
                at=AT,
            )
        company.rate()

        assert company.grants() == {"g": 0}
        assert ("g", "expiry", Decimal(-30), Decimal(-30)) in moved(company)

    def test_a_refund_pays_back_the_cost_of_what_is_left(self, database: Database) -> None:
        company = Company(database, contract(credits=(grant("g", "50", cost=Decimal(40)),)))
        company.use({"tokens": 10000})
        company.rate()
        month = Month.of(AT.date())

        with database.transaction() as connection:
            ordered = order_refund(
                connection,
                catalog=company.catalog(),
                contract_id="acme-1",
                grant_id="g",
                by="erin",
                reason="cancelled",
                at=AT,
            )
        company.rate(month)

        assert (ordered.amount, ordered.cost) == (Decimal(30), Decimal(24))
        assert company.grants() == {"g": 0}
        assert sum(owed(company, "credit_purchase")) + sum(
            owed(company, "credit_purchase", month) if month != Month(2023, 11) else []
        ) == Decimal(16)
        assert broken(database) == {}

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"amount": "-5"}, "credits.invalid"),
            ({"id": "g"}, "credits.invalid"),
            ({"products": ["nothing"]}, "credits.invalid"),
            ({"amout": "5"}, "credits.invalid"),
            ({"granted_on": "2022-01-01"}, "credits.invalid"),
        ],
    )
    def test_a_grant_that_a_contract_could_not_have_is_refused(
        self, database: Database, changes: Mapping[str, Any], code: str
    ) -> None:
        company = Company(database, contract(credits=(grant("g", "50"),)))
        written = {"id": "extra", "amount": "30", "granted_on": "2023-11-10"}

        with pytest.raises(Rejected) as refused:
            give(company, {**written, **changes})

        assert refused.value.code == code

    def test_what_was_given_is_not_refunded(self, database: Database) -> None:
        company = Company(database, contract(credits=(grant("g", "50", kind="promotional"),)))
        company.rate()

        with pytest.raises(Rejected) as refused, database.transaction() as connection:
            order_refund(
                connection,
                catalog=company.catalog(),
                contract_id="acme-1",
                grant_id="g",
                by="erin",
                reason="cancelled",
                at=AT,
            )

        assert refused.value.code == "credits.not_refundable"

    def test_balances_tell_what_expires_soon(self, database: Database) -> None:
        soon = AT.date().replace(day=28)
        credits_ = (grant("g", "50", expires_on=soon), grant("h", "7", priority=Decimal(-1)))
        company = Company(database, contract(credits=credits_))
        company.rate()

        with database.transaction() as connection:
            [found] = credits_of(
                connection, company.catalog(), customer_id="acme", at=AT, soon_days=40
            )

        assert [one.block_id for one in found.batches] == ["h", "g"]
        assert [found.balance, found.cost_left, found.expiring_soon] == [57, 57, 50]


def give(company: Company, written: Mapping[str, Any]) -> None:
    """Give credits to the contract of acme."""
    with company.database.transaction() as connection:
        order_grant(
            connection,
            catalog=company.catalog(),
            contract_id="acme-1",
            written=written,
            by="erin",
            reason="goodwill",
            at=AT,
        )
