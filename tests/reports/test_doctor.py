"""Doctor: every invariant holds on a whole month, and every one is known to be able to fail."""

import json
from pathlib import Path

import pytest

from small_month import SmallMonth, command_line
from tollbook.flow.capture.step import void_event
from tollbook.reports.doctor import Finding, examine
from tollbook.runtime.intake import Desk
from tollbook.values.ids import event_id

ACME = "(select invoice_id from invoice where number = 'US-000001')"

# Invariant -> what breaks it.
LOST_SEGMENT = """
    insert into sealed_segment (day, segment, path, event_count, bytes, sha256, digest_1, digest_2,
                                first_receipt, last_receipt, first_at, last_at, types, fields,
                                format, sealed_at, sealed_by)
    values ('2020-01-01', 1, 'lost.parquet', 5, 1, '', 0, 0, 1, 1, '2020-01-01', '2020-01-01', '{}',
            '{"texts": [], "numbers": {}}', 1, '2020-02-01', 'nobody')"""
BROKEN_BY: dict[str, tuple[str, ...]] = {
    "the schema is the one of this release": ("delete from schema_migration where number = 7",),
    "the audit chain is unbroken": ("update audit_record set reason = 'x' where sequence = 3",),
    "no stored event was changed": (
        """update usage_event set data = (data::jsonb || '{"note": "x"}')::json where event_id = 'a1'""",
    ),
    "metered usage equals a recount of its raw events": (
        "update metered_usage set quantity = quantity + 1 where customer_id = 'acme'",
    ),
    "current usage equals a recount of its raw events": (
        "update usage_hour set events = events + 1 where customer_id = 'acme'",
    ),
    "charge = line + residue, exactly": (
        "update invoice_line set residue = residue + 0.001 where line_no = 1",
    ),
    "what was sent is what was issued": (
        f"""update posting set payload = jsonb_set(payload, '{{lines,0,amount}}', '"1"')
            where document_id = {ACME}""",
    ),
    "every event has one identity and every identity one event": (
        "delete from event_identity where ordinal = 0 and receipt = 1",
    ),
    "every event came with a receipt": ("delete from intake_receipt where receipt = 2",),
    "every refused event is on the worklist": (
        """insert into quarantine (quarantine_id, door, received_at, code, message, cause, raw)
           values ('qua_1', 'test', now(), 'capture.malformed_json', 'x', 'x', 'x')""",
    ),
    "no use is counted under two contracts or products": (
        """insert into metered_usage
           select (jsonb_populate_record(m, '{"usage_id": "use_0", "contract_id": "other"}')).*
           from metered_usage m where customer_id = 'beta'""",
    ),
    "every usage charge names its metered usage": (
        "update charge set usage_id = null where customer_id = 'beta' and kind = 'usage'",
    ),
    "prepaid credits are never overdrawn": (
        "update credit_movement set amount = -51 where kind = 'drawdown'",
    ),
    "credits moved are credits charged": (
        "update credit_movement set value = -12 where kind = 'drawdown'",
    ),
    "every line of an issued document stands on a charge that counts": (
        "insert into charge_superseded select charge_id, now() from charge where kind = 'fixed'",
    ),
    "a charge is billed if and only if an issued line says so": (
        f"delete from charge_billed where invoice_id = {ACME}",
    ),
    "a sealed day has an identity for each of its events, in files and in the database": (
        LOST_SEGMENT,
    ),
    "every sealed segment is in the archive as it was sealed": (LOST_SEGMENT,),
    "every issued line leads back to its charge": (
        "delete from lineage_edge where stage = 'invoice' and parent_id like 'chg%'",
    ),
    "every usage charge leads back to its usage": (
        "delete from lineage_edge where stage = 'rate'",
    ),
    "invoice numbers have no gaps": (
        "update invoice set number = 'US-000009' where number = 'US-000002'",
    ),
    "a credit memo names the invoice it corrects": (
        "update invoice set kind = 'credit_memo' where number = 'US-000003'",
    ),
    "every tax stands on the amount of its line": (
        "update invoice_tax set base_minor = base_minor + 1 where line_no = 1",
    ),
    "every journal entry balances": (
        "update journal_line set amount_minor = amount_minor + 1 where role = 'tax_payable'",
    ),
    "every issued document that moves an account is in the subledger": (
        f"delete from journal_entry where cause = {ACME}",
    ),
    "receivables booked equal the document's total": (
        "update journal_line set amount_minor = amount_minor + 1 where role = 'accounts_receivable'",
    ),
    "revenue schedules sum to their line": (
        "delete from revenue_schedule_line where month = '2024-03'",
    ),
    "revenue booked is revenue scheduled": (
        "update journal_line set amount_minor = amount_minor + 1 where role = 'revenue:large'",
    ),
    "what the subledger defers is what schedules have still to release": (
        "update journal_line set amount_minor = amount_minor - 1 where role = 'contract_liability'",
    ),
    "every document has one posting": (
        f"""insert into posting overriding user value
            select (jsonb_populate_record(p, '{{"posting_id": "pst_0", "target": "other"}}')).*
            from posting p where document_id = {ACME}""",
    ),
    "no two postings are one document in the ERP": (
        """update posting set receipt = receipt || '{"reference": "77"}'""",
    ),
    "a posting counts as posted only with a receipt or a person's word": (
        f"update posting set receipt = null where document_id = {ACME}",
    ),
    "no credit memo is posted before its invoice": (
        f"update posting set state = 'held' where document_id = {ACME}",
        f"""update posting set after_document = {ACME} where document_id =
            (select invoice_id from invoice where number = 'US-000002')""",
    ),
}


