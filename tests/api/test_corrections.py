"""Corrections over HTTP: void many, amend, back-fill and revert, replay and discard many, reports."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from api_client import Api, event

NDJSON = {"content-type": "application/x-ndjson", "x-actor": "erin"}


def lines(*events: dict[str, Any]) -> bytes:
    return b"\n".join(msgspec.json.encode(one) for one in events)


def difference(previewed: Any) -> dict[str, Decimal]:
    found = previewed["effect"]["difference"]
    return {currency: Decimal(amount) for currency, amount in found.items()}


def owed(api: Api) -> Decimal:
    """Return what ada owes for tokens in November, rated now."""
    api.post("/v1/runs", {"month": "2023-11", "until": "rate"})
    charges = [one["charge"] for one in api.get("/v1/charges", month="2023-11")["items"]]
    amounts = [Decimal(one["amount"]["value"]) for one in charges if one["product_id"] == "tokens"]
    return sum(amounts, Decimal(0))


def test_many_events_are_previewed_and_voided(api: Api) -> None:
    api.send(*(event(number) for number in range(3)), event(9, source="/other"))
    before = owed(api)
    body = {"first": "2023-11-16", "source": "/test", "reason": "load test"}

    shown = api.post("/v1/events/void", body | {"preview": True})
    untouched = owed(api)
    voided = api.post("/v1/events/void", body)

    assert before == untouched == 12
    assert shown["result"]["events"] == voided["events"] == 3
    assert difference(shown)["USD"] == Decimal(-9)
    assert owed(api) == 3


def test_days_that_end_before_they_begin_are_refused(api: Api) -> None:
    body = {"first": "2023-11-16", "until": "2023-11-16", "reason": "x"}

    assert api.problem("POST", "/v1/events/void", json=body) == (422, "capture.no_days")


class TestAmending:
    def test_a_new_event_stands_for_the_old_one(self, api: Api) -> None:
        (sent,) = api.send(event(1))
        path = f"/v1/events/{sent['event_id']}"

        amended = api.post(
            f"{path}/amend", {"data": {"model": "m", "tokens": 500_000}, "reason": "typo"}
        )

        assert api.get(path)["amended_by"] == amended["event_id"]
        assert api.get(f"/v1/events/{amended['event_id']}")["amends"] == sent["event_id"]
        assert owed(api) == Decimal("1.5")

    @pytest.mark.parametrize(
        ("body", "refusal"),
        [
            ({"reason": "x"}, (422, "api.invalid_amendment")),
            ({"reason": "x", "id": "e7"}, (422, "api.invalid_amendment")),
            ({"reason": "x", "source": "/else"}, (422, "api.invalid_amendment")),
            ({"subject": "bob"}, (422, "capture.reason_missing")),
            ({"reason": "x", "subject": "bob", "id": "e1"}, (422, "capture.id_taken")),
            ({"reason": "x", "subject": 7}, (422, "capture.invalid_attribute")),
            ({"reason": "x", "data": [1]}, (422, "capture.schema_mismatch")),
        ],
    )
    def test_what_is_no_amendment_is_refused(
        self, api: Api, body: dict[str, Any], refusal: tuple[int, str]
    ) -> None:
        (sent,) = api.send(event(1))

        assert api.problem("POST", f"/v1/events/{sent['event_id']}/amend", json=body) == refusal
        assert api.get(f"/v1/events/{sent['event_id']}")["voided_for"] is None


class TestBackFilling:
    def test_a_file_is_previewed_applied_and_reverted(self, api: Api) -> None:
        body = lines(event(1), event(2), event(3, subject="nobody"))

        shown = api.client.post(
            "/v1/backfills", params={"id": "gap", "preview": "true"}, content=body, headers=NDJSON
        ).json()
        nothing = api.get("/v1/backfills")
        done = api.client.post(
            "/v1/backfills", params={"id": "gap", "reason": "off"}, content=body, headers=NDJSON
        ).json()
        billed = owed(api)
        back = api.post("/v1/backfills/gap/revert", {"reason": "wrong file", "preview": True})
        reverted = api.post("/v1/backfills/gap/revert", {"reason": "wrong file"})

        assert shown["result"]["answers"] == {"accepted": 2, "rejected": 1}
        # 2 million tokens at 3 a million, and one package of calls.
        assert billed == 6
        assert difference(shown)["USD"] == 7
        assert nothing == []
        assert (done["accepted"], done["rejected"], done["applied_by"]) == (2, 1, "erin")
        assert difference(back)["USD"] == Decimal(-7)
        assert reverted["events"] == 2
        assert owed(api) == 0
        assert api.get("/v1/backfills/gap")["state"] == "reverted"

    def test_it_is_named_missing_and_reverted_once(self, api: Api) -> None:
        assert api.problem("GET", "/v1/backfills/none") == (404, "capture.no_such_backfill")
        api.client.post(
            "/v1/backfills", params={"id": "gap", "reason": "x"}, content=b"", headers=NDJSON
        )
        api.post("/v1/backfills/gap/revert", {"reason": "wrong file"})

        again = api.problem("POST", "/v1/backfills/gap/revert", json={"reason": "again"})

        assert again == (422, "capture.backfill_reverted")

    def test_nothing_is_imported_without_a_reason(self, api: Api) -> None:
        refused = api.problem(
            "POST",
            "/v1/backfills",
            params={"id": "gap"},
            content=lines(event(1)),
            headers=NDJSON,
        )

        assert refused == (422, "capture.reason_missing")


class TestRefusedInNumbers:
    @pytest.fixture
    def refused(self, api: Api) -> Api:
        api.send(
            *(event(number, subject="newco") for number in range(3)),
            event(8, subject="other"),
            event(9, type="unknown"),
        )
        return api

    def test_they_are_listed_and_grouped_by_what_is_known_of_them(self, refused: Api) -> None:
        causes = refused.get("/v1/quarantine/causes", worth="true")
        some = refused.get("/v1/quarantine", code="capture.unknown_subject", event_type="call")
        none = refused.get("/v1/quarantine", until="2020-01-01T00:00:00Z")

        assert (causes[0]["cause"], causes[0]["count"]) == ("newco", 3)
        assert Decimal(causes[0]["estimate"]["amount"]) == 3 * 3 + 1
        assert causes[0]["estimate"]["price_book"] == "list"
        assert len(some) == 4
        assert none == []

    def test_many_are_replayed_after_a_preview(self, refused: Api) -> None:
        before = owed(refused)
        with refused.app.database.transaction() as connection:
            connection.execute(
                "insert into subject_crosswalk values ('newco', 'ada', tstzrange(null, null))"
            )
        body = {"cause": "newco", "reason": "they are ada"}

        shown = refused.post("/v1/quarantine/replay", body | {"preview": True})
        done = refused.post("/v1/quarantine/replay", body)

        assert shown["result"] == done["result"] == {"accepted": 3}
        assert difference(shown)["USD"] == Decimal(10)
        assert owed(refused) - before == 9

    def test_many_are_discarded_but_never_all_by_accident(self, refused: Api) -> None:
        nothing_said = refused.problem("POST", "/v1/quarantine/discard", json={"reason": "x"})
        done = refused.post("/v1/quarantine/discard", {"cause": "newco", "reason": "a test"})

        assert nothing_said == (422, "capture.no_choice")
        assert done == {"discarded": 3}
        assert len(refused.get("/v1/quarantine")) == 2


def test_leakage_and_lateness_are_reported(api: Api) -> None:
    api.send(event(1), event(2, subject="newco"))
    api.post("/v1/runs", {"month": "2023-11", "approve": True})
    api.app.clock.wait(60)
    api.send(event(3))

    leaks = api.get("/v1/reports/leakage", month="2023-11")
    late = api.get("/v1/reports/late", month="2023-11")

    assert [one["subject"] for one in leaks["unmapped_subjects"]] == ["newco"]
    assert late["events"] == 2
    assert [(one["arrived"], one["customer_id"]) for one in late["late"]] == [
        ("late_invoiced", "ada")
    ]
