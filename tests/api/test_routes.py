"""Each route over HTTP: what it answers, and how it refuses."""

from dataclasses import replace

import pytest

from api_client import JSON, Api, company, event
from tollbook.config import SystemSettings
from tollbook.controls.audit import all_records

NOVEMBER = {"month": "2023-11"}


def test_a_month_goes_from_event_to_queued_document(billed: Api) -> None:
    [usage, *_] = billed.get("/v1/usage", customer="ada", **NOVEMBER)["items"]
    charges = billed.get("/v1/charges", contract="ada-1", **NOVEMBER)["items"]
    [invoice] = billed.get("/v1/invoices", state="issued", entity="us", **NOVEMBER)["items"]
    [posting] = billed.get("/v1/postings", state="ready", target="erp", **NOVEMBER)[:1]

    assert usage["quantity"] in {"2000000", "2"}
    assert {charge["charge"]["product_id"] for charge in charges} == {"tokens", "calls", "fee"}
    assert invoice["number"] == "US-000001"
    assert (invoice["net"], invoice["tax"], invoice["total"]) == ("17.00", "1.51", "18.51")
    assert posting["document_id"] == invoice["invoice_id"]


def test_lists_narrow(billed: Api) -> None:
    assert billed.get("/v1/usage", customer="bob", **NOVEMBER)["items"] == []
    assert billed.get("/v1/charges", contract="bob-1", **NOVEMBER)["items"] == []
    assert billed.get("/v1/invoices", state="draft")["items"] == []
    assert billed.get("/v1/invoices", entity="de")["items"] == []
    assert billed.get("/v1/invoices", month="2023-12")["items"] == []
    assert billed.get("/v1/postings", state="posted") == []
    assert len(billed.get("/v1/postings", limit="1")) == 1


def test_a_document_is_found_by_number_and_by_id(billed: Api) -> None:
    by_number = billed.get("/v1/invoices/US-000001")

    assert billed.get(f"/v1/invoices/{by_number['invoice_id']}") == by_number


def test_a_document_is_recomputed_and_traced(billed: Api) -> None:
    verified = billed.get("/v1/invoices/US-000001/verification")
    traced = billed.get("/v1/trace", id="/test|e1")

    assert verified["event_count"] == 2 * len({"tokens", "calls"})
    assert {"capture", "meter", "rate", "invoice"} <= {node["stage"] for node in traced["nodes"]}


def test_drafts_are_approved_by_the_actor_all_or_none(api: Api) -> None:
    api.send(event(1))
    api.post("/v1/runs", {"month": "2023-11", "until": "invoice"})
    [draft] = api.get("/v1/invoices", state="draft")["items"]
    both = {"invoice_ids": [draft["invoice_id"], "inv_none"], "reason": "looks right"}

    refused = api.problem("POST", "/v1/invoices/approve", json=both)
    still = api.get("/v1/invoices", state="draft")["items"]
    api.post(
        "/v1/invoices/approve", {"invoice_ids": [draft["invoice_id"]], "reason": "looks right"}
    )

    assert refused == (404, "invoice.unknown")
    assert len(still) == 1
    assert len(api.get("/v1/invoices", state="approved")["items"]) == 1
    with api.app.database.transaction() as connection:
        [actor] = [one.actor for one in all_records(connection) if one.action == "invoice.approve"]
    assert actor == "erin"


def test_an_event_is_shown_and_voided(api: Api) -> None:
    [sent] = api.send(event(1))
    path = f"/v1/events/{sent['event_id']}"

    api.post(f"{path}/void", {"reason": "reported twice under two ids"})

    assert api.get(path)["voided_for"] == "reported twice under two ids"
    assert api.problem("POST", f"{path}/void", json={"reason": "again"}) == (
        422,
        "capture.already_voided",
    )


def test_a_refused_event_is_corrected_and_replayed(api: Api) -> None:
    [sent] = api.send(event(1, type="cal"))
    path = f"/v1/quarantine/{sent['quarantine_id']}"
    right = '{"specversion":"1.0","id":"e1","source":"/test","type":"call","subject":"ada",'
    right += '"time":"2023-11-16T18:17:03Z","data":{"model":"m","tokens":1}}'

    first = api.post(f"{path}/replay", {"reason": "try"})
    api.post(f"{path}/correct", {"corrected": right, "reason": "a typing error"})
    second = api.post(f"{path}/replay", {"reason": "corrected"})

    assert first["status"] == "rejected"
    assert second["status"] == "accepted"
    assert api.get(path)["state"] == "replayed"
    assert api.get("/v1/quarantine") == []


