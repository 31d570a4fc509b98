"""Whatever is sent to whatever route, the answer is never a 5xx."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from api_client import JSON, Api, company

DEEP: Any = json.loads("[" * 200 + "]" * 200)
NASTY_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "%",
        "../../etc",
        "x" * 3000,
        "-1",
        "0",
        "1e999999999",
        "1e-999999999",
        "0e-999999999",
        "NaN",
        "9" * 400,
    ),
    *("evt_", f"evt_{'a' * 26}", "evt_ä", "inv_#1", "|", "/test|e1", "US-000001", "ada", "\ud800"),
    *("2023-11", "9998-12", "0001-01", "9999-12-31", "0001-01-01", "customer", "\U0001f600", "'--"),
]
NASTY_VALUES: list[Any] = [
    *NASTY_TEXTS,
    *(None, True, -1, 0, 10**400, -(10**30), 0.1, 1e308, [], {}, [None], {"": None}, DEEP),
]
BODIES: dict[str, Any] = {
    "/v1/master-data/plan": company(),
    "/v1/master-data/apply": company(),
    "/v1/price-evaluations": {
        "price": {
            "model": "graduated",
            "currency": "USD",
            "tiers": [{"up_to": "10", "unit_price": "0.1"}, {"unit_price": "0.05"}],
        },
        "quantity": "12",
    },
    "/v1/runs": {"month": "2023-11", "until": "tax", "approve": True, "booked_on": "2023-11-30"},
    "/v1/invoices/approve": {"invoice_ids": ["inv_x"], "reason": "r"},
    "/v1/events": {
        "specversion": "1.0",
        "id": "e9",
        "source": "/t",
        "type": "call",
        "subject": "ada",
        "time": "2023-11-16T18:17:03Z",
        "data": {"model": "m", "tokens": 1},
    },
}
ANY_ACT = {"reason": "r", "corrected": "{}", "posting_ids": ["pst_x"]}


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, dict):
        found += [leaf for key in value for leaf in leaves(value[key], (*path, key))]
    if isinstance(value, list):
        found += [leaf for at, one in enumerate(value) for leaf in leaves(one, (*path, at))]
    return found


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    if not path:
        return to
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], to)
    return copy


def sendable(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


@pytest.mark.parametrize("method", ["get", "post"])
def test_no_request_meets_a_bug(billed: Api, method: str) -> None:
    paths = billed.get("/openapi.json")["paths"]
    operations = [
        (path, known[method].get("parameters", []))
        for path, known in paths.items()
        if method in known
    ]
    texts = st.sampled_from(NASTY_TEXTS) | st.text(max_size=20)

    def body(path: str, data: st.DataObject) -> bytes:
        whole = BODIES.get(path, ANY_ACT)
        for _ in range(data.draw(st.integers(1, 2))):
            leaf = data.draw(st.sampled_from(leaves(whole)))
            whole = changed(whole, leaf, data.draw(st.sampled_from(NASTY_VALUES)))
        # Numbers that no float can hold are sent as they stand.
        raw = re.sub(rb'"(-?[0-9]+e-?[0-9]+)"', rb"\1", json.dumps(whole).encode())
        return raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw

    @settings(
        max_examples=300,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(st.data())
    def probe(data: st.DataObject) -> None:
        path, parameters = data.draw(st.sampled_from(operations))
        query = ["unknown=1"]
        url = path
        for parameter in parameters:
            name, text = parameter["name"], sendable(data.draw(texts))
            if parameter["in"] == "path":
                url = url.replace(f"{{{name}}}", text or "x")
            elif parameter["in"] == "query" and data.draw(st.booleans()):
                query.append(f"{name}={text}")
        content = body(path, data) if method == "post" else None

        answer = billed.client.request(
            method, f"{url}?{'&'.join(query)}", content=content, headers=JSON
        )

        assert answer.status_code < 500, (url, query, content, answer.text)

    probe()
