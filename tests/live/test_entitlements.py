"""May this customer use this product now: yes or no, why, and what is left."""

from live.watched import Watched


def test_what_a_contract_sells_may_be_used(watched: Watched) -> None:
    found = watched.may("ada", "tokens")

    assert (found["allowed"], found["reason"], found["contract_id"]) == (True, "sold", "ada-1")
    assert found["as_of"] == "2023-11-16T00:00:01Z"


def test_the_allowance_left_counts_every_acknowledged_event(watched: Watched) -> None:
    watched.use("eve", 1)
    watched.fold()
    watched.use("eve", 2)

    found = watched.may("eve", "included")

    assert (found["allowed"], found["reason"]) == (True, "allowance_left")
    assert (found["included"], found["remaining"]) == ("5000000", "2000000")


def test_beyond_the_allowance_usage_is_allowed_unless_a_threshold_blocks_it(
    watched: Watched,
) -> None:
    watched.use("eve", 6)
    charged = watched.may("eve", "included")
    watched.look()
    blocked = watched.may("eve", "included")
    other = watched.may("eve", "fee")

    assert (charged["allowed"], charged["reason"]) == (True, "beyond_allowance")
    assert (blocked["allowed"], blocked["reason"]) == (False, "allowance_used_up")
    assert (other["allowed"], other["reason"]) == (True, "warned")


def test_a_refusal_says_why(watched: Watched) -> None:
    checks = [
        {"customer": "ada", "product": "calls"},
        {"customer": "nobody", "product": "tokens"},
        {"customer": "ada", "product": "tokens"},
    ]

    found = watched.api.post("/v1/entitlements", {"checks": checks})

    assert [(one["allowed"], one["reason"]) for one in found] == [
        (False, "not_sold"),
        (False, "unknown_customer"),
        (True, "sold"),
    ]


def test_a_contract_that_has_ended_allows_nothing(watched: Watched) -> None:
    watched.api.post(
        "/v1/master-data/apply",
        {
            "customers": [{"id": "old", "name": "Old", "jurisdiction": "US-NY"}],
            "contracts": [
                {
                    "id": "old-1",
                    "customer": "old",
                    "entity": "us",
                    "currency": "USD",
                    "price_book": "list",
                    "effective_from": "2023-01-01",
                    "effective_until": "2023-11-16",
                    "items": ["tokens"],
                }
            ],
        },
    )

    found = watched.may("old", "tokens")

    assert (found["allowed"], found["reason"]) == (False, "no_contract")


def test_an_answer_is_remembered_for_less_than_a_second(watched: Watched) -> None:
    path = "/v1/customers/eve/entitlements/included"
    before = watched.api.get(path)
    watched.use("eve", 1)

    at_once, later = watched.api.get(path), watched.may("eve", "included")

    assert at_once == before
    assert later["remaining"] == "4000000"


def test_a_child_may_not_go_on_when_its_parent_is_blocked(watched: Watched) -> None:
    watched.api.post(
        "/v1/master-data/apply",
        {
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
        },
    )
    watched.api.post("/v1/customers/eve/credit-control/block", {"reason": "did not pay"})

    found = watched.may("kid", "tokens")

    assert (found["allowed"], found["reason"], found["state"]) == (False, "blocked_by_person", "ok")
