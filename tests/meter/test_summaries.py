"""Summaries: raised by what arrives, counted again where that is not enough, never both."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from meter.aggregating import current, customer, meter_of, only
from meter.company import AT, NOVEMBER, TOKENS, Company
from tollbook.flow.meter.current import Ask, view_of
from tollbook.flow.meter.digest import digest
from tollbook.flow.meter.step import (
    Summarized,
    events_behind_window,
    summaries_that_differ,
    summarize,
)
from tollbook.records.commercial import EventType
from tollbook.storage.database import Database
from tollbook.worklist.store import list_items

ACME: dict[str, Any] = {"customer_id": "acme", "meter_id": "tokens", "month": NOVEMBER}


def begun(database: Database) -> Company:
    """Give a company whose summaries know their meters: from now on, what arrives is added."""
    company = Company(database)
    company.decide(customer())
    company.summarize()
    return company


def tokens(company: Company, **ask: Any) -> Decimal:
    """Return the tokens that acme used in November."""
    return only(current(company, **{**ACME, **ask})).quantity


def differences(company: Company) -> list[str]:
    """Return what doctor finds wrong with the summaries."""
    catalog = company.catalog()
    with company.database.transaction() as connection:
        return list(summaries_that_differ(connection, catalog))


def summarized(company: Company, **settings: Any) -> Summarized:
    """Bring the summaries up to date and return what that did."""
    catalog = company.catalog()
    with company.database.transaction() as connection:
        return summarize(connection, catalog=catalog, at=AT, **settings)


def rows_of(database: Database, table: str) -> int:
    """Count the rows of a table."""
    with database.transaction() as connection:
        row = connection.execute(f"select count(*) from {table}").fetchone()
    assert row is not None
    return int(row[0])


class TestDeltas:
    def test_usage_is_current_at_the_acknowledgement_and_stays_so_when_it_is_folded(
        self, database: Database
    ) -> None:
        company = begun(database)
        company.use({"tokens": 5}, {"tokens": 6})

        before = current(company, **ACME)
        done = summarized(company)
        after = current(company, **ACME)

        assert only(before).quantity == 11
        assert only(before).event_count == 2
        assert before.usages == after.usages
        assert before.complete_through_receipt < before.latest_receipt
        assert after.complete_through_receipt == after.latest_receipt
        assert done.days == 0, "nothing was counted from the events"
        assert rows_of(database, "usage_delta") == 0
        assert differences(company) == []

    def test_a_late_event_is_added(self, database: Database) -> None:
        company = begun(database)
        company.use({"tokens": 5})
        company.summarize()
        company.use({"tokens": 7, "at": "2023-11-02T00:00:00Z"}, {"tokens": 9})

        company.summarize()

        assert tokens(company) == 21
        assert differences(company) == []

    def test_a_duplicate_is_not_added_again(self, database: Database) -> None:
        company = begun(database)
        company.use({"tokens": 5, "id": "one"})

        company.use({"tokens": 5, "id": "one"}, {"tokens": 6, "id": "two"})

        assert tokens(company) == 11

    def test_few_receipts_at_a_time_come_to_the_same(self, database: Database) -> None:
        company = begun(database)
        for number in range(1, 6):
            company.use({"tokens": number})
        seen = []
        done = [summarized(company, rows_max=1)]
        while done[-1].is_behind:
            seen.append(tokens(company))
            done.append(summarized(company, rows_max=1))

        receipts = [one.through_receipt for one in done]
        assert len(receipts) == 5
        assert receipts == sorted(set(receipts))
        assert set(seen) == {Decimal(15)}
        assert rows_of(database, "usage_delta") == 0
        assert tokens(company) == 15
        assert differences(company) == []

    def test_a_type_without_a_meter_makes_no_rows(self, database: Database) -> None:
        company = begun(database)
        company.decide(EventType("other.type", {"type": "object"}))

        company.send({"tokens": 4}, at="2023-11-16T18:00:00Z", name="o", event_type="other.type")

        assert rows_of(database, "usage_delta") == 0


class TestRecountAndDeltas:
    def test_a_day_that_is_counted_again_does_not_get_its_deltas_too(
        self, database: Database
    ) -> None:
        company = begun(database)
        first, _ = company.use({"tokens": 5}, {"tokens": 6})
        company.summarize()
        company.use({"tokens": 7})
        company.void(first)
        company.use({"tokens": 8}, {"tokens": 9, "at": "2023-11-03T00:00:00Z"})

        done = summarized(company)

        assert done.days == 1
        assert tokens(company) == 6 + 7 + 8 + 9
        assert differences(company) == []

    def test_voiding_asks_for_patience_until_the_day_is_counted_again(
        self, database: Database
    ) -> None:
        company = begun(database)
        first, _ = company.use({"tokens": 5}, {"tokens": 6})
        company.summarize()

        company.void(first)

        assert current(company, **ACME).recount_pending
        company.summarize()
        assert not current(company, **ACME).recount_pending
        assert tokens(company) == 6

    def test_deltas_of_a_door_that_knew_other_meters_are_not_believed(
        self, database: Database
    ) -> None:
        company = begun(database)
        company.use({"tokens": 5, "words": 50})
        behind = company.catalog()
        company.decide(replace(TOKENS, value="words", version=2))
        company.summarize()

        company.use({"tokens": 6, "words": 60}, known=behind)
        company.summarize()

        assert tokens(company) == 110
        assert differences(company) == []

    def test_events_of_a_door_that_knew_no_meter_yet_are_counted(self, database: Database) -> None:
        company = begun(database)
        behind = company.catalog()
        peak = meter_of({"aggregation": "max", "value": "load"}, "peak", event_type="new.type")
        company.decide(EventType("new.type", {"type": "object"}))
        company.decide(peak)
        company.summarize()

        company.send(
            {"load": 4}, at="2023-11-16T18:00:00Z", name="n", event_type="new.type", known=behind
        )
        company.summarize()

        assert only(current(company, **{**ACME, "meter_id": "peak"})).quantity == 4

    def test_a_door_that_knows_a_newer_meter_than_the_worker_is_counted_in_the_end(
        self, database: Database
    ) -> None:
        company = begun(database)
        company.use({"tokens": 5, "words": 50})
        behind = company.catalog()
        company.decide(replace(TOKENS, value="words", version=2))
        company.use({"tokens": 6, "words": 60})
        with database.transaction() as connection:
            summarize(connection, catalog=behind, at=AT)

        company.summarize()

        assert tokens(company) == 110
        assert differences(company) == []

    def test_a_subject_that_means_another_customer_takes_its_usage_along(
        self, database: Database
    ) -> None:
        company = begun(database)
        company.decide(customer("beta"))
        company.use({"tokens": 5})
        company.summarize()
        with database.transaction() as connection:
            connection.execute(
                "update subject_crosswalk set customer_id = 'x' where subject='beta'"
            )
            connection.execute(
                "update subject_crosswalk set customer_id = 'beta' where subject='acme'"
            )
        company.decide(customer("third"))
        company.use({"tokens": 6})

        company.summarize()

        assert tokens(company) == 0
        assert tokens(company, customer_id="beta") == 11
        assert differences(company) == []

    def test_deltas_from_before_a_subject_changed_its_customer_are_not_believed(
        self, database: Database
    ) -> None:
        company = begun(database)
        company.decide(customer("beta"))
        behind = company.catalog(), company.crosswalk()
        with database.transaction() as connection:
            connection.execute(
                "update subject_crosswalk set customer_id = 'x' where subject='beta'"
            )
            connection.execute(
                "update subject_crosswalk set customer_id = 'beta' where subject='acme'"
            )
        company.decide(customer("third"))
        company.summarize()

        company.use({"tokens": 6}, known=behind[0], crosswalk=behind[1])
        company.summarize()

        assert tokens(company) == 0
        assert tokens(company, customer_id="beta") == 6

    def test_an_event_that_one_meter_cannot_use_counts_for_the_others_and_waits_for_a_person(
        self, database: Database
    ) -> None:
        company = begun(database)
        company.decide(meter_of({"aggregation": "sum", "value": "words", "dimensions": ["model"]}))
        company.decide(meter_of({"aggregation": "count", "dimensions": ["model"]}, "requests"))
        company.summarize()
        company.use({"tokens": 5, "words": 2}, {"tokens": 6})

        at_once = {one.meter_id: one for one in current(company, **{**ACME, "meter_id": ""}).usages}
        company.summarize()

        folded = {one.meter_id: one for one in current(company, **{**ACME, "meter_id": ""}).usages}
        assert at_once == folded
        assert {name: str(one.quantity) for name, one in folded.items()} == {
            "m": "2",
            "requests": "2",
            "tokens": "11",
        }
        with database.transaction() as connection:
            assert [item.code for item in list_items(connection)] == ["meter.unusable_value"]
        assert differences(company) == []


class TestDoctor:
    @pytest.mark.parametrize(
        "mistake",
        [
            "update usage_hour set total_1 = total_1 + 1",
            "update usage_hour set digest_1 = digest_1 + 1",
            "update usage_day set events = events + 1",
            "delete from usage_hour",
            "delete from usage_delta",
            "insert into usage_delta select * from usage_delta",
            "update usage_point set amount = amount + 1",
            "delete from usage_point",
        ],
    )
    def test_a_summary_that_is_not_what_its_events_come_to_is_found(
        self, database: Database, mistake: str
    ) -> None:
        company = begun(database)
        company.decide(meter_of({"aggregation": "unique_count", "value": "user"}, "users"))
        company.summarize()
        company.use({"tokens": 5, "user": "a"})
        company.summarize()
        company.use({"tokens": 6, "user": "b"})
        right = differences(company)

        with database.transaction() as connection:
            changed = connection.execute(mistake.encode()).rowcount

        assert right == []
        assert changed > 0
        assert differences(company) != []


class TestBehind:
    def test_the_events_behind_current_usage_are_those_of_its_digest(
        self, database: Database
    ) -> None:
        company = begun(database)
        sent = company.use({"tokens": 5}, {"tokens": 6}, {"tokens": 7, "model": "small"})
        company.use({"tokens": 8, "at": "2023-12-01T00:00:00Z"})
        ask = Ask(**ACME, where={"model": "large"})
        view = view_of(company.catalog())

        with database.transaction() as connection:
            found = events_behind_window(connection, view=view, ask=ask, at=AT, limit=10)

        assert sorted(event.event_id for event in found) == sorted(sent[:2])
        usage = only(current(company, **ACME, where={"model": "large"}))
        with database.transaction() as connection:
            halves = connection.execute(
                "select sum(f1), sum(f2) from usage_event where event_id = any(%s)",
                [[event.id for event in found]],
            ).fetchone()
        assert halves is not None
        assert (usage.event_count, usage.digest) == (2, digest(int(halves[0]), int(halves[1])))


class TestGroups:
    def test_usage_is_told_apart_by_dimension_and_adds_up(self, database: Database) -> None:
        company = begun(database)
        company.use({"tokens": 5}, {"tokens": 6, "model": "small"}, {"tokens": 7})
        company.summarize()
        company.use({"tokens": 100, "model": "small"})

        found = current(company, **ACME, group_by=("model",)).usages

        assert {one.dimensions["model"]: one.quantity for one in found} == {
            "large": 12,
            "small": 106,
        }
        assert tokens(company) == sum(one.quantity for one in found)

    def test_all_customers_are_answered_at_once(self, database: Database) -> None:
        company = begun(database)
        company.decide(customer("beta"))
        company.use({"tokens": 5}, {"tokens": 6, "who": "beta"})
        company.summarize()
        company.use({"tokens": 7, "who": "beta"})

        found = current(company, meter_id="tokens", month=NOVEMBER).usages

        assert {one.customer_id: one.quantity for one in found} == {"acme": 5, "beta": 13}

    def test_days_of_a_month_are_each_a_window(self, database: Database) -> None:
        company = begun(database)
        company.use({"tokens": 5, "at": "2023-11-01T00:00:00Z"}, {"tokens": 6})

        found = current(company, **ACME, window="day").usages

        assert len(found) == 30
        assert [one.quantity for one in found if one.event_count] == [5, 6]
        assert found[0].starts_at == datetime.fromisoformat("2023-11-01T00:00:00Z")
        assert found[15].starts_at.date() == date(2023, 11, 16)