def examined(month: SmallMonth) -> dict[str, Finding]:
    with month.database.transaction() as connection:
        return {finding.invariant: finding for finding in examine(connection)}


def broken(month: SmallMonth) -> set[str]:
    return {name for name, finding in examined(month).items() if not finding.holds}


def test_every_invariant_holds_on_a_whole_month(month: SmallMonth) -> None:
    assert broken(month) == set()


def test_every_invariant_holds_after_corrections(month: SmallMonth) -> None:
    for at, who in enumerate(("acme", "beta", "coral")):
        month.later()
        month.use(f"late-{at}", who, "large", 20_000)
        month.run()
    month.later()
    for name in ("a1", "late-1"):
        with month.database.transaction() as connection:
            void_event(
                connection,
                event_id=event_id("/gateway", name),
                by="ann",
                reason="sent by mistake",
                at=month.clock.now(),
            )
    month.run()

    assert {"US-CM-000001", "US-CM-000002"} <= set(month.invoices())
    assert broken(month) == set()


def test_every_invariant_holds_when_a_correction_within_the_commitment_moves_no_account(
    month: SmallMonth,
) -> None:
    month.later()
    month.use("late", "beta", "large", 400)
    month.run()

    correction = next(one for one in month.invoices().values() if one.corrects is not None)
    assert [line.amount.minor for line in correction.lines] == [300, -300]
    assert month.ask("select 1 from journal_entry where cause = %s", correction.invoice_id) == []
    assert broken(month) == set()


@pytest.mark.parametrize("until", ["meter", "rate", "invoice", "tax", "post"])
def test_every_invariant_holds_halfway_down_the_street(month: SmallMonth, until: str) -> None:
    month.use("late", "acme", "large", 20_000)
    month.run(until)

    assert broken(month) == set()


def test_an_event_is_hashed_again_to_the_same_however_its_numbers_were_written(
    month: SmallMonth,
) -> None:
    data = (
        '{"tokens": 1e2, "model": "small", "a": [0.10, -0.0, 1E-7, 12345678901234567890123], '
        '"é": {"z": null, "b": true, "ü\\u00e9\\n": "1.50"}, "big": 1.5e30}'
    )
    event = (
        '{"specversion": "1.0", "id": "odd", "source": "/gateway", "type": "llm.request", '
        f'"subject": "acme", "time": "2023-11-16T14:00:00.100+02:00", "data": {data}}}'
    )
    desk = Desk(month.database, month.clock, future_hours_max=24)

    captured = desk.take([event.encode()], door="test")

    assert [answer.status for answer in captured.answers] == ["accepted"]
    assert broken(month) == set()


def test_every_invariant_has_a_control(month: SmallMonth) -> None:
    assert set(examined(month)) == set(BROKEN_BY)


@pytest.mark.parametrize("invariant", BROKEN_BY)
def test_what_breaks_an_invariant_is_found_and_named(month: SmallMonth, invariant: str) -> None:
    month.tamper(*BROKEN_BY[invariant])

    finding = examined(month)[invariant]

    assert not finding.holds
    assert finding.count >= len(finding.offenders) > 0
    assert all(finding.offenders)


def test_a_finding_counts_all_and_names_a_few(month: SmallMonth) -> None:
    month.tamper("update usage_event set subject = subject || 'x'")

    finding = examined(month)["no stored event was changed"]

    assert (finding.count, len(finding.offenders)) == (7, 5)


def test_the_command_ends_with_1_when_an_invariant_is_broken(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tollbook = command_line(month, tmp_path, monkeypatch)

    well = tollbook("doctor")
    month.tamper("update invoice_tax set base_minor = base_minor + 1")
    ill = tollbook("doctor")
    as_json = tollbook("doctor", "--json")

    assert (well.exit_code, ill.exit_code, as_json.exit_code) == (0, 1, 1)
    assert "…" not in well.output + ill.output
    assert "every tax stands on the amount of its line" in ill.output
    assert [one["count"] for one in json.loads(as_json.output) if one["count"]] == [8]


def test_every_command_answers_in_columns_that_are_not_cut_off(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tollbook = command_line(month, tmp_path, monkeypatch)

    listed = tollbook("usage", "list", "--period", "2023-11").output
    [usage] = month.ask(
        "select usage_id from metered_usage where customer_id = 'acme' and product_id = 'large'"
    )
    events = tollbook("usage", "events", usage).output

    assert "…" not in listed
    assert listed.count("use_") == 6
    assert [line.split("|")[1] for line in events.splitlines()] == sorted(
        ["a1", "a2"], key=lambda name: event_id("/gateway", name)
    )
