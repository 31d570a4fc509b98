"""What several processes of the API count adds up, and what each holds is told apart."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from api.test_metrics import samples
from api_client import Api, event
from tollbook.api.app import build
from tollbook.app import App
from tollbook.runtime.signals import FORGOTTEN_AFTER, HEARD_SECONDS, fold_earlier, heard
from tollbook.values.clock import FixedClock


@pytest.fixture
def second(app: App, clock: FixedClock) -> Iterator[Api]:
    """Give another process of the same API, begun a moment later."""
    clock.wait(1)
    with TestClient(build(app)) as client:
        yield Api(client, app)


def test_counts_of_all_processes_are_added(api: Api, second: Api) -> None:
    api.send(event(1))
    second.send(event(2), event(3, subject="nobody"))
    for one in (api, second, second):
        one.client.post("/v1/events", content=b"x", headers={"content-type": "text/plain"})
    samples(second)

    counted = samples(api)

    assert counted["tollbook_events_total", "accepted", "http"] == 2
    assert counted["tollbook_rejected_events_total", "capture.unknown_subject", "http"] == 1
    assert counted["tollbook_refused_requests_total", "capture.unsupported_content_type"] == 3
    assert counted["tollbook_intake_seconds_count",] == 3
    assert counted["tollbook_quarantine_open", "capture.unknown_subject"] == 1
    assert counted["tollbook_dirty_days",] == 1


def test_what_a_process_holds_carries_its_name_until_it_is_silent(
    api: Api, second: Api, clock: FixedClock
) -> None:
    samples(second)
    both = [key for key in samples(api) if key[0] == "tollbook_intake_waiting_events"]
    clock.wait(HEARD_SECONDS)

    alone = [key for key in samples(api) if key[0] == "tollbook_intake_waiting_events"]

    assert (len(both), len(alone)) == (2, 1)


def test_counts_of_processes_that_are_gone_are_kept(api: Api, clock: FixedClock) -> None:
    with TestClient(build(api.app)) as client:
        client.post("/v1/events", content=b"x", headers={"content-type": "text/plain"})
    clock.wait(FORGOTTEN_AFTER.total_seconds() + 1)
    for _ in range(2):
        with api.app.database.transaction() as connection:
            fold_earlier(connection, at=clock.now())

    counted = samples(api)

    assert counted["tollbook_refused_requests_total", "capture.unsupported_content_type"] == 1
    with api.app.database.transaction() as connection:
        assert len(heard(connection)) == 2


def test_refusals_at_the_gate_are_counted(api: Api) -> None:
    body = {"name": "first", "scopes": ["metrics:read"], "reason": "r"}
    secret = api.client.post("/v1/access/keys", json=body).json()["secret"]
    api.client.get("/v1/invoices")

    api.client.headers["authorization"] = f"Bearer {secret}"

    assert samples(api)["tollbook_refused_requests_total", "api.unauthorized"] == 1
