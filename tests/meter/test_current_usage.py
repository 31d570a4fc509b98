"""Current usage by command and over HTTP: the same numbers, and refusals with a sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from starlette.testclient import TestClient

from api_client import Api
from meter.aggregating import customer
from meter.company import Company
from tollbook.api.app import build
from tollbook.app import App
from tollbook.cli import cli
from tollbook.config import Settings
from tollbook.observe.log import configure
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock


@pytest.fixture
def company(database: Database) -> Company:
    """Give a company with some usage, of which a part is in no summary yet."""
    company = Company(database)
    company.decide(customer())
    company.summarize()
    company.use({"tokens": 5}, {"tokens": 6, "model": "small", "at": "2023-11-02T00:00:00Z"})
    company.summarize()
    company.use({"tokens": 7})
    return company


@pytest.fixture
def api(company: Company, dsn: str, clock: FixedClock, tmp_path: Path) -> Any:
    configure("text")
    app = App(Settings(tmp_path, database_url=dsn), clock, company.database)
    with TestClient(build(app)) as client:
        yield Api(client, app)


def tollbook(dsn: str, monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """Run a command on a database."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    return CliRunner().invoke(cli, words)


NOVEMBER = {"customer": "acme", "meter": "tokens", "month": "2023-11"}


def test_the_api_shows_usage_that_was_acknowledged(api: Api) -> None:
    found = api.get("/v1/usage/current", **NOVEMBER)

    [usage] = found["usages"]
    assert (usage["quantity"], usage["event_count"]) == ("18", 3)
    assert (usage["starts_at"], usage["ends_at"]) == (
        "2023-11-01T00:00:00Z",
        "2023-12-01T00:00:00Z",
    )
    assert len(usage["digest"]) == 32
    assert found["latest_receipt"] > found["complete_through_receipt"] > 0
    assert found["recount_pending"] is False


def test_the_api_cuts_usage_into_windows_and_by_dimension(api: Api) -> None:
    found = api.get("/v1/usage/windows", window="day", group_by="model", **NOVEMBER)

    assert [
        (one["starts_at"][:10], one["dimensions"]["model"], one["quantity"])
        for one in found["usages"]
    ] == [("2023-11-02", "small", "6"), ("2023-11-16", "large", "12")]


def test_a_window_of_minutes_is_counted_from_the_events(api: Api) -> None:
    found = api.get(
        "/v1/usage/windows",
        customer="acme",
        meter="tokens",
        window="minute",
        **{"from": "2023-11-16T18:16:00Z", "until": "2023-11-16T18:19:00Z"},
    )

    assert [one["quantity"] for one in found["usages"]] == ["0", "12", "0"]


def test_the_api_lists_the_events_behind_a_page_at_a_time(api: Api) -> None:
    first = api.get("/v1/usage/events", limit="2", **NOVEMBER)
    rest = api.get("/v1/usage/events", limit="2", after=first[-1]["event_id"], **NOVEMBER)

    assert len({one["event_id"] for one in [*first, *rest]}) == 3


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"customer": "nobody"}, "meter.unknown_customer"),
        ({"meter": "nothing"}, "meter.unknown_meter"),
        ({"customer": "acme", "group_by": "colour"}, "meter.unknown_dimension"),
        ({"customer": "acme", "from": "2023-11-01T00:00:00Z"}, "meter.unclear_time"),
        ({"customer": "acme", "from": "2023-11-01T00:00:00"}, "meter.unclear_time"),
        ({"from": "2023-11-01T00:01:00Z", "until": "2023-11-02T00:00:00Z"}, "meter.unclear_time"),
        (
            {"window": "minute", "customer": "acme", "month": "2023-11"},
            "meter.too_many_windows",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(api: Api, query: dict[str, str], code: str) -> None:
    path = "/v1/usage/windows" if "window" in query else "/v1/usage/current"

    answer = api.client.get(path, params=query)

    assert answer.status_code in range(400, 500)
    assert answer.json()["code"] == code


def test_the_command_shows_the_same(
    company: Company, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("--customer", "acme", "--meter", "tokens", "--period", "2023-11")

    shown = tollbook(dsn, monkeypatch, "usage", "current", *ask)
    as_json = tollbook(dsn, monkeypatch, "usage", "current", *ask, "--json")
    listed = tollbook(dsn, monkeypatch, "usage", "events", *ask)

    assert company.database.dsn == dsn
    assert "18" in shown.output
    assert [one["quantity"] for one in json.loads(as_json.output)["usages"]] == ["18"]
    assert len(listed.output.splitlines()) == 3


def test_the_command_takes_instants_windows_and_dimensions(
    company: Company, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert company.counts_at_door

    found = tollbook(
        dsn,
        monkeypatch,
        *("usage", "current", "--customer", "acme", "--from", "2023-11-02T01:00:00+01:00"),
        *("--to", "2023-11-17T00:00:00Z", "--where", "model=large", "--group-by", "model"),
        *("--window", "month", "--json"),
    )

    [usage] = json.loads(found.output)["usages"]
    assert (usage["dimensions"], usage["quantity"]) == ({"model": "large"}, "12")
