"""Drafting and approving: the drafts of a month follow its open charges."""

from dataclasses import replace

import psycopg
import pytest

from books import (
    AT,
    NOVEMBER,
    US,
    add,
    catalog,
    charge,
    contract,
    draft_and_issue,
    replace_charge,
    year_of_support,
)
from tollbook.controls.audit import all_records
from tollbook.controls.lineage import parents
from tollbook.errors import Rejected
from tollbook.flow.invoice.step import Drafted, approve, draft
from tollbook.flow.invoice.store import list_invoices, load_invoice
from tollbook.masterdata.catalog import Catalog
from tollbook.records.invoice import Invoice
from tollbook.storage.database import Database
from tollbook.values.ids import EntityId
from tollbook.values.money import Money
from tollbook.worklist.store import list_items, objects_of

MANUAL = replace(US, approval="manual")


def draft_november(database: Database, known: Catalog) -> Drafted:
    with database.transaction() as connection:
        return draft(connection, catalog=known, month=NOVEMBER, at=AT)


def drafts(database: Database) -> list[Invoice]:
    with database.transaction() as connection:
        return list_invoices(connection, month=NOVEMBER)


def approve_all(database: Database, by: str = "erin") -> None:
    with database.transaction() as connection:
        ids = [one.invoice_id for one in list_invoices(connection, month=NOVEMBER)]
        approve(connection, invoice_ids=ids, by=by, at=AT, reason="Looks right.")


def audited(database: Database) -> list[tuple[str, str]]:
    with database.transaction() as connection:
        return [(record.action, record.actor) for record in all_records(connection)]


