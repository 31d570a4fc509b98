"""Why: each line of a document says in one screen what its amount rests on."""

from pathlib import Path

import pytest

from small_month import SmallMonth, command_line
from tollbook.errors import Rejected
from tollbook.reports.why import why


def test_a_line_shows_its_working_its_terms_and_its_usage(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = command_line(month, tmp_path, monkeypatch)("invoices", "why", "US-000001", "--line", "1")

    assert told.exit_code == 0, told.output
    lines = told.output.splitlines()
    # 1000 x 0.01 + 501 x 0.0075 = 13.7575, billed 13.76, residue -0.0025.
    assert lines[0] == "US-000001 line 1: Large · 1,501 token · November 2023 = 13.76 USD"
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "up to 1000 1000 x 0.01 = 10",
        "above 1000 501 x 0.0075 = 3.7575",
        "exact 13.7575",
    ]
    assert "what rounding left over: -0.0025" in told.output
    assert "price usd/large@1 (graduated)" in told.output
    assert "usage 1501 by meter tokens version 1, 2 events" in told.output
    assert "tax WA 10 % of 13.76 USD = 1.38 USD (tax table version 1)" in told.output
    assert len(lines) <= 24


def test_every_line_adds_up_to_what_was_billed(month: SmallMonth) -> None:
    with month.database.transaction() as connection:
        found = [one for number in month.invoices() for one in why(connection, number)]

    assert len(found) == 10
    for one in found:
        assert one.exact - one.residue == one.amount.major


def test_a_correction_shows_what_was_charged_before(month: SmallMonth) -> None:
    month.later()
    month.use("late", "acme", "large", 100)
    month.run()

    with month.database.transaction() as connection:
        [line] = why(connection, "US-000004")

    assert line.corrects is not None
    assert line.parts[-1].label == "charged before"
    assert line.exact - line.residue == line.amount.major


def test_a_line_that_is_not_there_is_refused(month: SmallMonth) -> None:
    with month.database.transaction() as connection, pytest.raises(Rejected) as refused:
        why(connection, "US-000001", line_no=99)

    assert refused.value.code == "invoice.unknown_line"
