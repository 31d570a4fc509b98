"""From an issued invoice to the ERP: queue, refusal, correction, replay, and the delivery loop."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from books import ACME, AT, NOVEMBER, US, add, catalog, charge, draft_and_issue
from fake_erp import FakeErp
from tollbook.controls.audit import all_records
from tollbook.controls.lineage import parents
from tollbook.errors import Failure
from tollbook.flow.post import store
from tollbook.flow.post.engine import UNREGISTERED
from tollbook.flow.post.machine import State
from tollbook.flow.post.policy import DeliveryPolicy
from tollbook.flow.post.posting import Posting
from tollbook.flow.post.step import (
    RECHECK_AFTER,
    confirm,
    enqueue,
    hold,
    release,
    release_fixed,
    replay,
)
from tollbook.flow.post.verdict import THROTTLED
from tollbook.ledger.journal import JournalLine, entry
from tollbook.ledger.store import book
from tollbook.masterdata.catalog import SINCE_EVER, Catalog, Version
from tollbook.records.commercial import GlMap
from tollbook.records.control import WorkItem
from tollbook.runtime.deliver import Delivered, deliver
from tollbook.sdk import outcomes
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.values.ids import EntityId
from tollbook.values.money import Money
from tollbook.worklist.codes import CODES
from tollbook.worklist.store import list_items, objects_of

POLICY = DeliveryPolicy(
    lease_seconds=30, look_up_after_seconds=5, patience_seconds=120, poll_seconds=1, threads_max=2
)
GL_MAP = GlMap(
    entity_id=US.entity_id,
    target="erp",
    company="US",
    accounts={
        "accounts_receivable": "1100",
        "unbilled_receivable": "1150",
        "tax_payable": "2200",
        "contract_liability": "2300",
        "revenue": "4000",
    },
    tax_codes={"WA-SAAS": "12", "WA-SERVICE": "13"},
)


def known(gl_map: GlMap | None = GL_MAP, **changes: Any) -> Catalog:
    """Build master data with this GL map and a customer that the ERP knows."""
    customer = replace(ACME, external_ids={"erp": "cust-1"})
    found = catalog(**{"customer": customer, **changes})
    if gl_map is None:
        return found
    version = Version("gl_map", gl_map.entity_id, 1, SINCE_EVER, gl_map, "hash")
    return replace(found, versions={**found.versions, ("gl_map", gl_map.entity_id): (version,)})


def run(
    database: Database, erp: FakeErp, clock: FixedClock, master: Catalog | None = None
) -> Delivered:
    return deliver(
        database,
        {"erp": erp},
        catalog_of=lambda _: master or known(),
        clock=clock,
        until_idle=True,
        stop=threading.Event(),
        policy=POLICY,
    )


def queue_all(database: Database) -> None:
    with database.transaction() as connection:
        enqueue(connection, catalog=known(), month=NOVEMBER, at=AT)


def all_postings(database: Database) -> list[Posting]:
    with database.transaction() as connection:
        return store.listed(connection)


def open_items(database: Database) -> list[WorkItem]:
    with database.transaction() as connection:
        return list_items(connection)


@pytest.fixture
def issued(database: Database) -> Posting:
    """Issue one invoice of 100.00 plus 10 % tax and queue it."""
    add(database, charge("100.00", quantity="1000"))
    draft_and_issue(database, known())
    queue_all(database)
    [posting] = all_postings(database)
    return posting


def test_an_issued_invoice_is_posted_and_its_receipt_kept(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    done = run(database, erp, clock)

    [posting] = all_postings(database)
    assert posting.state is State.POSTED
    assert posting.receipt is not None
    assert posting.receipt.total == Decimal("110.00")
    assert erp.held[issued.key] == 1
    assert done.turns == {"posted": 1}
    assert done.waiting == {}


def test_queueing_again_queues_nothing_and_lineage_leads_to_the_invoice(
    database: Database, issued: Posting
) -> None:
    with database.transaction() as connection:
        again = enqueue(connection, catalog=known(), month=None, at=AT)
        made_from = parents(connection, [issued.posting_id])

    assert (again.documents, again.journals) == (0, 0)
    assert made_from == [(issued.posting_id, issued.document_id, "post")]


@pytest.mark.parametrize(
    ("gl_map", "code"),
    [
        (replace(GL_MAP, tax_codes={}), "post.missing_tax_code"),
        (replace(GL_MAP, accounts={"tax_payable": "2200"}), "post.missing_gl_account"),
        (None, "post.missing_gl_map"),
    ],
)
def test_corrected_master_data_lets_the_same_invoice_post_by_itself(
    database: Database,
    erp: FakeErp,
    clock: FixedClock,
    issued: Posting,
    gl_map: GlMap | None,
    code: str,
) -> None:
    run(database, erp, clock, known(gl_map))
    [held] = all_postings(database)
    [item] = open_items(database)

    run(database, erp, clock, known())

    assert (held.state, held.code, item.code) == (State.HELD, code, code)
    assert item.object_count == 1
    [posting] = all_postings(database)
    assert (posting.posting_id, posting.state) == (issued.posting_id, State.POSTED)
    assert erp.held == {issued.key: 1}
    assert open_items(database) == []


def test_one_missing_name_makes_one_work_item_for_many_documents(
    database: Database, erp: FakeErp, clock: FixedClock
) -> None:
    contracts = [f"acme-{number}" for number in range(3)]
    master = known()
    add(database, *(charge("10", contract_id=name) for name in contracts))
    versions = {("contract", name): master.versions["contract", "acme-1"] for name in contracts}
    draft_and_issue(database, replace(master, versions={**master.versions, **versions}))
    queue_all(database)

    run(database, erp, clock, known(replace(GL_MAP, tax_codes={})))

    [item] = open_items(database)
    assert item.object_count == len(all_postings(database)) > 1
    assert item.cause == "erp|us|WA-SAAS"


def test_what_the_erp_refused_is_sent_again_only_when_the_mapping_makes_another_document(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    erp.fates = ["bad_tax"]
    run(database, erp, clock)
    [failed] = all_postings(database)
    run(database, erp, clock)
    sent_meanwhile = erp.met["fine"]
    clock.wait(RECHECK_AFTER.total_seconds())

    corrected = replace(GL_MAP, tax_codes={**GL_MAP.tax_codes, "WA-SAAS": "99"})
    run(database, erp, clock, known(corrected))

    assert (failed.state, failed.code) == (State.FAILED, "post.rejected.missing_or_invalid_tax")
    assert "Invalid taxcode 12" in (failed.message or "")
    assert sent_meanwhile == 0
    assert erp.held == {issued.key: 1}
    assert [tax.code for tax in erp.bodies[issued.key].taxes] == ["99"]
    assert open_items(database) == []


def test_a_closed_period_holds_the_document_and_it_is_tried_again_by_itself(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    erp.fates = ["closed"]
    run(database, erp, clock)
    [held] = all_postings(database)
    [item] = open_items(database)
    clock.wait(POLICY.blocked_retry_seconds)

    run(database, erp, clock)

    assert (held.state, item.cause) == (State.HELD, "erp|US|2023-11")
    assert erp.held == {issued.key: 1}
    assert open_items(database) == []


def test_a_person_who_reopened_the_period_need_not_wait_for_the_hour(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    erp.fates = ["closed"]
    run(database, erp, clock)
    run(database, erp, clock)
    sent_meanwhile = erp.met["fine"]

    with database.transaction() as connection:
        told = release_fixed(connection, catalog=known(), targets=["erp"], at=clock.now())
    run(database, erp, clock)

    assert sent_meanwhile == 0
    assert told.released == (issued.posting_id,)
    assert erp.held == {issued.key: 1}


def test_a_document_that_differs_is_never_sent_again_and_compared_again_on_replay(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    erp.changed = {"period": "2023-12"}
    run(database, erp, clock)
    [differs] = all_postings(database)
    [item] = open_items(database)
    erp.changed = {}

    with database.transaction() as connection:
        replay(
            connection,
            posting_ids=objects_of(connection, item.work_item_id),
            by="ann",
            reason="moved in the ERP",
            at=clock.now(),
        )
    run(database, erp, clock)

    assert differs.state is State.DIFFERENTLY
    assert "period is 2023-12, not 2023-11" in (differs.message or "")
    assert erp.held == {issued.key: 1}
    assert erp.look_ups == 1
    assert all_postings(database)[0].state is State.POSTED
    with database.transaction() as connection:
        [act] = [each for each in all_records(connection) if each.actor == "ann"]
    assert (act.actor, act.action, act.before) == ("ann", "posting.replay", "differently")


def test_a_replay_of_what_is_posted_is_set_aside(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    run(database, erp, clock)

    with database.transaction() as connection:
        told = replay(
            connection, posting_ids=[issued.posting_id], by="ann", reason="why not", at=clock.now()
        )

    assert (told.released, told.set_aside) == ((), (issued.posting_id,))


def test_a_replay_keeps_the_payload_until_no_earlier_send_can_take_effect(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    erp.fates = ["commit_late", "bad_tax"]
    erp.late_seconds = 40
    run(database, erp, clock)
    [failed] = all_postings(database)

    with database.transaction() as connection:
        replay(
            connection, posting_ids=[failed.posting_id], by="ann", reason="fixed", at=clock.now()
        )
    [free] = all_postings(database)
    run(database, erp, clock)

    assert failed.state is State.FAILED
    assert failed.frozen_until is not None
    assert free.available_at == failed.frozen_until > clock.now() - timedelta(seconds=120)
    assert free.payload is None
    assert erp.held == {issued.key: 1}
    assert all_postings(database)[0].state is State.POSTED


def test_a_held_posting_waits_for_its_release(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    with database.transaction() as connection:
        hold(connection, posting_ids=[issued.posting_id], by="ann", reason="ask", at=clock.now())
    run(database, erp, clock)
    sent_meanwhile = sum(erp.met.values())

    with database.transaction() as connection:
        release(connection, posting_ids=[issued.posting_id], by="bob", reason="ok", at=clock.now())
        acts = [act.action for act in all_records(connection) if act.actor in {"ann", "bob"}]
    run(database, erp, clock)

    assert sent_meanwhile == 0
    assert acts == ["posting.hold", "posting.release"]
    assert erp.held == {issued.key: 1}


def test_only_a_person_releases_a_doubt_the_erp_cannot_end(
    database: Database, clock: FixedClock, issued: Posting
) -> None:
    erp = FakeErp(clock, "neither", fates=["lose_request"])
    run(database, erp, clock)
    clock.wait(120)
    run(database, erp, clock)
    [item] = open_items(database)

    with database.transaction() as connection:
        ids = [issued.posting_id]
        replayed = replay(connection, posting_ids=ids, by="ann", reason="try", at=clock.now())
        fixed = release_fixed(connection, catalog=known(), targets=["erp"], at=clock.now())
        release(connection, posting_ids=ids, by="ann", reason="not there", at=clock.now())
    run(database, erp, clock)

    assert item.code == "post.in_doubt"
    assert (replayed.released, fixed.released) == ((), ())
    assert erp.held == {issued.key: 1}
    assert open_items(database) == []


def test_a_document_in_doubt_that_a_person_found_is_posted_and_never_sent_again(
    database: Database, clock: FixedClock, issued: Posting
) -> None:
    erp = FakeErp(clock, "neither", fates=["lose_reply"])
    run(database, erp, clock)
    clock.wait(120)
    run(database, erp, clock)

    with database.transaction() as connection:
        told = confirm(
            connection,
            posting_id=issued.posting_id,
            reference="INV-7",
            by="ann",
            reason="seen in the ERP",
            at=clock.now(),
        )
    run(database, erp, clock)

    assert told.released == (issued.posting_id,)
    assert erp.held == {issued.key: 1}
    assert all_postings(database)[0].state is State.POSTED
    assert open_items(database) == []


def test_a_credit_memo_is_posted_after_the_invoice_it_corrects(
    database: Database, erp: FakeErp, clock: FixedClock
) -> None:
    [first] = add(database, charge("100.00"))
    draft_and_issue(database, known())
    correction = charge("-40.00", corrects=first)
    add(database, correction)
    draft_and_issue(database, known())
    queue_all(database)
    erp.fates = ["closed"]

    run(database, erp, clock)
    kinds_meanwhile = [document.kind for document in erp.bodies.values()]
    clock.wait(POLICY.blocked_retry_seconds)
    run(database, erp, clock)

    assert kinds_meanwhile == []
    assert [document.kind for document in erp.bodies.values()] == ["invoice", "credit_memo"]
    invoice, memo = erp.bodies.values()
    assert memo.corrects_key == invoice.key
    assert memo.total == Decimal("-44.00")


def recognized(cause: str, minor: int, role: str = "revenue:tokens") -> Any:
    return entry(
        entity_id=EntityId("us"),
        currency="USD",
        booked_on=date(2023, 11, 30),
        service_month=NOVEMBER,
        kind="recognition",
        cause=cause,
        lines=[
            JournalLine("unbilled_receivable", Money(minor, "USD"), "acme", ""),
            JournalLine(role, Money(-minor, "USD"), "acme", ""),
        ],
    )


def test_recognized_revenue_is_posted_as_one_summarized_journal_and_never_twice(
    database: Database, erp: FakeErp, clock: FixedClock
) -> None:
    with database.transaction() as connection:
        book(connection, [recognized("sch_1", 1000), recognized("sch_2", 500)], at=AT)
    queue_all(database)
    with database.transaction() as connection:
        book(connection, [recognized("sch_3", 7)], at=AT)
    queue_all(database)
    queue_all(database)

    run(database, erp, clock)

    journals = sorted(erp.bodies.values(), key=lambda document: document.total)
    assert [document.total for document in journals] == [Decimal("0.07"), Decimal("15.00")]
    assert [line.account for line in journals[1].lines] == ["4000", "1150"]


def test_entries_that_cancel_out_need_no_journal(database: Database) -> None:
    with database.transaction() as connection:
        book(connection, [recognized("sch_1", 1000), recognized("sch_2", -1000)], at=AT)

    queue_all(database)
    queue_all(database)

    assert all_postings(database) == []


def test_an_erp_that_locks_us_out_stops_its_delivery_and_blames_no_document(
    database: Database, erp: FakeErp, clock: FixedClock, issued: Posting
) -> None:
    erp.fates = ["lock_out"]
    shut = run(database, erp, clock)
    [item] = open_items(database)

    clock.wait(POLICY.circuit_seconds)
    again = run(database, erp, clock)

    assert shut.unavailable == ("erp",)
    assert (item.code, item.cause) == ("post.target_unavailable", "erp")
    assert again.unavailable == ()
    assert erp.held == {issued.key: 1}
    assert open_items(database) == []


def test_a_bug_in_a_connector_stops_one_posting_not_the_others(
    database: Database, erp: FakeErp, clock: FixedClock, queue: Callable[..., Posting]
) -> None:
    first, second = queue("inv_1"), queue("inv_2")
    erp.fates = ["a fate nobody knows"]

    run(database, erp, clock)

    assert erp.held == {first.key: 1, second.key: 1}
    assert {posting.state for posting in all_postings(database)} == {State.POSTED}


def test_every_code_a_connector_can_raise_is_on_the_register() -> None:
    made: Mapping[str, Failure] = {
        reason: outcomes.rejected(reason, "words") for reason in outcomes.REASONS
    }

    assert all(failure.code in CODES for failure in made.values())
    assert outcomes.closed_period("2023-11", "closed", company="US").code in CODES
    assert outcomes.missing_setting("item", company="US", purpose="").code in CODES
    assert UNREGISTERED in CODES
    assert outcomes.THROTTLED == THROTTLED


def test_the_claim_reads_an_index_however_long_the_backlog(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            """insert into posting (posting_id, document_id, document_kind, entity_id, target, key,
                   key16, service_month, state, available_at, created_at)
               select 'pst_' || n, 'inv_' || n, 'invoice', 'us', 'erp', 'pst_' || n, 'TB' || n,
                      '2023-11', case when n % 2 = 0 then 'ready' else 'posted' end, now(), now()
               from generate_series(1, 20000) n"""
        )
        connection.execute("analyze posting")
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                """explain select posting_id from posting p
                   where state in ('ready', 'doubtful', 'pending_remote') and target = 'erp'
                     and available_at <= now() and (lease_until is null or lease_until <= now())
                   order by available_at, position limit 1 for update skip locked"""
            )
        )

    assert "posting_ready" in plan
    assert "Seq Scan" not in plan
