"""A month's stored usage on other prices: what it tells, what it leaves alone, how it is approved."""

import csv
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from starlette.testclient import TestClient

from api_client import Api
from small_month import NOVEMBER, SmallMonth, command_line
from tollbook.api.app import build
from tollbook.app import App
from tollbook.config import Settings
from tollbook.errors import Rejected
from tollbook.flow.rate.rerate.step import Question
from tollbook.runtime.rerate import plan_terms, read_terms, what_if

CHEAPER = """
price_books:
  - id: usd
    version: 2
    currency: USD
    effective_from: 2023-06-01
    prices:
      - {product: large, model: unit, unit_price: "0.005"}
      - {product: small, model: unit, unit_price: "0.00333"}
      - {product: support, model: flat, amount: 1000}
"""
DEARER_SMALL = """
price_books:
  - id: usd
    version: 2
    currency: USD
    effective_from: 2023-06-01
    prices:
      - {product: large, model: graduated,
         tiers: [{up_to: 1000, unit_price: "0.01"}, {unit_price: "0.0075"}]}
      - {product: small, model: unit, unit_price: "0.005"}
      - {product: support, model: flat, amount: 1200}
"""
BETA_BUYS_SMALL = """
contracts:
  - {id: beta-1, version: 2, customer: beta, entity: us, currency: USD, price_book: usd,
     effective_from: 2023-11-01, items: [large, small]}
"""

Command = Callable[..., Result]


