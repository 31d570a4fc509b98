"""Events are deleted only by two people, and never while something needs them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from meter.company import NOVEMBER, Company
from segments.test_sealing import DAY, seal
from tollbook.controls.audit import all_records
from tollbook.errors import Blocked, Failure
from tollbook.flow.capture.segments.store import list_segments
from tollbook.flow.meter.store import recount
from tollbook.flow.reconcile.store import keep
from tollbook.reports.doctor import examine
from tollbook.runtime import retention
from tollbook.storage.database import Database

AT = datetime(2024, 3, 1, tzinfo=UTC)
POLICY: dict[str, Any] = {"keep_raw_days": 90, "reason": "policy", "at": AT}


@pytest.fixture
def company(database: Database) -> Company:
    company = Company(database)
    company.use({"tokens": 5}, {"tokens": 6})
    company.meter()
    seal(company)
    return company


def reconcile(company: Company, variances: list[Any]) -> None:
    with company.database.transaction() as connection:
        result = {"variances": variances}
        keep(connection, "rec_1", month=NOVEMBER, digest="x", result=result, at=AT)


def expire(company: Company, by: str = "ann", **changes: Any) -> None:
    with company.database.transaction() as connection:
        retention.expire(connection, DAY, by=by, **POLICY | changes)


def delete(company: Company, by: str = "bob") -> None:
    with company.database.transaction() as connection:
        retention.delete(connection, DAY, by=by, **POLICY)
    with company.database.transaction() as connection:
        retention.remove_files(connection)


def test_two_people_delete_a_day_and_its_manifest_stays(company: Company, archive: Path) -> None:
    reconcile(company, [])
    expire(company)
    delete(company)

    with company.database.transaction() as connection:
        [segment] = list_segments(connection)
        actions = [record.action for record in all_records(connection)]
        findings = [one for one in examine(connection) if not one.holds]
    assert segment.state == "deleted"
    assert segment.event_count == 2
    assert not (archive / segment.path).exists()
    assert actions[-2:] == ["capture.expire", "capture.delete"]
    assert findings == []


def test_a_deleted_day_is_not_counted_as_nothing(company: Company) -> None:
    [usage] = company.usages()
    reconcile(company, [])
    expire(company)
    delete(company)

    with company.database.transaction() as connection, pytest.raises(Blocked) as refused:
        recount(connection, usage)

    assert refused.value.code == "capture.segment_deleted"


def test_one_person_alone_deletes_nothing(company: Company, archive: Path) -> None:
    reconcile(company, [])
    expire(company, by="ann")

    with pytest.raises(Failure) as refused:
        delete(company, by="ann")

    assert refused.value.code == "capture.same_person"
    with company.database.transaction() as connection:
        [segment] = list_segments(connection)
    assert (archive / segment.path).exists()


def test_events_count_until_the_deletion_is_confirmed(company: Company) -> None:
    [usage] = company.usages()
    reconcile(company, [])
    expire(company)

    with company.database.transaction() as connection:
        counted = recount(connection, usage)
        retention.keep_after_all(connection, DAY, by="cid", reason="asked by audit", at=AT)
        [segment] = list_segments(connection)

    assert counted.event_count == 2
    assert segment.state == "sealed"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keep_raw_days": 0}, "capture.policy_keeps"),
        ({"at": datetime(2023, 12, 1, tzinfo=UTC)}, "capture.policy_keeps"),
        ({"reason": " "}, "capture.reason_missing"),
    ],
)
def test_the_policy_keeps_days(company: Company, changes: dict[str, Any], code: str) -> None:
    reconcile(company, [])

    with pytest.raises(Failure) as refused:
        expire(company, **changes)

    assert refused.value.code == code


@pytest.mark.parametrize("variances", [None, [{"left": "metered"}]])
def test_a_month_that_is_not_reconciled_keeps_its_days(
    company: Company, variances: list[Any] | None
) -> None:
    if variances is not None:
        reconcile(company, variances)

    with pytest.raises(Failure) as refused:
        expire(company)

    assert refused.value.code == "capture.month_not_reconciled"


def test_a_hold_keeps_its_days_until_it_is_released(company: Company) -> None:
    reconcile(company, [])
    with company.database.transaction() as connection:
        hold = retention.hold_days(
            connection, DAY - timedelta(days=3), DAY, by="ann", reason="dispute 7", at=AT
        )

    with pytest.raises(Failure) as refused:
        expire(company)
    with company.database.transaction() as connection:
        retention.release_hold(connection, hold.hold_id, by="ann", reason="settled", at=AT)
    expire(company)

    assert refused.value.code == "capture.day_held"


def test_a_manifest_cannot_be_changed_or_removed(company: Company) -> None:
    for statement in ("update sealed_segment set event_count = 1", "delete from sealed_segment"):
        with (
            pytest.raises(psycopg.errors.RaiseException, match="is a fact"),
            company.database.transaction() as connection,
        ):
            connection.execute(statement)


def test_late_events_of_a_day_are_sealed_before_it_is_deleted(company: Company) -> None:
    reconcile(company, [])
    expire(company)
    company.use({"id": "late"})

    with pytest.raises(Failure) as refused:
        delete(company)

    assert refused.value.code == "capture.day_has_late_events"