class TestADraft:
    def test_has_the_charges_of_a_contract_in_its_order(self, database: Database) -> None:
        add(
            database,
            charge("-40", kind="credit_applied", product_id=""),
            charge("12.345", quantity="4130389"),
            year_of_support("1200"),
            charge("7.66", kind="commitment_shortfall"),
        )

        drafted = draft_november(database, catalog(entity=MANUAL))

        [invoice] = drafts(database)
        assert drafted == Drafted(
            made=1, rebuilt=0, unchanged=0, removed=0, approved=0, set_aside=()
        )
        assert [(line.description, line.amount.minor) for line in invoice.lines] == [
            ("Support · 1 November 2023 to 31 October 2024", 120000),
            ("Input tokens, code-large · 4,130,389 tokens · November 2023", 1234),
            ("Commitment shortfall · November 2023", 766),
            ("Prepaid credits applied · November 2023", -4000),
        ]
        assert [(line.role, line.tax_class) for line in invoice.lines] == [
            ("contract_liability", "service"),
            ("unbilled_receivable", "saas"),
            ("unbilled_receivable", "saas"),
            ("contract_liability", "none"),
        ]
        assert invoice.net == Money(118000, "USD")

    def test_knows_its_charges_by_lineage(self, database: Database) -> None:
        [charge_id] = add(database, charge("5"))

        draft_november(database, catalog())

        [invoice] = drafts(database)
        line = f"{invoice.invoice_id}#1"
        with database.transaction() as connection:
            edges = parents(connection, [invoice.invoice_id, line])
        assert edges == [
            (invoice.invoice_id, line, "invoice"),
            (line, charge_id, "invoice"),
        ]

    def test_shows_usage_that_cost_nothing_but_no_other_charge_of_nothing(
        self, database: Database
    ) -> None:
        add(
            database,
            charge("0", quantity="250"),
            charge("0", kind="fixed", product_id="support"),
        )

        draft_november(database, catalog())

        [invoice] = drafts(database)
        assert [line.kind for line in invoice.lines] == ["usage"]
        assert invoice.net == Money(0, "USD")

    def test_is_left_alone_when_nothing_changed(self, database: Database) -> None:
        add(database, charge("5"))
        draft_november(database, catalog(entity=MANUAL))
        approve_all(database)
        before = drafts(database)

        again = draft_november(database, catalog(entity=MANUAL))

        assert again.unchanged == 1
        assert again.made + again.rebuilt + again.removed == 0
        assert drafts(database) == before
        assert before[0].state == "approved"

    def test_loses_its_approval_when_a_charge_changed(self, database: Database) -> None:
        [old] = add(database, charge("5"))
        draft_november(database, catalog(entity=MANUAL))
        approve_all(database)
        replace_charge(database, old, charge("6"))

        drafted = draft_november(database, catalog(entity=MANUAL))

        [invoice] = drafts(database)
        assert drafted.rebuilt == 1
        assert (invoice.state, invoice.net) == ("draft", Money(600, "USD"))
        assert audited(database) == [("invoice.approve", "erin"), ("invoice.reopen", "system")]

    def test_that_nobody_approved_is_rebuilt_without_ado(self, database: Database) -> None:
        [old] = add(database, charge("5"))
        draft_november(database, catalog(entity=MANUAL))
        replace_charge(database, old, charge("6"))

        drafted = draft_november(database, catalog(entity=MANUAL))

        assert drafted.rebuilt == 1
        assert audited(database) == []

    def test_forgets_the_lineage_of_what_it_was(self, database: Database) -> None:
        [old, _] = add(database, charge("5"), charge("1", product_id="support"))
        draft_november(database, catalog(entity=MANUAL))
        with database.transaction() as connection:
            connection.execute("insert into charge_superseded values (%s, %s)", [old, AT])

        draft_november(database, catalog(entity=MANUAL))

        [invoice] = drafts(database)
        with database.transaction() as connection:
            edges = parents(connection, [f"{invoice.invoice_id}#{no}" for no in (1, 2)])
        assert [parent for _, parent, _ in edges] == [invoice.lines[0].charge_id]

    def test_is_removed_when_its_charges_vanish(self, database: Database) -> None:
        [old] = add(database, charge("5"))
        draft_november(database, catalog())
        with database.transaction() as connection:
            connection.execute("insert into charge_superseded values (%s, %s)", [old, AT])

        drafted = draft_november(database, catalog())

        assert drafted.removed == 1
        assert drafts(database) == []

    def test_is_one_for_each_contract_and_one_bad_contract_stops_no_other(
        self, database: Database
    ) -> None:
        add(database, charge("5"), charge("6", contract_id="acme-2", product_id="unheard-of"))
        known = catalog(contract(), contract("acme-2"))

        drafted = draft_november(database, known)

        assert drafted.made == 1
        assert drafted.set_aside == ("invoice:2023-11:acme-2",)
        with database.transaction() as connection:
            [item] = list_items(connection)
            assert (item.code, item.cause) == ("invoice.unknown_product", "unheard-of")
            assert objects_of(connection, item.work_item_id) == ["invoice:2023-11:acme-2"]

    def test_leaves_the_worklist_when_its_cause_is_gone(self, database: Database) -> None:
        add(database, charge("5"))
        draft_november(database, catalog(products=()))

        drafted = draft_november(database, catalog())

        assert drafted.made == 1
        with database.transaction() as connection:
            assert list_items(connection) == []

    def test_leaves_the_worklist_when_its_charges_vanish(self, database: Database) -> None:
        [old] = add(database, charge("5"))
        draft_november(database, catalog(products=()))
        with database.transaction() as connection:
            connection.execute("insert into charge_superseded values (%s, %s)", [old, AT])

        draft_november(database, catalog(products=()))

        with database.transaction() as connection:
            assert list_items(connection) == []

    def test_waits_for_a_legal_entity_that_is_not_there(self, database: Database) -> None:
        add(database, charge("5"))
        elsewhere = replace(US, entity_id=EntityId("de"))

        drafted = draft_november(database, catalog(entity=elsewhere))

        assert drafted.set_aside == ("invoice:2023-11:acme-1",)


