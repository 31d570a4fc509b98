"""Trace: from any id to every other stage, both ways, and to nobody else's documents."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from small_month import SmallMonth, command_line
from tollbook.errors import Rejected
from tollbook.flow.capture.step import void_event
from tollbook.reports.trace import Trace, trace
from tollbook.storage.database import connect
from tollbook.values.ids import event_id

EVERY_STAGE = {"capture", "meter", "rate", "invoice", "tax", "post", "recognize"}
ACME_IS_LARGE = "acme used 1501 of large"


def traced(month: SmallMonth, identifier: str) -> Trace:
    with month.database.transaction() as connection:
        return trace(connection, identifier)


def ids(found: Trace, prefix: str) -> set[str]:
    return {node.node_id for node in found.nodes if node.node_id.startswith(prefix)}


def one(month: SmallMonth, query: str) -> str:
    [found] = month.ask(query)
    return str(found)


def acme(month: SmallMonth) -> str:
    return month.invoice_of("acme").invoice_id


LINE = "select charge_id from invoice_line l join invoice i using (invoice_id) where {}"
OF_LARGE = "i.number = 'US-000001' and l.product_id = 'large'"
NAMES: dict[str, Callable[[SmallMonth], str]] = {
    "event by source and id": lambda _: "/gateway|a1",
    "event by our id": lambda _: event_id("/gateway", "a2"),
    "usage": lambda m: one(
        m, "select usage_id from metered_usage where customer_id = 'acme' and product_id = 'large'"
    ),
    "charge": lambda m: one(m, LINE.format(OF_LARGE)),
    "line": lambda m: f"{acme(m)}#1",
    "line of a numbered invoice": lambda _: "US-000001#1",
    "invoice": acme,
    "invoice number": lambda _: "US-000001",
    "journal entry of the invoice": lambda m: one(
        m, f"select entry_id from journal_entry where cause = '{acme(m)}'"
    ),
    "schedule": lambda m: one(
        m,
        f"select schedule_id from revenue_schedule where line_no = 1 and invoice_id = '{acme(m)}'",
    ),
    "recognition": lambda m: one(
        m,
        "select entry_id from revenue_schedule join revenue_schedule_line using (schedule_id) "
        f"where line_no = 1 and invoice_id = '{acme(m)}'",
    ),
    "posting": lambda m: m.key_of(acme(m)),
    "short key": lambda m: one(m, f"select key16 from posting where document_id = '{acme(m)}'"),
    "ERP reference": lambda m: f"ref-{m.key_of(acme(m))}",
    "ERP and reference": lambda m: f"erp:ref-{m.key_of(acme(m))}",
}
# Whoever asks for one product's event, usage, charge, line or revenue is not shown the others.
WHOLE_DOCUMENT = {
    "invoice",
    "invoice number",
    "journal entry of the invoice",
    "posting",
    "short key",
    "ERP reference",
    "ERP and reference",
}


@pytest.mark.parametrize("name", NAMES)
def test_every_id_leads_to_every_stage_and_to_nobody_else(month: SmallMonth, name: str) -> None:
    found = traced(month, NAMES[name](month))

    assert {node.stage for node in found.nodes} == EVERY_STAGE
    assert ids(found, "inv_") - ids(found, f"{acme(month)}#") == {acme(month)}
    lines = {1, 2, 3} if name in WHOLE_DOCUMENT else {1}
    assert ids(found, f"{acme(month)}#") == {f"{acme(month)}#{number}" for number in lines}
    assert len(ids(found, "chg_")) == len(lines)
    assert len(ids(found, "jdc_")) == 1
    # The invoice, and the journal with its revenue.
    assert len(ids(found, "pst_")) == 2
    customers = {node.summary.split()[0] for node in found.nodes if node.stage == "meter"}
    assert customers == {"acme"}
    assert found.start in {node.node_id for node in found.nodes}


def test_a_journal_in_the_erp_leads_to_all_it_summarizes(month: SmallMonth) -> None:
    journal = one(month, "select document_id from journal_document where entity_id = 'us'")

    by_id = traced(month, journal)
    by_reference = traced(month, f"ref-{month.key_of(journal)}")

    for found in (by_id, by_reference):
        assert {node.stage for node in found.nodes} == EVERY_STAGE
        assert len(ids(found, "inv_") - {one for one in ids(found, "inv_") if "#" in one}) == 3
        assert found.event_count == 5


def test_events_are_counted_exactly_and_a_few_are_listed(month: SmallMonth) -> None:
    for number in range(10):
        month.use(f"more-{number}", "acme", "small", 1)
    month.run()

    invoice = traced(month, "US-000001")
    usage = traced(month, next(iter(ids(traced(month, "US-000004"), "use_"))))

    assert invoice.event_count == 3
    assert [node.event_id for node in invoice.nodes if node.stage == "capture"] == sorted(
        ["a1", "a2", "a3"], key=lambda name: event_id("/gateway", name)
    )
    assert usage.event_count in {1, 11}


def test_a_correction_leads_to_what_it_corrects_and_says_so(month: SmallMonth) -> None:
    month.later()
    month.use("late", "acme", "large", 100)
    month.run()

    late = traced(month, "/gateway|late")
    early = traced(month, "/gateway|a1")
    correction = traced(month, "US-000004")

    numbers = {"US-000001", "US-000004"}
    said = {
        name: " ".join(node.summary for node in found.nodes)
        for name, found in (("late", late), ("early", early), ("correction", correction))
    }
    assert {number for number in numbers if number in said["early"]} == numbers
    # Only as what is corrected: the first invoice does not hold the late event.
    assert ids(late, f"{acme(month)}") == set()
    assert "invoice US-000004 correcting US-000001 to acme, before tax: 0.75 USD" in said["late"]
    assert "(counted again since)" in said["early"]
    assert "(counted again since)" in said["correction"]
    assert correction.event_count == 3


def test_a_charge_superseded_before_billing_is_shown_and_said_to_be(month: SmallMonth) -> None:
    month.use("late-1", "acme", "large", 100)
    month.run("invoice")
    month.use("late-2", "acme", "large", 100)
    month.run("invoice")

    found = traced(month, "/gateway|late-1")

    marks = ["superseded" in node.summary for node in found.nodes if node.stage == "rate"]
    assert sorted(marks) == [False, True]
    # Its draft is gone: one line, of the draft that stands.
    assert len([node for node in found.nodes if "#" in node.node_id]) == 1


def test_a_voided_event_is_shown_with_its_reason(month: SmallMonth) -> None:
    month.use("wrong", "acme", "large", 100)
    with month.database.transaction() as connection:
        void_event(
            connection,
            event_id=event_id("/gateway", "wrong"),
            by="ann",
            reason="sent by mistake",
            at=month.clock.now(),
        )

    [node] = traced(month, "/gateway|wrong").nodes

    assert node.summary.endswith("UTC (voided: sent by mistake)")


@pytest.mark.parametrize("name", ["a|b", "x|"])
def test_an_event_whose_id_contains_a_bar_is_found(month: SmallMonth, name: str) -> None:
    month.use(name, "acme", "large", 100)

    assert traced(month, f"/gateway|{name}").start == event_id("/gateway", name)


@pytest.mark.parametrize(
    "unknown",
    ["", "nothing", "inv_nothing", "inv_nothing#1", "evt_nothing", "/gateway|zz", "US-9", "%", "#"],
)
def test_an_unknown_id_is_refused_in_a_sentence(month: SmallMonth, unknown: str) -> None:
    with pytest.raises(Rejected, match="Nothing is known under") as refusal:
        traced(month, unknown)

    assert refusal.value.code == "trace.unknown_id"


def test_a_name_of_several_documents_is_refused_with_their_ids(month: SmallMonth) -> None:
    month.tamper('update posting set receipt = receipt || \'{"reference": "77"}\'')

    with pytest.raises(Rejected, match="name of several documents") as refusal:
        traced(month, "77")

    assert month.key_of(acme(month)) in refusal.value.message


def test_of_the_events_a_single_day_is_read(month: SmallMonth) -> None:
    month.later()
    for day in range(17, 31):
        month.use(f"day-{day}", "acme", "large", 1, at=f"2023-11-{day}T08:00:00Z")
    month.run()

    days = {name: days_read(month, name) for name in ("/gateway|day-20", "US-000001", "US-000004")}

    assert days == {"/gateway|day-20": 1, "US-000001": 1, "US-000004": 1}


def days_read(month: SmallMonth, identifier: str) -> int:
    """Return of how many days a trace reads events."""
    # What a session counts includes its earlier transactions, so it must be a new one.
    with connect(month.database.dsn) as connection:
        trace(connection, identifier)
        row = connection.execute(
            """select count(*) from pg_stat_xact_user_tables
               where relname like 'usage_event_%' and seq_scan + idx_scan > 0"""
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_the_command_writes_a_tree_or_json(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tollbook = command_line(month, tmp_path, monkeypatch)

    tree = tollbook("trace", "US-000001").output
    found = json.loads(tollbook("trace", "US-000001", "--json").output)

    assert [line[3:].strip() for line in tree.splitlines() if line[1:3] == "──"] == [
        "capture (3 events counted; the first of them)",
        "meter",
        "rate",
        "invoice",
        "tax",
        "recognize",
        "post",
    ]
    assert "invoice US-000001 to acme, before tax: 1,217.09 USD <- asked for" in tree
    assert "…" not in tree
    assert {edge["stage"] for edge in found["edges"]} == EVERY_STAGE - {"capture"}
    listed = {node["node_id"] for node in found["nodes"]}
    assert {name for edge in found["edges"] for name in (edge["child_id"], edge["parent_id"])} <= (
        listed
    )
