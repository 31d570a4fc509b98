"""From usage to Tryton and back, with what goes wrong on the way and how a person cures it."""

from datetime import date

import pytest

from tollbook.flow.post.machine import State
from tollbook.records.invoice import Invoice
from tollbook.values.money import Money
from tollbook.values.period import Month
from tryton.rehearsal import NOVEMBER, Rehearsal, by_key

DECEMBER = Month(2023, 12)
GL = "80-gl.yaml"
# How the demo company's GL maps name things; the first is that of nwi-us.
UNBILLED = "      unbilled_receivable: 1150\n"
ACCOUNTS = {
    "accounts_receivable": "1100",
    "unbilled_receivable": "1150",
    "tax_payable": "2200",
    "contract_liability": "2300",
    "revenue": "4000",
}


@pytest.fixture
def month(rehearsal: Rehearsal) -> Rehearsal:
    """Give a November in which two companies were used."""
    for customer in ("cus_001", "cus_007", "cus_025"):
        rehearsal.use(customer)
    return rehearsal


def numbers(invoices: list[Invoice]) -> list[str]:
    return [str(invoice.number) for invoice in invoices]


def states(rehearsal: Rehearsal) -> set[State]:
    return {posting.state for posting in rehearsal.postings()}


def assert_all_agree(rehearsal: Rehearsal, period: Month = NOVEMBER) -> None:
    result = rehearsal.reconcile(period)
    assert result.variances == ()
    amounts: dict[tuple[str, str], set[Money]] = {}
    for total in result.totals:
        amounts.setdefault((total.entity_id, total.currency), set()).add(total.amount)
    assert amounts
    assert all(len(found) == 1 for found in amounts.values()), amounts


def test_a_month_posts_in_order_and_every_total_agrees(month: Rehearsal) -> None:
    month.run()

    postings = month.postings()
    assert {posting.document_kind for posting in postings} == {"invoice", "journal"}
    assert states(month) == {State.POSTED}
    assert dict(by_key(postings)) == {
        key: number for key, number, state, _ in month.erp.documents() if state == "posted"
    }
    for company in ("NWI-US", "NWI-DE"):
        mine = [p for p in postings if p.payload and p.payload.company == company]
        given = [p.receipt.number for p in mine if p.receipt and p.document_kind == "invoice"]
        assert given == sorted(given), "the ERP numbers them in the order of our numbers"
    assert_all_agree(month)


def test_running_everything_again_makes_nothing_new_in_tryton(month: Rehearsal) -> None:
    month.run()
    documents, moves = month.erp.documents(), month.erp.move_count()

    month.use("cus_001", name="request-1")
    month.run()
    month.replay()

    assert month.erp.documents() == documents
    assert month.erp.move_count() == moves
    assert_all_agree(month)


def test_a_missing_gl_account_holds_all_its_documents_and_once_mapped_they_post(
    month: Rehearsal,
) -> None:
    month.map_with(
        accounts={role: name for role, name in ACCOUNTS.items() if "unbilled" not in role}
    )
    month.run()
    held, rows, issued = month.items(), month.invoice_rows(), numbers(month.invoices())
    kept = {p.document_id: p.key for p in month.postings() if p.state is State.HELD}

    month.map_with()
    replayed = month.replay()

    assert set(held) == {"post.missing_gl_account"}
    item, objects = held["post.missing_gl_account"]
    assert "unbilled_receivable" in item.message
    assert sorted(objects) == sorted(kept.values())
    assert replayed.postings_released == len(kept) > 1
    assert {p.document_id: p.key for p in month.postings() if p.document_id in kept} == kept
    assert states(month) == {State.POSTED}
    assert (month.invoice_rows(), numbers(month.invoices())) == (rows, issued)
    assert month.items() == {}
    assert_all_agree(month)


def test_a_missing_tax_code_holds_the_invoice_that_later_posts_unchanged(month: Rehearsal) -> None:
    month.map_with(tax_codes={"US-TX": "US-TX"})
    month.run()
    held, rows = month.items(), month.invoice_rows()
    waiting = [p for p in month.postings() if p.state is State.HELD]

    month.map_with()
    month.replay()

    assert set(held) == {"post.missing_tax_code"}
    assert held["post.missing_tax_code"][1] == sorted(p.posting_id for p in waiting)
    assert waiting
    numbers_in_tryton = {key for key, *_ in month.erp.documents()}
    assert {p.key for p in waiting} <= numbers_in_tryton
    assert month.invoice_rows() == rows
    assert month.items() == {}
    assert_all_agree(month)


def test_a_customer_without_an_id_in_tryton_waits_for_it(month: Rehearsal) -> None:
    customers = "50-customers.yaml"
    month.apply((customers, "{tryton: CUST-007, netsuite", "{netsuite"))
    month.run()
    held, rows = month.items(), month.invoice_rows()

    month.apply((customers, "{netsuite: cust-007", "{tryton: CUST-007, netsuite: cust-007"))
    month.replay()

    assert set(held) == {"post.missing_customer_id"}
    assert "cus_007" in held["post.missing_customer_id"][0].message
    assert month.invoice_rows() == rows
    assert month.items() == {}
    assert_all_agree(month)