class TestAfterIssue:
    def test_the_difference_becomes_a_credit_memo(self, database: Database) -> None:
        [first] = add(database, charge("100"))
        draft_and_issue(database)
        add(database, charge("-12.345", corrects=first))

        draft_november(database, catalog())

        invoice, memo = drafts(database)
        assert (memo.kind, memo.corrects) == ("credit_memo", invoice.invoice_id)
        assert memo.net == Money(-1234, "USD")
        assert memo.lines[0].description.startswith("Correction: Input tokens")

    def test_more_usage_becomes_a_further_invoice(self, database: Database) -> None:
        [first] = add(database, charge("100"))
        draft_and_issue(database)
        add(database, charge("0.015", corrects=first), charge("3", product_id="support"))

        draft_november(database, catalog())

        invoice, further = drafts(database)
        assert (further.kind, further.corrects) == ("invoice", invoice.invoice_id)
        assert [line.amount.minor for line in further.lines] == [300, 2]

    def test_a_difference_below_a_cent_waits_and_then_rides_along(self, database: Database) -> None:
        [first] = add(database, charge("100"))
        draft_and_issue(database)
        add(database, charge("0.004", corrects=first))
        waiting = draft_november(database, catalog())
        add(database, charge("-3", product_id="support", corrects=first))

        draft_november(database, catalog())

        [memo] = [one for one in drafts(database) if one.kind == "credit_memo"]
        assert waiting.made == 0
        assert [line.amount.minor for line in memo.lines] == [-300, 0]

    def test_a_changed_correction_replaces_the_draft_of_it(self, database: Database) -> None:
        [first] = add(database, charge("100"))
        draft_and_issue(database)
        [late] = add(database, charge("-1", corrects=first))
        draft_november(database, catalog(entity=MANUAL))
        replace_charge(database, late, charge("-2", corrects=first))

        drafted = draft_november(database, catalog(entity=MANUAL))

        [memo] = [one for one in drafts(database) if one.kind == "credit_memo"]
        assert (drafted.made, drafted.removed) == (1, 1)
        assert memo.net == Money(-200, "USD")

    def test_the_document_cannot_be_changed_by_anyone(self, database: Database) -> None:
        add(database, charge("100"))
        [invoice_id] = draft_and_issue(database).invoice_ids
        attempts = (
            "update invoice set currency = 'EUR' where invoice_id = %s",
            "delete from invoice_line where invoice_id = %s",
            "update invoice_line set amount_minor = 1 where invoice_id = %s",
            "delete from invoice_tax where invoice_id = %s",
            "delete from invoice where invoice_id = %s",
        )

        for attempt in attempts:
            with (
                pytest.raises(psycopg.errors.RestrictViolation),
                database.transaction() as connection,
            ):
                connection.execute(attempt.encode(), [invoice_id])


class TestApproval:
    def test_is_audited_with_who_and_why(self, database: Database) -> None:
        add(database, charge("5"))
        draft_november(database, catalog(entity=MANUAL))

        approve_all(database, by="erin")

        with database.transaction() as connection:
            [record] = all_records(connection)
        assert (record.actor, record.reason) == ("erin", "Looks right.")
        assert (record.before, record.after) == ("draft", "approved")

    def test_follows_the_policy_of_the_entity(self, database: Database) -> None:
        add(database, charge("5"))

        drafted = draft_november(database, catalog())

        assert drafted.approved == 1
        assert drafts(database)[0].state == "approved"
        assert audited(database) == [("invoice.approve", "policy:automatic")]

    def test_refuses_what_is_not_a_draft(self, database: Database) -> None:
        add(database, charge("5"))
        draft_november(database, catalog())

        with pytest.raises(Rejected) as refusal:
            approve_all(database)

        assert refusal.value.code == "invoice.not_a_draft"

    def test_approves_all_or_none(self, database: Database) -> None:
        add(database, charge("5"))
        draft_november(database, catalog(entity=MANUAL))
        [invoice] = drafts(database)

        with pytest.raises(Rejected) as refusal, database.transaction() as connection:
            approve(connection, invoice_ids=[invoice.invoice_id, "inv_none"], by="erin", at=AT)

        assert refusal.value.code == "invoice.unknown"
        assert drafts(database)[0].state == "draft"


def test_a_document_is_found_by_its_id_and_by_its_number(database: Database) -> None:
    add(database, charge("5"))
    [invoice_id] = draft_and_issue(database).invoice_ids

    with database.transaction() as connection:
        by_id = load_invoice(connection, invoice_id)
        by_number = load_invoice(connection, "US-000001")
        unknown = load_invoice(connection, "US-000002")

    assert by_id == by_number
    assert by_id is not None
    assert unknown is None
