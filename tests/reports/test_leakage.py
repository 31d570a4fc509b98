"""Leakage and lateness: what is not billed is found, and what came late is told apart."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from small_month import NOVEMBER, SmallMonth, command_line
from tollbook.reports.arrival import late_events
from tollbook.reports.estimate import estimate
from tollbook.reports.leakage import Leakage, Silence, leakage
from tollbook.runtime.intake import Desk


def examine(month: SmallMonth, silence: Silence | None = None) -> Leakage:
    with month.database.transaction() as connection:
        return leakage(
            connection,
            catalog=month.catalog(connection),
            month=NOVEMBER,
            at=month.clock.now(),
            silence=silence,
        )


def send(
    month: SmallMonth, *names: str, source: str = "/pump", subject: str = "acme", at: str
) -> None:
    desk = Desk(month.database, month.clock, future_hours_max=24)
    events = [
        {
            "specversion": "1.0",
            "id": name,
            "source": source,
            "type": "llm.request",
            "subject": subject,
            "time": at,
            "data": {"model": "large", "tokens": 1000},
        }
        for name in names
    ]
    desk.take([json.dumps(event).encode() for event in events], door="test")


def test_a_month_in_order_has_no_leak(month: SmallMonth) -> None:
    found = examine(month)

    assert found == Leakage(str(NOVEMBER), (), (), (), (), (), (), 0, ())


def test_a_subject_without_a_customer_is_counted_and_valued(month: SmallMonth) -> None:
    send(month, "x1", "x2", subject="newco", at="2023-11-20T10:00:00Z")

    (subject,) = examine(month).unmapped_subjects

    assert (subject.subject, subject.events) == ("newco", 2)
    assert subject.estimate is not None
    # 1000 at 0.01 and 1000 at 0.0075, in the book that three of four contracts use.
    assert (subject.estimate.amount, subject.estimate.currency) == (
        Decimal("17.5"),
        "USD",
    )


def test_stored_events_whose_subject_lost_its_customer_are_told(month: SmallMonth) -> None:
    month.know(
        "customers: [{id: beta, name: Beta, jurisdiction: US-WA, external_ids: {erp: C-2},"
        " subjects: [beta-new]}]"
    )

    (orphan,) = examine(month).orphan_subjects

    assert (orphan.subject, orphan.events) == ("beta", 1)


def test_what_nobody_counts_or_prices_is_told(month: SmallMonth) -> None:
    month.know(
        """
        event_types: [{id: upload, schema: {type: object}}]
        meters:
          - {id: requests, event_type: llm.request, aggregation: count, unit: request}
        customers: [{id: eve, name: Eve, jurisdiction: US-WA}]
        """
    )
    month.use("e1", "eve", "large", 5)
    month.run("meter")

    found = examine(month)

    assert [one.event_type for one in found.event_types_without_meter] == ["upload"]
    assert found.unpriced_meters == ("requests",)
    assert [one.code for one in found.unpriced_usage] == ["meter.no_contract"]


def test_conflicts_and_voided_events_are_counted(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command_line(month, tmp_path, monkeypatch)
    send(month, "a1", source="/gateway", subject="beta", at="2023-11-16T12:30:00Z")
    run("events", "void", "--from", "2023-11-16", "--subject", "acme", "--reason", "load test")

    found = examine(month)

    assert found.open_conflicts == 1
    assert [(one.event_type, one.reason, one.events) for one in found.voided] == [
        ("llm.request", "load test", 3)
    ]


@pytest.mark.parametrize(
    ("now", "before", "silent"),
    [(0, 10, True), (0, 9, False), (1, 10, False), (1, 11, True), (11, 10, False)],
)
def test_a_source_is_silent_below_a_share_of_the_same_hour_last_week(
    month: SmallMonth,
    now: int,
    before: int,
    silent: bool,  # noqa: FBT001 - a column of the table
) -> None:
    # It is 09:00 on 2023-12-01: the last whole hour is that from 08:00 on.
    send(month, *(f"n{n}" for n in range(now)), at="2023-12-01T08:30:00Z")
    send(month, *(f"b{n}" for n in range(before)), at="2023-11-24T08:59:59Z")
    send(month, *(f"o{n}" for n in range(50)), at="2023-11-24T09:00:00Z")

    found = [
        (one.source, one.events, one.events_last_week) for one in examine(month).silent_sources
    ]

    assert found == ([("/pump", now, before)] if silent else [])


def test_the_threshold_of_silence_can_be_chosen(month: SmallMonth) -> None:
    send(month, "n1", at="2023-12-01T08:30:00Z")
    send(month, "b1", "b2", "b3", at="2023-11-24T08:30:00Z")

    assert examine(month).silent_sources == ()
    assert len(examine(month, Silence(percent=50, events_min=3)).silent_sources) == 1


class TestLateness:
    def test_events_are_told_apart_by_the_state_of_their_month(
        self, month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = command_line(month, tmp_path, monkeypatch)
        # Acme was invoiced at 09:00; eve is known since, and nobody invoiced her.
        month.know("customers: [{id: eve, name: Eve, jurisdiction: US-WA}]")
        month.clock.wait(60)
        month.use("late-1", "acme", "large", 1)
        month.use("late-2", "eve", "large", 1)
        month.use("soon", "acme", "large", 1, at="2023-12-01T08:00:00Z")

        shown = run("events", "list", "--day", "2023-11-16", "--json").output
        arrived = {one["id"]: one["arrived"] for one in json.loads(shown)}
        today = json.loads(run("events", "list", "--day", "2023-12-01", "--json").output)

        assert arrived["late-1"] == "late_invoiced"
        assert arrived["late-2"] == "late_open"
        assert [one["arrived"] for one in today] == ["on_time"]

    def test_a_report_counts_them_by_customer(self, month: SmallMonth) -> None:
        month.clock.wait(60)
        month.use("late-1", "acme", "large", 1)
        month.use("late-2", "acme", "large", 1)

        with month.database.transaction() as connection:
            found = late_events(connection, NOVEMBER)

        assert found.events == 9
        assert [(one.arrived, one.customer_id, one.events) for one in found.late] == [
            ("late_invoiced", "acme", 2)
        ]

    def test_a_sender_whose_clock_is_ahead_is_noticed(
        self, month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = command_line(month, tmp_path, monkeypatch)
        month.use("ahead", "acme", "large", 1, at="2023-12-01T09:00:30Z")

        (shown,) = json.loads(run("events", "list", "--day", "2023-12-01", "--json").output)

        assert shown["ahead_seconds"] == 30


def test_both_reports_are_on_the_command_line(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command_line(month, tmp_path, monkeypatch)
    send(month, "x1", subject="newco", at="2023-11-20T10:00:00Z")

    said = run("report", "leakage", "--period", str(NOVEMBER)).output
    late = run("report", "late", "--period", str(NOVEMBER)).output

    assert "unmapped subject" in said
    assert "about 10 USD" in said
    assert late.startswith("2023-11: 7 events, ")


def refused(tokens: int, *, at: str = "2023-11-22T10:00:00Z") -> bytes:
    data = {"model": "large", "tokens": tokens}
    return json.dumps({"type": "llm.request", "time": at, "data": data}).encode()


def test_refused_events_are_valued_by_the_conditions_and_the_formula_of_their_meter(
    month: SmallMonth,
) -> None:
    month.know(
        "meters: [{id: tokens, event_type: llm.request, aggregation: sum, unit: token,"
        " dimensions: [model], versions: [{version: 1, value: tokens}, {version: 2,"
        " effective_from: 2023-11-21, expression: tokens * 2, where: {tokens: {at_least: 10}}}]}]"
    )

    with month.database.transaction() as connection:
        found = estimate(month.catalog(connection), [refused(1000), refused(9)])

    # 2000, of which the first 1000 at 0.01 and the rest at 0.0075.
    assert found is not None
    assert found.amount == Decimal("17.5")


def test_a_refused_event_of_a_year_without_months_is_worth_nothing(month: SmallMonth) -> None:
    with month.database.transaction() as connection:
        found = estimate(month.catalog(connection), [refused(1, at="9999-12-31T23:59:59Z")])

    assert found is None
