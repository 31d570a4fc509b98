"""Long lists come in pages, each record once, in the order of ids."""

from typing import Any

import pytest

from api_client import Api, event

LISTS = [
    ("/v1/usage", "usage_id", {"month": "2023-11"}),
    ("/v1/charges", "charge_id", {"month": "2023-11"}),
    ("/v1/invoices", "invoice_id", {}),
]


def identifier(record: dict[str, Any], name: str) -> str:
    found: str = record.get("charge", record)[name]
    return found


def pages(api: Api, path: str, **query: str) -> list[list[Any]]:
    found, cursor = [], ""
    while True:
        page = api.get(path, cursor=cursor, **query)
        found.append(page["items"])
        if page["next"] is None:
            return found
        cursor = page["next"]


@pytest.fixture
def corrected(billed: Api) -> Api:
    """Give an API with a correction beside the invoice, and usages that were replaced."""
    billed.send(event(3), event(4))
    billed.post("/v1/runs", {"month": "2023-11", "approve": True})
    return billed


@pytest.mark.parametrize(("path", "name", "query"), LISTS)
def test_pages_hold_every_record_once_in_order(
    corrected: Api, path: str, name: str, query: dict[str, str]
) -> None:
    [whole] = pages(corrected, path, **query)

    singles = pages(corrected, path, limit="1", **query)

    ids = [identifier(record, name) for record in whole]
    assert [record for page in singles for record in page] == whole
    assert [len(page) for page in singles] == [1] * len(whole)
    assert ids == sorted(set(ids))
    assert len(ids) > 1


@pytest.mark.parametrize(("path", "name", "query"), LISTS)
def test_a_page_that_ends_exactly_at_the_last_record_is_the_last(
    corrected: Api, path: str, name: str, query: dict[str, str]
) -> None:
    [whole] = pages(corrected, path, **query)

    page = corrected.get(path, limit=str(len(whole)), **query)
    beyond = corrected.get(path, cursor=identifier(whole[-1], name), **query)

    assert page == {"items": whole, "next": None}
    assert beyond == {"items": [], "next": None}


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x"])
def test_a_limit_out_of_range_is_refused(billed: Api, limit: str) -> None:
    refused = billed.problem("GET", f"/v1/invoices?limit={limit}")

    assert refused == (422, "api.invalid_request")


@pytest.mark.parametrize(
    ("path", "component"),
    [
        ("/v1/usage", "MeteredUsage"),
        ("/v1/charges", "RatedCharge"),
        ("/v1/invoices", "Invoice"),
    ],
)
def test_pages_are_described_with_their_records(empty: Api, path: str, component: str) -> None:
    document = empty.get("/openapi.json")

    answer = document["paths"][path]["get"]["responses"]["200"]
    page = answer["content"]["application/json"]["schema"]

    assert page["properties"]["items"]["items"] == {"$ref": f"#/components/schemas/{component}"}
    assert component in document["components"]["schemas"]


def test_what_is_shown_is_what_the_document_says(corrected: Api) -> None:
    corrected.send(event(9, subject="nobody"))
    components = corrected.get("/openapi.json")["components"]["schemas"]
    shown = {
        "MeteredUsage": corrected.get("/v1/usage", month="2023-11")["items"][0],
        "Invoice": corrected.get("/v1/invoices")["items"][0],
        "RatedCharge": corrected.get("/v1/charges", month="2023-11")["items"][0],
        "Quarantined": corrected.get("/v1/quarantine")[0],
    }

    for name, record in shown.items():
        assert set(record) == set(components[name]["properties"]), name
