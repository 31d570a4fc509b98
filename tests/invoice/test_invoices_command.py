"""`tollbook invoices`: what finance reads and approves at the terminal."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from books import AT, NOVEMBER, US, add, catalog, charge, draft_and_issue, year_of_support
from tollbook.cli.invoices import invoices
from tollbook.controls.audit import all_records
from tollbook.flow.invoice.step import draft
from tollbook.storage.database import Database


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> "Run":
    return Run(dsn, tmp_path)


class Run:
    """Runs the command on the database of the test."""

    def __init__(self, dsn: str, home: Path) -> None:
        self._env = {
            "DATABASE_URL": dsn,
            "TOLLBOOK_HOME": str(home),
            "TOLLBOOK_ACTOR": "erin",
            "COLUMNS": "200",
        }

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(invoices, words, env=self._env)


def draft_manually(database: Database) -> None:
    known = catalog(entity=replace(US, approval="manual"))
    with database.transaction() as connection:
        draft(connection, catalog=known, month=NOVEMBER, at=AT)


def test_a_document_reads_as_the_customer_reads_it(database: Database, run: Run) -> None:
    add(database, charge("1234.5", quantity="4130389"), year_of_support("1200"))
    [invoice_id] = draft_and_issue(database).invoice_ids

    shown = run("show", "US-000001")

    assert shown.exit_code == 0, shown.output
    assert "Invoice US-000001" in shown.output
    assert "booked on 2023-11-30, due on 2023-12-30" in shown.output
    assert "Input tokens, code-large · 4,130,389 tokens · November 2023" in shown.output
    assert "WA-SAAS 10 % (US-WA)" in shown.output
    assert "2,617.95" in shown.output
    assert f"{invoice_id}#1" in shown.output


def test_a_credit_memo_names_what_it_corrects(database: Database, run: Run) -> None:
    [first] = add(database, charge("100"))
    draft_and_issue(database)
    add(database, charge("-30", corrects=first))
    draft_and_issue(database)

    shown = run("show", "US-CM-000001")

    assert "Credit memo US-CM-000001" in shown.output
    assert "Corrects US-000001" in shown.output


def test_json_carries_the_record_and_its_totals(database: Database, run: Run) -> None:
    add(database, charge("100"))
    draft_and_issue(database)

    [listed] = json.loads(run("list", "--month", "2023-11", "--state", "issued", "--json").output)

    assert listed == json.loads(run("show", "US-000001", "--json").output)
    assert (listed["net"], listed["tax"], listed["total"]) == ("100.00", "10.00", "110.00")
    assert listed["service_month"] == "2023-11"


def test_the_list_narrows_by_month_state_and_entity(database: Database, run: Run) -> None:
    add(database, charge("100"))
    draft_and_issue(database)

    lengths = [
        len(json.loads(run("list", *words, "--json").output))
        for words in (
            (),
            ("--month", "2023-11"),
            ("--month", "2023-12"),
            ("--state", "draft"),
            ("--entity", "us"),
            ("--entity", "de"),
        )
    ]

    assert lengths == [1, 1, 0, 0, 1, 0]
    assert "US-000001" in run("list").output


def test_all_drafts_of_a_month_are_approved_by_the_actor(database: Database, run: Run) -> None:
    add(database, charge("100"))
    draft_manually(database)

    approved = run("approve", "--month", "2023-11", "--reason", "Checked with sales.")

    assert approved.exit_code == 0, approved.output
    with database.transaction() as connection:
        [record] = all_records(connection)
    assert (record.actor, record.reason) == ("erin", "Checked with sales.")


def test_a_draft_is_approved_by_its_id(database: Database, run: Run) -> None:
    add(database, charge("100"))
    draft_manually(database)
    [drafted] = json.loads(run("list", "--json").output)

    approved = run("approve", drafted["invoice_id"], "--by", "sam", "--json")

    assert json.loads(approved.output) == {"approved": [drafted["invoice_id"]]}


@pytest.mark.parametrize("words", [(), ("inv_1", "--month", "2023-11"), ("--month", "2023-13")])
def test_an_approval_that_is_not_clear_is_refused(words: tuple[str, ...], run: Run) -> None:
    assert run("approve", *words).exit_code == 2


def test_an_unknown_document_is_refused_by_name(run: Run) -> None:
    shown = run("show", "US-000009")

    assert "There is no invoice US-000009" in str(shown.exception)