def test_an_account_that_tryton_does_not_have_is_refused_there_and_corrected_here(
    month: Rehearsal,
) -> None:
    month.apply((GL, UNBILLED, UNBILLED.replace("1150", "1151")))
    month.run()
    held, rows = month.items(), month.invoice_rows()
    refused = {p.key for p in month.postings() if p.state is State.FAILED}
    before = {key for key, *_ in month.erp.documents()}

    month.apply((GL, "1151", "1150"))
    month.replay()

    assert set(held) == {"post.rejected.invalid_account"}
    assert "1151" in held["post.rejected.invalid_account"][0].message
    assert refused
    assert not refused & before
    assert refused <= {key for key, *_ in month.erp.documents()}
    assert month.invoice_rows() == rows
    assert month.items() == {}
    assert_all_agree(month)


def test_a_closed_period_holds_and_its_documents_post_by_themselves_once_it_is_open(
    month: Rehearsal,
) -> None:
    month.erp.close_period("NWI-US", NOVEMBER)
    month.run()
    held, rows = month.items(), month.invoice_rows()
    posted = {p.entity_id for p in month.postings() if p.state is State.POSTED}

    month.erp.open_period("NWI-US", NOVEMBER)
    month.clock.wait(3601)
    month.run()

    assert set(held) == {"post.closed_period"}
    assert "2023-11" in held["post.closed_period"][0].message
    assert posted == {"nwi-de"}
    assert states(month) == {State.POSTED}
    assert month.invoice_rows() == rows
    assert month.items() == {}
    assert_all_agree(month)


def test_usage_that_changes_after_the_invoice_becomes_a_credit_memo_and_then_an_invoice(
    month: Rehearsal,
) -> None:
    too_much = month.use("cus_007", 9_000_000)
    month.run()
    (first,) = [one for one in month.invoices() if one.customer_id == "cus_007"]

    month.void(too_much)
    month.run()
    credits_ = [p for p in month.postings() if p.document_kind == "credit_memo"]
    month.use("cus_007", 20_000_000)
    month.run()

    (credit,) = credits_
    assert credit.payload is not None
    assert credit.receipt is not None
    assert credit.after_document == first.invoice_id
    assert credit.receipt.total < 0
    (original,) = [p for p in month.postings() if p.document_id == first.invoice_id]
    assert credit.payload.corrects_key == original.key
    (row,) = month.erp.rows("account.invoice", [["external_key", "=", credit.key]], "number")
    assert row["number"].startswith("NWI-US-2023-11-C")
    assert [i.kind for i in month.invoices() if i.customer_id == "cus_007"].count("invoice") == 2
    assert states(month) == {State.POSTED}
    assert_all_agree(month)


def test_a_correction_of_november_still_posts_after_december_did(month: Rehearsal) -> None:
    month.run()
    month.clock.wait(32 * 86_400)
    month.use("cus_001", day="2023-12-10")
    month.run(DECEMBER)
    assert {p.state for p in month.postings(DECEMBER)} == {State.POSTED}

    month.use("cus_001", 5_000_000)
    month.run()

    assert states(month) == {State.POSTED}
    assert_all_agree(month)
    assert_all_agree(month, DECEMBER)


def test_a_document_dated_before_one_tryton_has_numbered_waits_for_a_numbering_of_its_own(
    month: Rehearsal,
) -> None:
    month.run()
    month.use("cus_001", 5_000_000)
    month.run(booked_on=date(2023, 11, 15))
    held, rows = month.items(), month.invoice_rows()
    (late,) = [p for p in month.postings() if p.state is State.FAILED]

    number_anew(month, "NWI-US")
    month.replay_posting(late.posting_id)

    assert set(held) == {"post.rejected.sequence_order"}
    assert states(month) == {State.POSTED}
    assert [number for key, number, *_ in month.erp.documents() if key == late.key] == [
        "NWI-US-2023-11-L00001"
    ]
    assert month.invoice_rows() == rows
    assert month.items() == {}
    assert_all_agree(month)


def number_anew(month: Rehearsal, company: str) -> None:
    """Give November a new numbering, as an accountant does in Tryton."""
    erp = month.erp
    clause = [["period", "=", erp.period(company, NOVEMBER)]]
    model = "account.fiscalyear.invoice_sequence"
    (row,) = erp.rows(model, clause, "out_invoice_sequence")
    copies = erp.act("ir.sequence.strict", "copy", [row["out_invoice_sequence"]])
    late = {"prefix": f"{company}-2023-11-L", "number_next": 1}
    erp.act("ir.sequence.strict", "write", copies, late)
    erp.act(model, "write", [row["id"]], {"out_invoice_sequence": copies[0]})
