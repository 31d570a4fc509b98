"""What a customer owes so far is what the month's run charges for the same usage."""

from decimal import Decimal

from live.watched import Watched


def test_charges_count_usage_that_no_summary_holds_yet(watched: Watched) -> None:
    watched.use("ada", 2)
    watched.fold()
    watched.use("ada", 3)

    found = watched.charges("ada")

    [contract] = found["contracts"]
    lines = {line["kind"]: line for line in contract["charges"]}
    assert lines["usage"]["quantity"] == "5000000"
    assert lines["usage"]["amount"] == "15.00"
    assert lines["usage"]["parts"][0]["per"] == "1000000"
    assert lines["fixed"]["amount"] == "10.00"
    # What is missing to the commitment of 100 is owed if nothing more is used.
    assert lines["commitment_shortfall"]["amount"] == "85.00"
    assert found["totals"] == {"USD": "110.00"}
    assert contract["charged"] == "25.00"
    assert (contract["starts_on"], contract["ends_before"]) == ("2023-11-01", "2023-12-01")
    assert found["latest_receipt"] > found["complete_through_receipt"]


def test_charges_at_the_end_of_a_month_are_those_of_the_month_run(watched: Watched) -> None:
    watched.use("ada", 7)
    watched.use("bob", 4)
    watched.use("eve", 6)
    now = {who: watched.charges(who)["totals"]["USD"] for who in ("ada", "bob", "eve")}

    watched.clock.wait(20 * 86_400)
    watched.api.post("/v1/runs", {"month": "2023-11", "until": "rate"})

    charged = {"ada": Decimal(0), "bob": Decimal(0), "eve": Decimal(0)}
    for one in watched.api.get("/v1/charges", month="2023-11")["items"]:
        charged[one["charge"]["customer_id"]] += Decimal(one["charge"]["amount"]["value"])
    assert {who: Decimal(amount) for who, amount in now.items()} == charged


def test_the_projection_goes_on_at_the_pace_of_usage(watched: Watched) -> None:
    watched.use("ada", 10)

    [contract] = watched.charges("ada")["contracts"]

    # Half of November has passed: 30 of usage become 60, the fee stays 10.
    assert contract["projected"] == "70.00"


def test_the_balance_of_credits_is_what_this_usage_leaves(watched: Watched) -> None:
    watched.use("bob", 4)

    found = watched.charges("bob")

    assert found["credit_balances"] == {"USD": "18.00"}
    [grant] = found["contracts"][0]["grants"]
    assert (grant["grant_id"], Decimal(grant["granted"]), Decimal(grant["left"])) == (
        "bob-30",
        Decimal(30),
        Decimal(18),
    )


def test_credits_that_an_unrated_month_used_are_gone_in_the_next(watched: Watched) -> None:
    watched.use("bob", 4)
    watched.clock.wait(20 * 86_400)
    watched.use("bob", 1, at="2023-12-05T00:00:00Z")

    before = watched.charges("bob")
    watched.api.post("/v1/runs", {"month": "2023-11", "until": "rate"})
    after = watched.charges("bob")

    assert before["contracts"][0]["starts_on"] == "2023-12-01"
    assert before["credit_balances"] == after["credit_balances"] == {"USD": "15.00"}


def test_a_parent_owes_what_its_child_uses(watched: Watched) -> None:
    watched.api.post("/v1/master-data/apply", child_contract())
    watched.use("kid", 2)

    parent, child = watched.charges("eve"), watched.charges("kid")

    assert parent["totals"] == {"USD": "16.00"}
    assert [one["contract_id"] for one in parent["contracts"]] == ["eve-1", "kid-1"]
    assert child["totals"] == {}
    assert child["contracts"][0]["bill_to"] == "eve"
    assert child["contracts"][0]["total"] == "6.00"


def test_a_customer_that_nobody_knows_is_refused(watched: Watched) -> None:
    refused = watched.api.problem("GET", "/v1/customers/nobody/current-charges")

    assert refused == (404, "rate.unknown_customer")


def child_contract() -> object:
    return {
        "customers": [{"id": "kid", "name": "Kid", "jurisdiction": "US-NY"}],
        "contracts": [
            {
                "id": "kid-1",
                "customer": "kid",
                "bill_to": "eve",
                "entity": "us",
                "currency": "USD",
                "price_book": "list",
                "effective_from": "2023-11-01",
                "items": ["tokens"],
            }
        ],
    }
