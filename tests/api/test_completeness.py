"""A month is invoiced when its sources have said that they are through, or somebody decides so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from api_client import Api, company, event
from small_month import NOVEMBER, SmallMonth, command_line
from tollbook.controls import audit
from tollbook.flow.capture.completeness.store import watermarks
from tollbook.runtime.intake import Desk

END = "2023-12-01T00:00:00Z"
Run = Callable[..., Result]


@pytest.fixture
def gated(api: Api) -> Api:
    """Give the API of a company that waits for the source /test."""
    us = company()["entities"][0] | {"required_sources": ["/test"]}
    api.post("/v1/master-data/apply", {"entities": [us]})
    api.send(event(1))
    return api


def run(api: Api) -> list[str]:
    """Draft November; return the customers that got a draft."""
    api.post("/v1/runs", {"month": "2023-11", "until": "invoice"})
    return [invoice["customer_id"] for invoice in api.get("/v1/invoices", month="2023-11")["items"]]


def waits(api: Api) -> list[str]:
    """Return what the worklist says of incomplete months."""
    items = api.get("/v1/work-items")
    return [item["message"] for item in items if item["code"] == "invoice.incomplete_usage"]


def declare(api: Api, until: str, *, source: str = "/test", reason: str = "") -> Any:
    body = {"complete_until": until, "reason": reason}
    answer = api.client.put(f"/v1/sources/{source}/watermark", json=body)
    return answer.json() | {"http": answer.status_code}


def test_a_month_waits_until_its_source_is_through(gated: Api) -> None:
    before = run(gated)
    told = waits(gated)
    declare(gated, "2023-11-29T12:00:00Z")
    on_the_way = run(gated)
    how_far = waits(gated)
    declare(gated, END)

    assert before == on_the_way == []
    assert told[0].startswith("Source /test has not said up to when it is complete; 2023-11 of us")
    assert how_far[0].startswith("Source /test is complete up to 2023-11-29 12:00:00 UTC only")
    assert run(gated) == ["ada"]
    assert waits(gated) == []


def test_a_person_may_decide_not_to_wait_and_must_say_why(gated: Api) -> None:
    body = {"entity": "us", "month": "2023-11", "source": "/test", "reason": ""}
    assert gated.problem("POST", "/v1/completeness/overrides", json=body) == (
        422,
        "capture.reason_missing",
    )
    run(gated)

    gated.post("/v1/completeness/overrides", body | {"reason": "the gateway was retired"})

    assert run(gated) == ["ada"]
    (gap,) = gated.get("/v1/completeness", month="2023-11")
    assert (gap["overridden_by"], gap["blocks"]) == ("erin", False)
    with gated.app.database.transaction() as connection:
        last = list(audit.all_records(connection))
    assert "capture.override" in {record.action for record in last}


def test_there_is_nothing_to_override_where_nothing_waits(gated: Api) -> None:
    body = {"entity": "us", "month": "2023-11", "source": "/else", "reason": "x"}

    assert gated.problem("POST", "/v1/completeness/overrides", json=body) == (
        422,
        "capture.not_waiting",
    )


def test_every_source_that_was_seen_may_be_waited_for(api: Api) -> None:
    us = company()["entities"][0] | {"sources_seen_days": 20}
    api.post("/v1/master-data/apply", {"entities": [us]})
    api.send(
        event(1), event(2, source="/other"), event(3, source="/gone", time="2023-11-02T00:00:00Z")
    )

    found = [gap["source"] for gap in api.get("/v1/completeness", month="2023-11")]

    assert found == ["/other", "/test"]


def test_fees_in_advance_wait_for_nobody(api: Api) -> None:
    documents = company()
    us = documents["entities"][0] | {"required_sources": ["/test"]}
    contract = documents["contracts"][0] | {"id": "eve-1", "customer": "eve", "items": ["fee"]}
    api.post("/v1/master-data/apply", {"entities": [us], "contracts": [contract]})
    api.send(event(1))

    assert run(api) == ["eve"]


def test_a_watermark_goes_back_only_with_a_reason(gated: Api) -> None:
    declare(gated, END)

    refused = declare(gated, "2023-11-20T00:00:00Z")
    lowered = declare(gated, "2023-11-20T00:00:00Z", reason="the spool of the 20th was not sent")

    assert (refused["http"], refused["code"]) == (422, "capture.watermark_backwards")
    assert lowered["complete_until"] == "2023-11-20T00:00:00Z"
    assert run(gated) == []


class TestControlEvents:
    @staticmethod
    def control(until: object, *, number: int = 1) -> dict[str, Any]:
        data = {"complete_until": until}
        return event(100 + number, type="tollbook.watermark", subject="/test", data=data)

    def test_a_source_may_say_it_with_an_event(self, gated: Api) -> None:
        told = gated.send(self.control(END))

        assert [answer["status"] for answer in told] == ["accepted"]
        (mark,) = gated.get("/v1/watermarks")
        assert (mark["source"], mark["complete_until"], mark["declared_by"]) == (
            "/test",
            END,
            "/test",
        )
        assert run(gated) == ["ada"]

    def test_what_comes_out_of_order_does_not_take_it_back(self, gated: Api) -> None:
        gated.send(self.control(END), self.control("2023-11-20T00:00:00Z", number=2))

        (mark,) = gated.get("/v1/watermarks")
        assert mark["complete_until"] == END

    @pytest.mark.parametrize(
        "until", ["tomorrow", "2023-02-31T00:00:00Z", "2023-12-01T00:00:00", 7]
    )
    def test_one_that_is_no_instant_is_refused(self, gated: Api, until: object) -> None:
        (answer,) = gated.send(self.control(until))

        assert answer["status"] == "rejected"
        assert gated.get("/v1/watermarks") == []

    def test_it_is_stored_with_the_events_before_it_or_not_at_all(self, month: SmallMonth) -> None:
        desk = Desk(month.database, month.clock, future_hours_max=24)
        control = json.dumps(self.control(END)).encode()

        def fail(_: object) -> None:
            raise RuntimeError("the machine went away")

        with pytest.raises(RuntimeError, match="went away"):
            desk.take([control], door="test", within=fail)

        with month.database.transaction() as connection:
            assert watermarks(connection) == []


def test_the_command_line_sets_lists_and_overrides(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = command_line(month, tmp_path, monkeypatch)
    month.know(
        "entities: [{id: us, name: Example Inc, currency: USD, country: US, target: erp,"
        " invoice_prefix: US, required_sources: [/gateway, /meters]}]"
    )
    period = ["--period", str(NOVEMBER)]

    command("events", "watermark", "set", "/gateway", END)
    gaps = command("events", "watermark", "gaps", *period).output
    command(
        *("events", "watermark", "override", "/meters", *period),
        *("--entity", "us", "--reason", "no meters yet"),
    )

    assert gaps == "us  Source /meters has not said up to when it is complete\n"
    assert "2023-12-01T00:00:00+00:00" in command("events", "watermark", "list").output
    assert "overridden by" in command("events", "watermark", "gaps", *period).output
