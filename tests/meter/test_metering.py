"""Metering: every event is counted once, in its hour, by its meter, under its contract."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from meter.company import AT, LARGE, NOVEMBER, TOKENS, Company, contract
from tollbook.flow.meter.step import meter, summarize
from tollbook.flow.meter.store import (
    events_behind,
    raw_usage,
    recount,
    usages_of_event,
)
from tollbook.records.commercial import Aggregation, ContractItem
from tollbook.records.usage import EMPTY_DIGEST, MeteredUsage
from tollbook.runtime.street import summarize_swept
from tollbook.storage.database import Database
from tollbook.values.ids import MeterId
from tollbook.values.period import Month
from tollbook.worklist.store import list_items


def only(usages: list[MeteredUsage]) -> MeteredUsage:
    """Return the one usage there is."""
    (usage,) = usages
    return usage


def codes(database: Database) -> list[str]:
    """Return the codes of open work items."""
    with database.transaction() as connection:
        return sorted(item.code for item in list_items(connection))


class TestAggregations:
    USES: tuple[dict[str, Any], ...] = (
        {"tokens": 5, "user": "a", "at": "2023-11-01T00:00:00Z"},
        {"tokens": 7, "user": "b", "at": "2023-11-01T00:59:59.999999Z"},
        {"tokens": 2, "user": "a", "at": "2023-11-01T01:00:00Z"},
        {"tokens": 3, "user": "a", "at": "2023-11-30T23:59:59.999999Z"},
        {"tokens": 900, "user": "z", "at": "2023-10-31T23:59:59.999999Z"},
        {"tokens": 900, "user": "z", "at": "2023-12-01T00:00:00Z"},
        {"tokens": 900, "user": "z", "who": "beta"},
        {"tokens": 900, "user": "z", "model": "small"},
    )

    @pytest.mark.parametrize(
        ("aggregation", "value", "expected"),
        [
            ("count", None, "4"),
            ("sum", "tokens", "17"),
            ("max", "tokens", "7"),
            ("unique_count", "user", "2"),
            ("latest", "tokens", "3"),
        ],
    )
    def test_a_month_is_counted_from_its_hours(
        self, database: Database, aggregation: Aggregation, value: str | None, expected: str
    ) -> None:
        tokens = replace(TOKENS, aggregation=aggregation, value=value)
        company = Company(database, meter=tokens)
        company.use(*self.USES)

        company.meter()

        usage = only(company.usages())
        assert usage.quantity == Decimal(expected)
        assert usage.event_count == 4
        with database.transaction() as connection:
            again = recount(connection, usage, catalog=company.catalog())
        assert (again.quantity, again.event_count, again.digest) == (
            usage.quantity,
            usage.event_count,
            usage.digest,
        )

    def test_decimals_are_added_exactly(self, database: Database) -> None:
        company = Company(database)
        company.use(*({"tokens": "0.1"} for _ in range(10)), {"tokens": "0.000000000001"})

        company.meter()

        assert only(company.usages()).quantity == Decimal("1.000000000001")

    def test_the_largest_hash_decides_between_latest_values_of_one_instant(
        self, database: Database
    ) -> None:
        company = Company(database, meter=replace(TOKENS, aggregation="latest"))
        company.use({"tokens": 5}, {"tokens": 6}, {"tokens": 7})

        company.meter()

        usage = only(company.usages())
        with database.transaction() as connection:
            events = events_behind(connection, usage.usage_id, limit=10)
        assert [event.id for event in events][-1] == f"e{int(usage.quantity) - 4}"

    def test_fields_inside_fields_are_found_by_their_path(self, database: Database) -> None:
        nested = replace(TOKENS, value="usage.out", where={"usage.kind": "paid"})
        company = Company(database, meter=nested)
        company.use({"usage": {"out": 4, "kind": "paid"}}, {"usage": {"out": 9, "kind": "free"}})

        company.meter()

        assert only(company.usages()).quantity == 4

    def test_an_event_without_a_dimension_is_counted_under_the_empty_text(
        self, database: Database
    ) -> None:
        company = Company(database, contract(items=(ContractItem("anything"),)))
        company.decide(replace(LARGE, product_id="anything", where={}))
        company.use({"tokens": 4, "model": None}, {"tokens": 5})

        company.meter()

        assert only(company.usages()).quantity == 9

    def test_usage_of_two_subjects_of_a_customer_is_one_usage(self, database: Database) -> None:
        company = Company(database)
        company.names("acme")
        with database.transaction() as connection:
            connection.execute(
                "insert into subject_crosswalk values ('acme-eu', 'acme', tstzrange(null, null))"
            )
        company.use({"tokens": 1}, {"tokens": 2, "who": "acme-eu"})

        company.meter()

        assert only(company.usages()).quantity == 3


class TestRepeating:
    def test_metering_again_writes_nothing(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5})
        first = company.meter()

        again = company.meter()

        assert len(first.written) == 1
        assert again.written == ()
        assert again.unchanged == 1

    def test_the_order_of_arrival_does_not_matter(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5, "id": "x"})
        company.meter()
        company.use({"tokens": 6, "id": "w"})
        company.meter()
        step_by_step = only(company.usages())
        with database.transaction() as connection:
            connection.execute("truncate usage_hour, usage_day, usage_point, summarized_meters")

        company.summarize()

        with database.transaction() as connection:
            at_once = only(raw_usage(connection, catalog=company.catalog(), month=NOVEMBER))
        assert company.meter().written == ()
        assert at_once.digest == step_by_step.digest != EMPTY_DIGEST
        assert at_once.quantity == step_by_step.quantity == 11

    def test_a_late_event_replaces_the_usage_and_voiding_it_brings_the_quantity_back(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.use({"tokens": 5})
        company.meter()
        first = only(company.usages())
        (late,) = company.use({"tokens": 6})
        company.meter()
        second = only(company.usages())

        company.void(late)
        company.meter()

        third = only(company.usages())
        assert [first.quantity, second.quantity, third.quantity] == [5, 11, 5]
        assert first.digest == third.digest != second.digest
        assert len({first.usage_id, second.usage_id, third.usage_id}) == 3
        with database.transaction() as connection:
            as_known = recount(connection, second, catalog=company.catalog())
        assert as_known.quantity == 11

    def test_usage_that_is_voided_wholly_becomes_a_usage_of_nothing(
        self, database: Database
    ) -> None:
        company = Company(database)
        (event,) = company.use({"tokens": 5})
        company.meter()

        company.void(event)
        company.meter()

        usage = only(company.usages())
        assert usage.quantity == 0
        assert (usage.event_count, usage.digest) == (0, EMPTY_DIGEST)

    def test_no_usage_is_stored_where_nothing_was_used(self, database: Database) -> None:
        company = Company(database)

        company.meter()

        assert company.usages() == []

    def test_a_meter_that_comes_after_the_events_counts_them(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5, "words": 3})
        company.meter()
        words = replace(TOKENS, value="words", version=2)
        company.decide(words)

        company.meter()

        usage = only(company.usages())
        assert usage.quantity == 3
        assert usage.meter_version == 2


class TestWatermark:
    def test_summaries_hold_exactly_what_was_committed_by_the_watermark(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.use({"tokens": 5})
        catalog = company.catalog()
        with database.transaction() as connection:
            summarized = summarize_swept(connection, catalog, AT)
        company.use({"tokens": 6})
        with database.transaction() as connection:
            meter(connection, catalog=catalog, month=NOVEMBER, at=AT)

        usage = only(company.usages())

        assert usage.quantity == 5
        assert usage.through_receipt == summarized.through_receipt
        with database.transaction() as connection:
            assert recount(connection, usage, catalog=catalog).quantity == 5

    def test_intake_goes_on_while_days_are_summarized(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5})
        catalog = company.catalog()

        with database.transaction() as connection:
            summarize(connection, catalog=catalog, at=AT)
            # Would wait for ever, and fail by its timeout, if the summary kept intake out.
            company.use({"tokens": 6})
        company.meter()

        assert only(company.usages()).quantity == 11


class TestContracts:
    def test_an_amendment_cuts_the_month_and_each_part_is_counted_alone(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.decide(contract(version=2, effective_from=date(2023, 11, 16)))
        company.use(
            {"tokens": 5, "at": "2023-11-15T23:59:59.999999Z"},
            {"tokens": 6, "at": "2023-11-16T00:00:00Z"},
        )

        company.meter()

        found = [(u.contract_version, u.quantity, u.period.days) for u in company.usages()]
        assert found == [(1, Decimal(5), 15), (2, Decimal(6), 15)]

    def test_usage_that_no_product_covers_waits_on_the_worklist_until_one_does(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.use({"tokens": 5, "model": "small"})
        company.meter()
        before = codes(database)

        items = (ContractItem("large"), ContractItem("small"))
        company.decide(contract(version=2, items=items))
        company.meter()

        assert before == ["meter.unpriced_usage"]
        assert codes(database) == []

    def test_usage_of_a_customer_without_a_contract_waits_on_the_worklist(
        self, database: Database
    ) -> None:
        company = Company(database)
        company.use({"tokens": 5, "who": "beta"}, {"tokens": 5, "who": "beta", "model": "small"})

        metered = company.meter()

        assert codes(database) == ["meter.no_contract"]
        assert len(metered.set_aside) == 2

    def test_usage_outside_the_contract_waits_on_the_worklist(self, database: Database) -> None:
        company = Company(database, contract(effective_until=date(2023, 11, 16)))
        company.use({"tokens": 5, "at": "2023-11-16T00:00:00Z"})

        company.meter()

        assert codes(database) == ["meter.unpriced_usage"]
        assert company.usages() == []

    def test_a_meter_that_no_product_reads_is_no_leak(self, database: Database) -> None:
        company = Company(database)
        company.decide(
            replace(TOKENS, meter_id=MeterId("requests"), aggregation="count", value=None)
        )
        company.use({"tokens": 5})

        company.meter()

        assert codes(database) == []

    def test_an_event_without_the_value_waits_and_the_others_are_counted(
        self, database: Database
    ) -> None:
        company = Company(database, meter=replace(TOKENS, value="words.out"))
        company.use({"words": {"out": 5}})
        with database.transaction() as connection:
            connection.execute(
                """insert into usage_event select gen_random_uuid(), day, f1, f2, receipt, 9,
                          occurred_at, source, 'odd', type, subject, '{"model": "large"}'
                   from usage_event"""
            )

        company.meter()

        assert codes(database) == ["meter.unusable_value"]
        assert only(company.usages()).quantity == 5


class TestTrace:
    def test_a_usage_lists_its_events_a_page_at_a_time(self, database: Database) -> None:
        company = Company(database)
        sent = company.use(*({"tokens": n} for n in range(1, 8)), {"model": "small"})
        company.meter()
        usage = only(company.usages())

        pages, after = [], None
        with database.transaction() as connection:
            while page := events_behind(connection, usage.usage_id, limit=3, after=after):
                pages.append([event.event_id for event in page])
                after = page[-1].event_id

        assert [len(page) for page in pages] == [3, 3, 1]
        assert sorted(name for page in pages for name in page) == sorted(sent[:7])
        assert usage.event_count == 7

    def test_an_event_leads_to_every_usage_that_counts_it(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5, "id": "first"})
        company.meter()
        before = only(company.usages()).usage_id
        company.use({"tokens": 6, "id": "late"}, {"tokens": 6, "id": "other", "model": "small"})
        company.meter()
        now = only(company.usages()).usage_id

        with database.transaction() as connection:
            found = {
                name: set(usages_of_event(connection, "/test", name))
                for name in ("first", "late", "other", "unknown")
            }

        assert found == {
            "first": {before, now},
            "late": {now},
            "other": set(),
            "unknown": set(),
        }

    def test_other_months_are_left_alone(self, database: Database) -> None:
        company = Company(database)
        company.use({"tokens": 5})

        company.meter(Month(2023, 10))

        assert company.usages() == []