def test_a_refused_event_is_listed_and_discarded(api: Api) -> None:
    [sent] = api.send(event(1, subject="nobody"))
    identifier = sent["quarantine_id"]

    listed = api.get("/v1/quarantine", code="capture.unknown_subject", limit="1")
    api.post(f"/v1/quarantine/{identifier}/discard", {"reason": "a test of the sender"})

    assert [one["quarantine_id"] for one in listed] == [identifier]
    assert listed[0]["raw"].startswith('{"specversion"')
    assert api.get("/v1/quarantine", after=identifier) == []
    assert api.get(f"/v1/quarantine/{identifier}")["state"] == "discarded"


def test_a_work_item_says_what_closes_it(api: Api) -> None:
    api.send(event(1, subject="nobody"))

    [item] = api.get("/v1/work-items")
    shown = api.get(f"/v1/work-items/{item['work_item_id']}")

    assert item["code"] == "capture.unknown_subject"
    assert shown["object_count"] == len(shown["objects"]) == 1
    assert shown["action"]
    assert api.get("/v1/work-items", state="resolved") == []


def test_new_master_data_lets_in_what_waited_for_it(api: Api) -> None:
    api.send(event(1, subject="carol"), event(2, subject="carol"))
    carol = {"customers": [{"id": "carol", "name": "Carol", "jurisdiction": "US-NY"}]}

    done = api.post("/v1/master-data/apply", carol)

    assert done["applied"]["new_subjects"] == ["carol"]
    assert done["replayed"] == {"events_replayed": 2, "postings_released": 0, "still_open": 0}
    assert api.get("/v1/quarantine") == []


def test_a_corrected_mapping_lets_a_refused_posting_go(billed: Api) -> None:
    [posting, *_] = billed.get("/v1/postings", state="ready")
    with billed.app.database.transaction() as connection:
        connection.execute(
            "update posting set state = 'failed', code = 'post.unmapped_account', message = 'x' "
            "where posting_id = %s",
            [posting["posting_id"]],
        )
    billed.app.settings = replace(
        billed.app.settings, targets={"erp": SystemSettings("erp", "unused")}
    )
    [gl_map] = company()["gl_maps"]
    changed = {"gl_maps": [{**gl_map, "accounts": {**gl_map["accounts"], "revenue": "4100"}}]}

    done = billed.post("/v1/master-data/apply", changed)

    assert done["replayed"]["postings_released"] == 1
    assert billed.get(f"/v1/postings/{posting['posting_id']}")["state"] == "ready"


def test_postings_are_held_and_released(billed: Api) -> None:
    [posting, *_] = billed.get("/v1/postings", state="ready")
    act = {"posting_ids": [posting["posting_id"], "pst_none"], "reason": "call the customer first"}

    held = billed.post("/v1/postings/hold", act)
    while_held = billed.get(f"/v1/postings/{posting['posting_id']}")
    released = billed.post("/v1/postings/release", act)
    replayed = billed.post("/v1/postings/replay", act)

    assert held == {"released": [posting["posting_id"]], "set_aside": ["pst_none"]}
    assert while_held["state"] == "held"
    assert [one["signal"] for one in while_held["history"]][-1] == "held_back"
    assert released["released"] == [posting["posting_id"]]
    assert replayed["released"] == []
    with billed.app.database.transaction() as connection:
        actors = {one.actor for one in all_records(connection) if one.action == "posting.hold"}
    assert actors == {"erin"}


def test_a_reconciliation_is_kept(billed: Api) -> None:
    made = billed.post("/v1/reconciliations", **NOVEMBER)
    [kept] = billed.get("/v1/reconciliations", **NOVEMBER)

    assert kept["result"] == made
    assert made["variances"], "nothing is posted yet, and that is a variance"


def test_master_data_is_planned_applied_listed_and_shown(empty: Api) -> None:
    planned = empty.post("/v1/master-data/plan", company())
    nothing_yet = empty.get("/v1/master-data")
    empty.post("/v1/master-data/apply", company(), reason="first list")
    again = empty.post("/v1/master-data/apply", company())

    assert len(planned["changes"]) == 15
    assert nothing_yet == []
    assert again["applied"]["unchanged"] == 15
    assert [one["key"] for one in empty.get("/v1/master-data", kind="customer")] == [
        "ada",
        "bob",
        "eve",
    ]
    [shown] = empty.get("/v1/master-data/contract/ada-1")
    assert shown["record"]["customer_id"] == "ada"