@pytest.fixture
def tollbook(month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    month.later()
    return command_line(month, tmp_path, monkeypatch)


@pytest.fixture
def terms(tmp_path: Path) -> Callable[[str], str]:
    """Write terms into a file and give its name."""

    def write(text: str) -> str:
        file = tmp_path / "terms.yaml"
        file.write_text(text)
        return str(file)

    return write


def told(tollbook: Command, file: str, *more: str) -> Any:
    found = tollbook("rerate", "--period", "2023-11", "--price-book", file, "--json", *more)
    assert found.exit_code == 0, found.output
    return json.loads(found.output)


def saved(tollbook: Command, file: str, *more: str) -> str:
    run = told(tollbook, file, "--save", "--by", "ann", "--reason", "new prices", *more)
    return str(run["run_id"])


def approve(tollbook: Command, run_id: str, by: str = "bob") -> Result:
    return tollbook("rerate", "approve", run_id, "--by", by, "--reason", "agreed")


def refusal(tollbook: Command, run_id: str, by: str = "bob") -> str:
    with pytest.raises(Rejected) as raised:
        approve(tollbook, run_id, by)
    return raised.value.code


def owed(month: SmallMonth) -> dict[str, Decimal]:
    """Return what the charges that count come to, by currency."""
    with month.database.transaction() as connection:
        rows = connection.execute(
            """select c.currency, sum(c.amount) from charge c
               left join charge_superseded s using (charge_id)
               where c.service_month = '2023-11' and s.charge_id is null group by 1"""
        ).fetchall()
    return dict(rows)


def amounts(report: Any) -> dict[str, tuple[Decimal, Decimal]]:
    return {
        one["currency"]: (Decimal(one["before"]), Decimal(one["after"])) for one in report["totals"]
    }


def test_a_month_on_other_prices_tells_totals_winners_and_losers(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    stored = owed(month)

    report = told(tollbook, terms(CHEAPER))

    # Acme: 13.7575 -> 7.505 for 1501 large, 1200 -> 1000 for support. Beta's commitment of 100 takes
    # up what its usage loses, and coral's credits pay less for less. Delta buys in euros.
    assert amounts(report) == {
        "USD": (stored["USD"], stored["USD"] - Decimal("206.2525")),
        "EUR": (stored["EUR"], stored["EUR"]),
    }
    [dollars] = [one for one in report["totals"] if one["currency"] == "USD"]
    assert dollars["winners"]["customers"] == 1
    assert Decimal(dollars["winners"]["difference"]) == Decimal("-206.2525")
    assert dollars["losers"]["customers"] == 0
    assert dollars["unchanged_customers"] == 2
    assert (report["contracts"], report["contracts_changed"]) == (4, 3)


def test_the_largest_differences_come_first_with_both_workings(
    tollbook: Command, terms: Callable[[str], str]
) -> None:
    report = told(tollbook, terms(CHEAPER), "--top", "2")

    first, second = report["top"]
    assert (first["customer_id"], first["product_id"], first["difference"]) == (
        "acme",
        "support",
        "-200",
    )
    assert abs(Decimal(second["difference"])) == Decimal("7.5")
    for line in (first, second):
        for side in ("before", "after"):
            parts = sum(Decimal(part["amount"]) for part in line[f"working_{side}"])
            assert parts == Decimal(line[side])


def test_nothing_is_stored_by_asking(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    tables = ("charge", "metered_usage", "master_version", "audit_record", "rerate_run")
    before = [month.ask(f"select count(*) from {table}") for table in tables]

    told(tollbook, terms(CHEAPER))

    assert [month.ask(f"select count(*) from {table}") for table in tables] == before


def test_prices_of_next_year_change_nothing_unless_asked_as_if_in_force(
    tollbook: Command, terms: Callable[[str], str]
) -> None:
    file = terms(CHEAPER.replace("2023-06-01", "2024-01-01"))

    plain, moved = told(tollbook, file), told(tollbook, file, "--as-if-in-force")

    assert all(Decimal(one["difference"]) == 0 for one in plain["totals"])
    [dollars] = [one for one in moved["totals"] if one["currency"] == "USD"]
    assert Decimal(dollars["difference"]) == Decimal("-206.2525")
    assert moved["as_if_in_force"]


def test_some_customers_are_asked_about_alone(
    tollbook: Command, terms: Callable[[str], str]
) -> None:
    report = told(tollbook, terms(CHEAPER), "--customer", "beta")

    assert report["customers"] == 1
    assert {line["customer_id"] for line in report["top"]} == {"beta"}


def test_every_line_is_written_to_a_file(
    tollbook: Command, terms: Callable[[str], str], tmp_path: Path
) -> None:
    file = tmp_path / "lines.csv"

    report = told(tollbook, terms(DEARER_SMALL), "--csv", str(file))

    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == report["lines"]
    [small] = [row for row in rows if (row["customer"], row["product"]) == ("acme", "small")]
    # 1001 x 0.00333 = 3.33333 and 1001 x 0.005 = 5.005.
    assert (small["before"], small["after"], small["difference"]) == ("3.33333", "5.005", "1.67167")


def test_what_is_shown_says_who_wins_and_how_it_is_worked_out(
    tollbook: Command, terms: Callable[[str], str]
) -> None:
    shown = tollbook("rerate", "--period", "2023-11", "--price-book", terms(CHEAPER)).output

    assert "1 customers win -206.2525" in shown
    assert "up to 1000: 1000 x 0.01 = 10 + above 1000: 501 x 0.0075 = 3.7575" in shown
    assert "units: 1501 x 0.005 = 7.505" in shown
    assert "Nothing was booked." in shown


def test_terms_with_a_problem_are_refused_as_a_plan_refuses_them(
    tollbook: Command, terms: Callable[[str], str]
) -> None:
    file = terms(CHEAPER.replace("version: 2", "version: 3"))

    refused = tollbook("rerate", "--period", "2023-11", "--price-book", file)

    assert refused.exit_code == 1
    assert "masterdata.version_gap" in refused.output


def test_a_contract_that_cannot_be_rated_is_in_no_total_and_says_why(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    month.use("c2", "coral", "large", -5000)
    month.run("rate")

    report = told(tollbook, terms(CHEAPER))

    [missing] = report["not_rated"]
    assert (missing["customer_id"], missing["code"]) == ("coral", "rate.negative_usage")
    assert missing["terms"] == "both"
    assert report["customers"] == 3


def test_an_amended_contract_counts_usage_that_nobody_paid_for(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    month.use("b2", "beta", "small", 300)
    month.run("rate")

    report = told(tollbook, terms(BETA_BUYS_SMALL))

    [small] = [line for line in report["top"] if line["product_id"] == "small"]
    assert (small["quantity_before"], small["quantity_after"]) == ("0", "300")
    # 300 x 0.00333; and beta commits to nothing any more: 82.50 less for what was missing.
    assert Decimal(small["after"]) == Decimal("0.999")
    [dollars] = [one for one in report["totals"] if one["currency"] == "USD"]
    assert Decimal(dollars["difference"]) == Decimal("0.999") - Decimal("82.5")


def test_an_approved_run_becomes_charges_that_correct_what_was_billed(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    report = told(tollbook, terms(CHEAPER))
    run_id = saved(tollbook, terms(CHEAPER))
    billed = month.ask("select charge_id from charge_billed order by 1")

    approved = approve(tollbook, run_id)

    assert approved.exit_code == 0, approved.output
    assert owed(month) == {currency: after for currency, (_, after) in amounts(report).items()}
    differences = month.ask(
        """select c.amount from charge c where c.corrects is not null and c.customer_id = 'acme'
           order by c.amount"""
    )
    assert differences == [Decimal(-200), Decimal("-6.2525")]
    assert month.ask("select charge_id from charge_billed order by 1") == billed
    actions = month.ask("select actor from audit_record where action = 'rerate.approve'")
    assert actions == ["bob"]


def test_an_approved_amendment_is_metered_and_charged(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    month.use("b2", "beta", "small", 300)
    month.run("rate")
    report = told(tollbook, terms(BETA_BUYS_SMALL))

    approved = approve(tollbook, saved(tollbook, terms(BETA_BUYS_SMALL)))

    assert approved.exit_code == 0, approved.output
    assert owed(month)["USD"] == amounts(report)["USD"][1]


def test_whoever_saved_a_run_does_not_approve_it(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    run_id = saved(tollbook, terms(CHEAPER))

    assert refusal(tollbook, run_id, by="ann") == "rerate.same_person"
    assert month.ask("select count(*) from master_version where key = 'usd'") == [1]


def test_a_run_is_refused_once_usage_has_changed(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    run_id = saved(tollbook, terms(CHEAPER))
    month.use("a9", "acme", "large", 10)
    month.run("rate")
    before = owed(month)

    assert refusal(tollbook, run_id) == "rerate.facts_changed"
    assert owed(month) == before


def test_a_run_is_refused_once_the_price_book_has_changed(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    run_id = saved(tollbook, terms(CHEAPER))
    month.know(DEARER_SMALL)

    assert refusal(tollbook, run_id) == "rerate.facts_changed"


def test_a_run_is_approved_once(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    run_id = saved(tollbook, terms(CHEAPER))
    approve(tollbook, run_id)
    charges = month.ask("select charge_id from charge order by 1")

    assert refusal(tollbook, run_id) == "rerate.already_approved"
    assert month.ask("select charge_id from charge order by 1") == charges


@pytest.mark.parametrize(
    ("effective_from", "more", "code"),
    [
        ("2024-01-01", ("--as-if-in-force",), "rerate.only_a_question"),
        ("2023-06-01", ("--customer", "beta"), "rerate.not_whole"),
    ],
)
def test_a_run_that_is_not_what_would_be_charged_is_not_approved(
    tollbook: Command,
    terms: Callable[[str], str],
    effective_from: str,
    more: tuple[str, ...],
    code: str,
) -> None:
    file = terms(CHEAPER.replace("2023-06-01", effective_from))

    assert refusal(tollbook, saved(tollbook, file, *more)) == code


def test_the_contract_of_one_customer_is_approved_for_that_customer_alone(
    month: SmallMonth, tollbook: Command, terms: Callable[[str], str]
) -> None:
    run_id = saved(tollbook, terms(BETA_BUYS_SMALL), "--customer", "beta")

    assert approve(tollbook, run_id).exit_code == 0
    assert month.ask("select max(version) from master_version where key = 'beta-1'") == [2]


def test_saved_runs_are_listed_and_shown(tollbook: Command, terms: Callable[[str], str]) -> None:
    run_id = saved(tollbook, terms(CHEAPER))

    [listed] = json.loads(tollbook("rerate", "list", "--json").output)
    shown = tollbook("rerate", "show", run_id).output

    assert (listed["run_id"], listed["author"], listed["approver"]) == (run_id, "ann", None)
    assert "-206.2525" in shown
    assert "Nobody approved it yet." in shown


def test_two_processes_answer_as_one_does(month: SmallMonth, terms: Callable[[str], str]) -> None:
    month.later()
    wanted = read_terms(Path(terms(CHEAPER)))
    question = Question(NOVEMBER, top=3)
    with month.database.transaction() as connection:
        planned = plan_terms(connection, wanted, at=month.clock.now())

        alone = what_if(connection, planned, question)
        halves = what_if(connection, planned, question, database=month.database, apart_min=2)

    assert halves == alone
    assert len(alone.report.top) == 3


def test_the_api_asks_keeps_and_approves(month: SmallMonth, tmp_path: Path) -> None:
    month.later()
    app = App(Settings(tmp_path, database_url=month.database.dsn), month.clock, month.database)
    body = {
        "period": "2023-11",
        "terms": {
            "price_books": [
                {
                    "id": "usd",
                    "version": 2,
                    "currency": "USD",
                    "effective_from": "2023-06-01",
                    "prices": [
                        {"product": "large", "model": "unit", "unit_price": "0.005"},
                        {"product": "small", "model": "unit", "unit_price": "0.00333"},
                        {"product": "support", "model": "flat", "amount": 1000},
                    ],
                }
            ]
        },
        "top": 1,
    }
    with TestClient(build(app)) as client:
        api = Api(client, app)
        report = api.post("/v1/rerate", body)
        run = api.post("/v1/rerate-runs", body, reason="new prices")
        own = client.post(
            f"/v1/rerate-runs/{run['run_id']}/approve?reason=mine", headers={"x-actor": "erin"}
        )
        approved = client.post(
            f"/v1/rerate-runs/{run['run_id']}/approve?reason=agreed", headers={"x-actor": "bob"}
        )
        shown = api.get(f"/v1/rerate-runs/{run['run_id']}")
        wrong = client.post("/v1/rerate", json={"period": "2023-11", "terms": {}, "tops": 1})

    assert run["report"] == report
    assert [line["product_id"] for line in report["top"]] == ["support"]
    assert own.json()["code"] == "rerate.same_person"
    assert approved.status_code == 200, approved.text
    assert shown["approver"] == "bob"
    assert owed(month)["USD"] == amounts(report)["USD"][1]
    assert wrong.json()["code"] == "rerate.invalid_question"
