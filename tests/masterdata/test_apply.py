"""Applying a plan stores versions, their audit records and the crosswalk, all or nothing."""

import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tollbook.controls.audit import all_records, first_broken
from tollbook.errors import Rejected
from tollbook.masterdata.step import Applied, apply_plan, plan_directory, plan_documents
from tollbook.masterdata.store import load_catalog, read_crosswalk
from tollbook.records.commercial import PriceBook
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

BASE = Path(__file__).parents[1] / "vectors" / "masterdata" / "base.yaml"

Apply = Callable[[Path], Applied]


@pytest.fixture
def apply(database: Database, clock: FixedClock) -> Apply:
    def run(file: Path) -> Applied:
        with database.transaction() as connection:
            planned = plan_directory(connection, file, clock.now())
            return apply_plan(connection, planned, by="ada", reason="start", at=clock.now())

    return run


def test_applying_twice_stores_nothing_new(apply: Apply) -> None:
    first = apply(BASE)

    again = apply(BASE)

    assert (first.created, first.changed, first.unchanged) == (15, 0, 0)
    assert (again.created, again.changed, again.unchanged) == (0, 0, 15)
    assert first.new_subjects == ("ada", "bob", "eve")
    assert again.new_subjects == ()
    assert again.changed_kinds == {}


def test_amounts_come_back_from_the_database_as_they_were_written(
    apply: Apply, database: Database, clock: FixedClock
) -> None:
    apply(BASE)

    with database.transaction() as connection:
        planned = plan_directory(connection, BASE, clock.now())
        catalog = load_catalog(connection, known_at=clock.now())

    written = {(v.kind, v.key): v.record for v in planned.wanted.versions}
    read = {key: versions[0].record for key, versions in catalog.versions.items()}
    assert read == written
    book = catalog.price_book("list", date(2023, 11, 1))
    assert isinstance(book, PriceBook)


def test_each_version_leaves_an_audit_record(
    apply: Apply, database: Database, tmp_path: Path
) -> None:
    apply(BASE)
    changed = tmp_path / "changed.yaml"
    changed.write_text("customers: [{id: bob, name: Bob Ltd, jurisdiction: US-NY}]")
    apply(changed)

    with database.transaction() as connection:
        records = list(all_records(connection))

    assert first_broken(records) is None
    assert len(records) == 16
    last = records[-1]
    assert (last.actor, last.action, last.object_id, last.reason) == (
        "ada",
        "masterdata.change",
        "customer/bob@2",
        "start",
    )
    assert '"name":"Bob and Sons"' in str(last.before)
    assert '"name":"Bob Ltd"' in str(last.after)


def test_the_latest_version_of_a_customer_decides_its_subjects(
    apply: Apply, database: Database, tmp_path: Path
) -> None:
    apply(BASE)
    changed = tmp_path / "changed.yaml"
    changed.write_text(
        "customers:\n"
        "  - {id: bob, name: Bob, jurisdiction: DE, subjects: [{subject: b, effective_from: 2023-06-01}]}\n"
        "  - {id: eve, name: Eve, jurisdiction: DE, subjects: [{subject: b, effective_until: 2023-06-01}]}\n"
    )

    applied = apply(changed)

    with database.transaction() as connection:
        rows = read_crosswalk(connection)
    assert rows == [
        ("ada", "ada", None, None),
        ("b", "eve", None, date(2023, 6, 1)),
        ("b", "bob", date(2023, 6, 1), None),
    ]
    assert applied.new_subjects == ("b",)


def test_a_plan_with_problems_stores_nothing(
    database: Database, clock: FixedClock, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(BASE.read_text().replace("per: 1_000_000", "per: 3"))

    with database.transaction() as connection:
        planned = plan_directory(connection, wrong, clock.now())

    with pytest.raises(Rejected) as refusal, database.transaction() as connection:
        apply_plan(connection, planned, by="ada", reason="start", at=clock.now())

    assert refusal.value.code == "masterdata.plan_has_problems"
    with database.transaction() as connection:
        assert load_catalog(connection, known_at=clock.now()).versions == {}


def test_a_plan_that_was_overtaken_is_refused(
    apply: Apply, database: Database, clock: FixedClock
) -> None:
    with database.transaction() as connection:
        planned = plan_directory(connection, BASE, clock.now())
    apply(BASE)

    with pytest.raises(Rejected) as refusal, database.transaction() as connection:
        apply_plan(connection, planned, by="bob", reason="too late", at=clock.now())

    assert refusal.value.code == "masterdata.plan_outdated"


def test_of_two_who_apply_at_once_one_stores_and_one_is_refused(
    database: Database, clock: FixedClock
) -> None:
    with database.transaction() as connection:
        planned = plan_directory(connection, BASE, clock.now())
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def run(who: str) -> None:
        start.wait(timeout=10)
        try:
            with database.transaction() as connection:
                apply_plan(connection, planned, by=who, reason="race", at=clock.now())
            outcomes.append("stored")
        except Rejected as refusal:
            outcomes.append(refusal.code)

    threads = [threading.Thread(target=run, args=(who,)) for who in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(outcomes) == ["masterdata.plan_outdated", "stored"]


def test_the_api_adds_to_what_is_stored(
    apply: Apply, database: Database, clock: FixedClock
) -> None:
    apply(BASE)
    sections = {
        "contracts": [
            {
                "id": "bob-1",
                "customer": "bob",
                "entity": "us",
                "currency": "USD",
                "price_book": "list",
                "effective_from": "2023-11-01",
                "items": ["tokens", {"product": "fee", "quantity": "2"}],
            }
        ]
    }

    with database.transaction() as connection:
        planned = plan_documents(connection, sections, clock.now())
        applied = apply_plan(connection, planned, by="api", reason="order", at=clock.now())

    assert applied.changed_kinds == {"contract": 1}
