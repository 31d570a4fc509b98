"""`tollbook revenue`: what a month became, what is owed, and each document's schedule."""

import json
from pathlib import Path

import pytest

from small_month import SmallMonth, command_line
from tollbook.errors import Rejected


def test_recognized_and_deferred_are_what_was_invoiced(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command_line(month, tmp_path, monkeypatch)
    net: dict[tuple[str, str], int] = {}
    for invoice in month.invoices().values():
        key = (invoice.entity_id, invoice.currency)
        net[key] = net.get(key, 0) + invoice.net.minor

    shown = json.loads(run("revenue", "show", "--period", "2023-11", "--json").output)

    assert {
        (one["entity_id"], one["currency"]): one["recognized"]["minor"] + one["deferred"]["minor"]
        for one in shown["documents"]
    } == net
    assert run("revenue", "show", "--period", "2023-11").exit_code == 0


def test_a_documents_schedule_is_shown_by_its_number(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = command_line(month, tmp_path, monkeypatch)
    invoice = next(one for one in month.invoices().values() if one.number == "US-000001")
    number = "US-000001"

    shown = json.loads(run("revenue", "schedule", number, "--json").output)
    table = run("revenue", "schedule", number)

    assert sum(one["amount"]["minor"] for one in shown) == invoice.net.minor
    assert "2023-11" in table.output
    with pytest.raises(Rejected, match="no invoice US-999999"):
        run("revenue", "schedule", "US-999999")