def test_master_data_with_problems_is_refused_whole_and_tells_them(api: Api) -> None:
    wrong = {"customers": [{"id": "new", "name": "New", "jurisdiction": "X"}, {"id": "x"}]}

    answer = api.client.post("/v1/master-data/apply", json=wrong)

    assert answer.status_code == 422
    assert answer.json()["code"] == "masterdata.plan_has_problems"
    assert answer.json()["problems"][0]["code"] == "masterdata.missing_key"
    assert api.problem("GET", "/v1/master-data/customer/new") == (404, "masterdata.unknown")


@pytest.mark.parametrize("written", ["0.1", "0.123456789012", '"0.1"', "123456789012.1"])
def test_numbers_in_json_stay_exact(api: Api, written: str) -> None:
    book = (
        '{"price_books":[{"id":"exact","currency":"USD","effective_from":"2023-01-01",'
        f'"prices":[{{"product":"tokens","model":"unit","unit_price":{written}}}]}}]}}'
    )
    price = f'{{"model":"unit","currency":"USD","unit_price":{written}}}'

    applied = api.client.post("/v1/master-data/apply", content=book)
    evaluated = api.client.post(
        "/v1/price-evaluations", content=f'{{"price":{price},"quantity":1}}'
    )

    assert applied.status_code == 200, applied.text
    [stored] = api.get("/v1/master-data/price_book/exact")
    assert stored["record"]["prices"][0]["tiers"][0]["unit_price"] == written.strip('"')
    assert evaluated.json()["amount"] == written.strip('"')


def test_a_price_is_evaluated_with_events_and_what_came_before(api: Api) -> None:
    price = '{"model":"percentage","currency":"USD","rate":"10 %","free_events":1}'

    whole = api.client.post(
        "/v1/price-evaluations", content=f'{{"price":{price},"events":[100,"20.5"]}}'
    )
    part = api.client.post(
        "/v1/price-evaluations",
        content=f'{{"price":{price},"events":[50],"before":{{"events":[100]}}}}',
    )

    assert (whole.json()["amount"], whole.json()["payable"]) == ("2.05", "2.05")
    assert part.json()["amount"] == "5"


MISSING = (
    ("GET", "/v1/events/evt_none", "capture.no_such_event"),
    ("POST", "/v1/events/evt_none/void", "capture.no_such_event"),
    ("GET", "/v1/quarantine/qua_none", "capture.no_such_refusal"),
    ("POST", "/v1/quarantine/qua_none/correct", "capture.no_such_refusal"),
    ("POST", "/v1/quarantine/qua_none/replay", "capture.no_such_refusal"),
    ("POST", "/v1/quarantine/qua_none/discard", "capture.no_such_refusal"),
    ("GET", "/v1/invoices/US-999999", "invoice.unknown"),
    ("GET", "/v1/invoices/US-999999/verification", "invoice.unknown"),
    ("GET", "/v1/postings/pst_none", "post.unknown"),
    ("GET", "/v1/work-items/wrk_none", "worklist.unknown"),
    ("GET", "/v1/master-data/customer/none", "masterdata.unknown"),
    ("GET", "/v1/master-data/none/none", "masterdata.unknown"),
    ("GET", "/v1/trace?id=none", "trace.unknown_id"),
    ("GET", "/v1/nothing", "api.http_404"),
)


def test_what_is_not_there_is_a_404_with_its_code(empty: Api) -> None:
    body = {"reason": "r", "corrected": "{}"}

    answers = [
        (method, path, empty.problem(method, path, json=body if method == "POST" else None))
        for method, path, _ in MISSING
    ]

    assert answers == [(method, path, (404, code)) for method, path, code in MISSING]


MONTHLY = (
    ("GET", "/v1/usage"),
    ("GET", "/v1/charges"),
    ("GET", "/v1/invoices"),
    ("GET", "/v1/postings"),
    ("GET", "/v1/reconciliations"),
    ("POST", "/v1/reconciliations"),
)


@pytest.mark.parametrize("month", ["2023-13", "2023-1", "november", "", "0000-01", "9998-12"])
def test_a_wrong_month_is_refused_everywhere(empty: Api, month: str) -> None:
    refused = {empty.problem(*route, params={"month": month}) for route in MONTHLY}
    refused.add(empty.problem("POST", "/v1/runs", json={"month": month}))

    assert refused == {(422, "api.invalid_month")}


