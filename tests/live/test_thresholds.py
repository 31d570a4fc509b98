"""A threshold is raised once a billing period, whoever looks and however often."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from live.watched import Watched
from tollbook.flow.rate.live.step import look, watch_customers
from tollbook.runtime.known import Known
from tollbook.runtime.watch import Watch


def test_thresholds_are_raised_as_usage_reaches_them(watched: Watched) -> None:
    watched.use("ada", 3)
    watched.look()
    before = watched.alerts("ada")
    watched.use("ada", 1)
    watched.look()
    watched.use("ada", 13)
    watched.look()

    assert before == []
    # 22, then 61 of charges at which the whole month comes to 112, and half of the commitment.
    assert watched.alerts("ada") == ["twenty", "half", "pace"]
    [first, *_] = watched.api.get("/v1/alerts", customer="ada")["items"]
    assert first["type"] == "alert.threshold_reached"
    assert (first["threshold"], first["value"], first["currency"]) == ("20", "22.00", "USD")
    assert (first["starts_on"], first["ends_before"]) == ("2023-11-01", "2023-12-01")


def test_a_threshold_is_raised_again_only_in_the_next_period(watched: Watched) -> None:
    watched.use("ada", 5)
    watched.look()
    watched.use("ada", 1)
    watched.look()
    once = watched.alerts("ada")

    watched.clock.wait(20 * 86_400)
    watched.use("ada", 5, at="2023-12-05T00:00:00Z")
    watched.look()

    assert once == ["twenty"]
    assert watched.alerts("ada")[:2] == ["twenty", "twenty"]


def test_only_customers_that_changed_are_looked_at(watched: Watched) -> None:
    watched.look()
    watched.use("ada", 1)
    watched.fold()

    with watched.app.database.transaction() as connection:
        looked = look(connection, known=watched.app.known.by_customer, at=watched.clock.now())

    assert looked.customers == 1


def test_two_workers_that_look_at_the_same_time_raise_a_threshold_once(watched: Watched) -> None:
    watched.use("ada", 20)
    watched.use("bob", 10)
    watched.fold()
    workers = [
        Watch(watched.app.database, watched.clock, Known(watched.app.catalog)) for _ in range(2)
    ]

    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            for future in [threads.submit(worker.look_at_all) for worker in workers]:
                future.exception()
    for worker in workers:
        worker.look_at_all()

    assert sorted(watched.alerts("ada")) == ["half", "pace", "stop", "twenty"]
    assert sorted(watched.alerts("bob")) == ["empty", "low", "most"]


def test_a_look_that_dies_before_its_commit_is_done_again(watched: Watched) -> None:
    watched.use("ada", 5)
    watched.fold()
    known = watched.app.known.by_customer
    with watched.app.database.transaction() as connection:
        watch_customers(connection, known(connection))

    with pytest.raises(ConnectionAbortedError) as death:
        look_and_die(watched)
    lost = watched.alerts()
    watched.look()

    assert death.value.args == (["twenty"],)
    assert lost == []
    assert watched.alerts() == ["twenty"]


def test_usage_that_is_taken_back_lets_a_customer_go_on(watched: Watched) -> None:
    watched.use("ada", 20)
    watched.look()
    before = watched.control("ada")["state"]
    [event] = watched.api.get("/v1/usage/events", customer="ada", meter="tokens", month="2023-11")

    watched.api.post(f"/v1/events/{event['event_id']}/void", {"reason": "a test"})
    watched.look()

    assert before == "blocked"
    assert watched.control("ada")["state"] == "ok"
    assert watched.api.get("/v1/work-items") == []
    assert sorted(watched.alerts("ada")) == ["half", "pace", "stop", "twenty"]


def test_a_threshold_that_is_amended_is_another_one(watched: Watched) -> None:
    watched.use("ada", 5)
    watched.look()

    watched.api.post("/v1/master-data/apply", amended("23"))
    watched.look()
    watched.api.post("/v1/master-data/apply", amended("26", version=3))
    watched.look()

    thresholds = [one["threshold"] for one in watched.api.get("/v1/alerts")["items"]]
    assert thresholds == ["20", "23"]


def test_alerts_come_a_page_at_a_time(watched: Watched) -> None:
    watched.use("bob", 10)
    watched.look()

    first = watched.api.get("/v1/alerts", limit="2")
    second = watched.api.get("/v1/alerts", limit="2", cursor=first["next"])

    assert [len(first["items"]), len(second["items"])] == [2, 1]
    assert second["next"] is None
    assert watched.api.problem("GET", "/v1/alerts?cursor=x") == (422, "rate.unknown_cursor")


def amended(amount: str, *, version: int = 2) -> object:
    return {
        "contracts": [
            {
                "id": "ada-1",
                "version": version,
                "customer": "ada",
                "entity": "us",
                "currency": "USD",
                "price_book": "list",
                "effective_from": f"2023-11-1{version}",
                "items": ["tokens", "fee"],
                "alerts": [{"id": "twenty", "amount": amount}],
            }
        ]
    }


def look_and_die(watched: Watched) -> None:
    """Look, and lose the connection before anything is committed."""
    with watched.app.database.transaction() as connection:
        known = watched.app.known.by_customer
        looked = look(connection, known=known, at=watched.clock.now())
        raise ConnectionAbortedError([event.alert_id for event in looked.raised])
