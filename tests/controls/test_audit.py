"""The audit chain: a change to any record shows, and records cannot be edited."""

from dataclasses import replace
from datetime import UTC, datetime

import psycopg
import pytest

from tollbook.controls.audit import all_records, first_broken, record
from tollbook.storage.database import Connection, Database

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)


def write_three(connection: Connection) -> None:
    for number in range(3):
        record(
            connection,
            at=AT,
            actor="controller",
            action="invoice.approve",
            object_id=f"inv_{number}",
            reason="month end",
        )


def test_an_untouched_chain_is_whole(database: Database) -> None:
    with database.transaction() as connection:
        write_three(connection)
        records = list(all_records(connection))

    assert [entry.sequence for entry in records] == [1, 2, 3]
    assert first_broken(records) is None


@pytest.mark.parametrize("field", ["actor", "action", "object_id", "reason"])
def test_a_changed_record_is_found(database: Database, field: str) -> None:
    with database.transaction() as connection:
        write_three(connection)
        records = list(all_records(connection))
    changed = records.copy()
    changed[1] = replace(records[1], **{field: "somebody else"})  # type: ignore[arg-type]

    assert first_broken(changed) == 2


def test_a_missing_record_is_found(database: Database) -> None:
    with database.transaction() as connection:
        write_three(connection)
        records = list(all_records(connection))

    assert first_broken([records[0], records[2]]) == 2


def test_the_database_refuses_to_edit_the_chain(database: Database) -> None:
    with database.transaction() as connection:
        write_three(connection)

    for statement in (b"update audit_record set actor = 'x'", b"delete from audit_record"):
        with (
            pytest.raises(psycopg.errors.RestrictViolation),
            database.transaction() as connection,
        ):
            connection.execute(statement)