WRONG = (
    ("GET", "/v1/usage", "", "api.invalid_request"),
    ("GET", "/v1/invoices?state=gone", "", "api.invalid_request"),
    ("GET", "/v1/postings?limit=0", "", "api.invalid_request"),
    ("GET", "/v1/postings?limit=1001", "", "api.invalid_request"),
    ("GET", "/v1/postings?limit=1e400", "", "api.invalid_request"),
    ("GET", "/v1/work-items?state=gone", "", "api.invalid_request"),
    ("GET", "/v1/master-data?kind=gone", "", "masterdata.unknown_kind"),
    ("GET", f"/v1/invoices/{'x' * 2049}", "", "api.invalid_request"),
    ("GET", "/v1/invoices/a%00b", "", "api.not_storable"),
    ("POST", "/v1/runs", '{"month":"2023-11","until":"nowhere"}', "run.unknown_stage"),
    ("POST", "/v1/runs", "{", "api.invalid_request"),
    ("POST", "/v1/invoices/approve", '{"invoice_ids":[],"reason":"r"}', "api.invalid_request"),
    ("POST", "/v1/postings/hold", '{"posting_ids":["p"],"reason":""}', "api.invalid_request"),
    ("POST", "/v1/work-items/replay", "{}", "api.invalid_request"),
    ("POST", "/v1/master-data/plan", "{", "api.malformed_json"),
    ("POST", "/v1/master-data/plan", "[" * 100_000, "api.malformed_json"),
    ("POST", "/v1/master-data/plan", '"text"', "api.not_an_object"),
    ("POST", "/v1/price-evaluations", "{}", "api.incomplete"),
    ("POST", "/v1/price-evaluations", '{"price":{},"quantity":1}', "price.invalid"),
    (
        "POST",
        "/v1/price-evaluations",
        '{"price":{"model":"unit","currency":"USD","unit_price":1},"quantity":-1}',
        "price.invalid_quantity",
    ),
)


def test_wrong_input_is_a_422_with_its_code(empty: Api) -> None:
    answers = [
        (method, path, empty.problem(method, path, content=body or None, headers=JSON))
        for method, path, body, _ in WRONG
    ]

    assert answers == [(method, path, (422, code)) for method, path, _, code in WRONG]


def test_a_method_that_a_route_does_not_know_is_405(empty: Api) -> None:
    assert empty.problem("DELETE", "/v1/invoices/US-000001") == (405, "api.http_405")
    assert empty.problem("GET", "/v1/price-evaluations") == (405, "api.http_405")


def test_a_body_that_is_too_large_is_413(empty: Api) -> None:
    body = b" " * 16_000_001

    assert empty.problem("POST", "/v1/master-data/plan", content=body)[0] == 413
    assert empty.problem("POST", "/v1/runs", content=body)[0] == 413


def test_a_documents_revenue_is_scheduled_and_summed(billed: Api) -> None:
    scheduled = billed.get("/v1/invoices/US-000001/revenue-schedules")
    [total] = billed.get("/v1/revenue", **NOVEMBER)["documents"]

    assert sum(one["amount"]["minor"] for one in scheduled) == 1700
    assert total["recognized"]["minor"] + total["deferred"]["minor"] == 1700


def test_one_work_item_is_tried_again_by_itself(api: Api) -> None:
    api.send(event(1, subject="nobody"))
    [item] = api.get("/v1/work-items")
    path = f"/v1/work-items/{item['work_item_id']}/replay"

    replayed = api.post(path, {"reason": "to see"})

    assert replayed == {"events_replayed": 0, "postings_released": 0, "still_open": 1}
    assert api.problem("POST", "/v1/work-items/wrk_none/replay", json={"reason": "x"}) == (
        404,
        "worklist.unknown",
    )


def test_a_contract_says_when_it_is_billed(billed: Api) -> None:
    days = {"from": "2023-11-15", "until": "2023-12-02"}

    november, december = billed.get("/v1/contracts/ada-1/billing-periods", **days)

    assert november == {
        "from": "2023-11-01",
        "until": "2023-12-01",
        "days": 30,
        "whole": True,
        "starts_at": "2023-11-01T00:00:00Z",
        "ends_at": "2023-12-01T00:00:00Z",
        "usage_billed_with": "2023-11",
        "fees_billed_with": "2023-11",
    }
    assert december["from"] == "2023-12-01"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("none/billing-periods", 404, "masterdata.unknown"),
        ("ada-1/billing-periods?from=2023-02-01&until=2023-02-01", 422, "masterdata.unclear_days"),
        ("ada-1/billing-periods?from=2023-02-01&until=2083-02-01", 422, "masterdata.unclear_days"),
    ],
)
def test_billing_periods_of_no_contract_or_no_days_are_refused(
    billed: Api, path: str, status: int, code: str
) -> None:
    assert billed.problem("GET", f"/v1/contracts/{path}") == (status, code)
