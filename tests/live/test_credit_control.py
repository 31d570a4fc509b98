"""Whether a customer may go on: from thresholds, from what is left, and from what a person decides."""

from live.watched import Watched
from tollbook.access.scopes import Scope


def test_thresholds_warn_and_block_a_customer(watched: Watched) -> None:
    states = []
    for millions in (1, 16, 4):
        watched.use("ada", millions)
        watched.look()
        states.append(watched.control("ada")["state"])

    assert states == ["ok", "warned", "blocked"]
    [item] = watched.api.get("/v1/work-items")
    assert (item["code"], item["owner"]) == ("rate.credit_blocked", "finance")


def test_prepaid_credits_that_run_out_block_a_customer(watched: Watched) -> None:
    watched.use("bob", 7)
    watched.look()
    low = watched.may("bob", "tokens")
    watched.use("bob", 3)
    watched.look()
    empty = watched.may("bob", "tokens")

    assert (low["allowed"], low["reason"], low["credit_balance"]) == (True, "warned", "9.00")
    assert (empty["allowed"], empty["reason"]) == (False, "credits_used_up")


def test_more_credits_let_a_customer_go_on(watched: Watched) -> None:
    watched.use("bob", 10)
    watched.look()
    blocked = watched.control("bob")["state"]

    watched.api.post("/v1/master-data/apply", topped_up())
    watched.look()

    assert blocked == "blocked"
    assert watched.control("bob")["state"] == "ok"
    assert watched.may("bob", "tokens")["allowed"] is True


def test_a_person_blocks_and_releases_with_a_reason(watched: Watched) -> None:
    blocked = watched.api.post(
        "/v1/customers/eve/credit-control/block", {"reason": "did not pay US-7"}
    )
    denied = watched.may("eve", "fee")
    released = watched.api.post("/v1/customers/eve/credit-control/release", {"reason": "paid"})
    allowed = watched.may("eve", "fee")

    assert (blocked["state"], blocked["override"]["by"]) == ("blocked", "erin")
    assert (denied["allowed"], denied["reason"]) == (False, "blocked_by_person")
    assert (released["state"], allowed["allowed"]) == ("ok", True)
    refused = watched.api.problem(
        "POST", "/v1/customers/eve/credit-control/block", json={"reason": " "}
    )
    assert refused == (422, "rate.reason_missing")


def test_a_release_over_thresholds_ends_with_the_billing_period(watched: Watched) -> None:
    watched.use("ada", 25)
    watched.look()
    released = watched.api.post("/v1/customers/ada/credit-control/release", {"reason": "agreed"})
    during = watched.may("ada", "tokens")
    watched.look()
    items = watched.api.get("/v1/work-items")

    watched.clock.wait(20 * 86_400)
    watched.use("ada", 25, at="2023-12-05T00:00:00Z")
    watched.look()

    assert released["override"]["until"] == "2023-12-01T00:00:00Z"
    assert (released["state"], during["allowed"], during["reason"]) == ("warned", True, "warned")
    assert items == []
    assert watched.control("ada")["state"] == "blocked"


def test_a_decision_is_in_the_audit_trail(watched: Watched) -> None:
    watched.api.post("/v1/customers/eve/credit-control/block", {"reason": "did not pay"})

    with watched.app.database.transaction() as connection:
        rows = connection.execute(
            """select actor, object_id, before, after, reason from audit_record
               where action = 'rate.credit_block'"""
        ).fetchall()

    assert rows == [("erin", "eve", "ok", "blocked", "did not pay")]


def test_all_states_are_listed(watched: Watched) -> None:
    watched.use("ada", 25)
    watched.look()

    found = watched.api.get("/v1/credit-control")
    blocked = watched.api.get("/v1/credit-control", state="blocked")

    states = {one["customer_id"]: one["state"] for one in found}
    assert states == {"ada": "blocked", "bob": "ok", "eve": "ok"}
    assert [one["customer_id"] for one in blocked] == ["ada"]


def test_a_key_that_only_reads_may_not_block(watched: Watched) -> None:
    wanted = {"name": "gateway", "scopes": [Scope.USAGE_READ.value], "reason": "a test"}
    made = watched.api.client.post("/v1/access/keys", json=wanted).json()
    bearer = {"authorization": f"Bearer {made['secret']}"}
    path = "/v1/customers/eve"

    may = watched.api.client.get(f"{path}/entitlements/fee", headers=bearer)
    block = watched.api.client.post(
        f"{path}/credit-control/block", json={"reason": "r"}, headers=bearer
    )

    assert (may.status_code, block.status_code) == (200, 403)


def test_credits_that_a_person_gives_let_a_customer_go_on(watched: Watched) -> None:
    watched.use("bob", 10)
    watched.look()
    blocked = watched.control("bob")["state"]

    grant = {"id": "bob-gift", "amount": 20, "kind": "promotional", "granted_on": "2023-11-15"}
    given = watched.api.client.post(
        "/v1/contracts/bob-1/credits", json={"grant": grant, "reason": "goodwill"}
    )
    assert given.is_success, given.text
    watched.look()

    assert blocked == "blocked"
    assert watched.control("bob")["state"] == "ok"
    assert watched.may("bob", "tokens")["credit_balance"] == "20.00"


def topped_up() -> object:
    return {
        "contracts": [
            {
                "id": "bob-1",
                "version": 2,
                "customer": "bob",
                "entity": "us",
                "currency": "USD",
                "price_book": "list",
                "effective_from": "2023-11-10",
                "items": ["tokens"],
                "credit_product": "credits",
                "credits": [
                    {"id": "bob-30", "amount": 30, "granted_on": "2023-11-01"},
                    {"id": "bob-50", "amount": 50, "granted_on": "2023-11-15"},
                ],
                "alerts": [{"id": "empty", "watches": "balance", "amount": 0, "action": "block"}],
            }
        ]
    }
