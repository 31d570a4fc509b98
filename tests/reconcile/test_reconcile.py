"""Five totals of a month: equal when it is whole, and each kind of variance found and resolved."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import Result

from small_month import NOVEMBER, SmallMonth, command_line
from tollbook.flow.capture.step import void_event
from tollbook.flow.recognize.step import recognize
from tollbook.flow.reconcile.step import Reconciled
from tollbook.flow.reconcile.store import kept
from tollbook.records.control import ControlTotal
from tollbook.values.ids import event_id
from tollbook.values.period import Month


@dataclass(frozen=True)
class Planted:
    """A mistake, what must be said of it, and what cures it.

    `said` are (left, right, entity, difference, documents) of each variance.
    """

    plant: Callable[[SmallMonth], None]
    said: tuple[tuple[str, str, str, str, tuple[str, ...]], ...]
    cure: Callable[[SmallMonth], None]


def acme_large(month: SmallMonth) -> str:
    [line] = [one for one in month.invoice_of("acme").lines if one.product_id == "large"]
    return line.charge_id


def journal(month: SmallMonth) -> str:
    return str(month.ask("select document_id from journal_document where entity_id = 'us'")[0])


def take_a_charge_away(month: SmallMonth) -> None:
    month.tamper(f"insert into charge_superseded values ('{acme_large(month)}', now())")


def find_in_erp(month: SmallMonth) -> None:
    for key in month.erp.bodies:
        month.erp.held[key] = 1


def double_tax_in_erp(month: SmallMonth) -> None:
    document = month.invoice_of("acme").invoice_id
    first, *others = month.erp.bodies[month.key_of(document)].taxes
    month.change_in_erp(document, taxes=(replace(first, amount=first.amount * 2), *others))


def correct_tax_in_erp(month: SmallMonth) -> None:
    document = month.invoice_of("acme").invoice_id
    first, *others = month.erp.bodies[month.key_of(document)].taxes
    month.change_in_erp(document, taxes=(replace(first, amount=first.amount / 2), *others))


def add(customer: str, amount: str) -> Callable[[SmallMonth], None]:
    return lambda month: month.add_in_erp(month.invoice_of(customer).invoice_id, amount)


def all_of(*acts: Callable[[SmallMonth], None]) -> Callable[[SmallMonth], None]:
    def act(month: SmallMonth) -> None:
        for one in acts:
            one(month)

    return act


def currency(code: str) -> Callable[[SmallMonth], None]:
    return lambda month: month.change_in_erp(month.invoice_of("beta").invoice_id, currency=code)


def sell_support_and_bill_it(month: SmallMonth) -> None:
    month.later(
        """contracts: [{id: beta-2, customer: beta, entity: us, currency: USD, price_book: usd,
        effective_from: 2023-11-01, items: [{product: support, interval_months: 12}]}]"""
    )
    month.run("post")


def recognize_without_posting(month: SmallMonth) -> None:
    month.use("late", "acme", "large", 100)
    month.run("post")
    with month.database.transaction() as connection:
        recognize(
            connection, catalog=month.catalog(connection), month=NOVEMBER, at=month.clock.now()
        )


LARGE = "acme-1/usage/large/2023-11-01/2023-11-30"
EACH_MISTAKE = {
    "usage that came after metering": Planted(
        lambda month: month.use("late", "acme", "large", 100),
        (("metered", "rated", "us", "0.75 USD", (LARGE,)),),
        SmallMonth.run,
    ),
    "rated but not invoiced": Planted(
        all_of(lambda month: month.use("late", "acme", "large", 100), lambda m: m.run("rate")),
        (("rated", "invoiced", "us", "0.75 USD", (LARGE,)),),
        SmallMonth.run,
    ),
    "a charge taken away by hand": Planted(
        take_a_charge_away,
        (
            ("metered", "rated", "us", "13.76 USD", (LARGE,)),
            ("rated", "invoiced", "us", "-13.76 USD", (LARGE,)),
        ),
        lambda month: month.tamper("delete from charge_superseded"),
    ),
    "invoiced but not posted": Planted(
        all_of(lambda month: month.use("late", "delta", "large", 100), lambda m: m.run("tax")),
        (
            ("invoiced", "posted", "de", "1.00 EUR", ("DE-000002",)),
            ("invoiced", "recognized", "de", "1.00 EUR", ("DE-000002",)),
        ),
        SmallMonth.run,
    ),
    "a document that the ERP lost": Planted(
        lambda month: month.lose_in_erp(month.invoice_of("acme").invoice_id),
        (("invoiced", "posted", "us", "1,217.09 USD", ("US-000001",)),),
        find_in_erp,
    ),
    "a net amount changed in the ERP": Planted(
        add("acme", "0.01"),
        (("invoiced", "posted", "us", "-0.01 USD", ("US-000001",)),),
        add("acme", "-0.01"),
    ),
    "a tax changed in the ERP": Planted(
        double_tax_in_erp,
        (("tax invoiced", "tax posted", "us", "-1.38 USD", ("US-000001",)),),
        correct_tax_in_erp,
    ),
    "two mistakes that cancel out": Planted(
        all_of(add("acme", "5"), add("beta", "-5")),
        (("invoiced", "posted", "us", "0.00 USD", ("US-000001", "US-000002")),),
        all_of(add("acme", "-5"), add("beta", "5")),
    ),
    "a currency changed in the ERP": Planted(
        currency("EUR"),
        (
            ("invoiced", "posted", "us", "-100.00 EUR", ("US-000002",)),
            ("invoiced", "posted", "us", "100.00 USD", ("US-000002",)),
            ("tax invoiced", "tax posted", "us", "-10.00 EUR", ("US-000002",)),
            ("tax invoiced", "tax posted", "us", "10.00 USD", ("US-000002",)),
        ),
        currency("USD"),
    ),
    "an ERP amount that is no money": Planted(
        add("acme", "0.001"),
        (("invoiced", "posted", "us", "1,217.09 USD", ("US-000001",)),),
        add("acme", "-0.001"),
    ),
    "usage not recognized": Planted(
        all_of(lambda month: month.use("late", "acme", "large", 100), lambda m: m.run("post")),
        (("invoiced", "recognized", "us", "0.75 USD", ("US-000004",)),),
        SmallMonth.run,
    ),
    "the first month of a fee not recognized": Planted(
        sell_support_and_bill_it,
        (("invoiced", "recognized", "us", "1,200.00 USD", ("US-000004",)),),
        SmallMonth.run,
    ),
    "revenue in no journal": Planted(
        recognize_without_posting,
        (("revenue booked", "revenue posted", "us", "0.75 USD", ()),),
        SmallMonth.run,
    ),
    "a journal that the ERP lost": Planted(
        lambda month: month.lose_in_erp(journal(month)),
        (("revenue booked", "revenue posted", "us", "228.45 USD", ()),),
        find_in_erp,
    ),
}


def five(result: Reconciled, entity_id: str) -> list[str]:
    return [str(total.amount) for total in result.totals if total.entity_id == entity_id]


def test_the_five_totals_of_a_whole_month_agree(month: SmallMonth) -> None:
    result = month.reconcile()

    assert [total.checkpoint for total in result.totals[::2]] == [
        "metered",
        "rated",
        "invoiced",
        "posted",
        "recognized",
    ]
    assert five(result, "us") == ["1,367.09 USD"] * 5
    assert five(result, "de") == ["7.17 EUR"] * 5
    # Recognized: 17.09 of acme's and 17.50 of beta's usage, 82.50 shortfall, 13.00 of coral's usage,
    # 30 of the 366 days of support. Deferred: the other days, and 37.00 of coral's credits.
    assert [(str(one.recognized), str(one.deferred)) for one in result.earnings] == [
        ("7.17 EUR", "0.00 EUR"),
        ("228.45 USD", "1,138.64 USD"),
    ]
    assert result.variances == ()
    assert month.items() == []


@pytest.mark.parametrize("planted", EACH_MISTAKE.values(), ids=EACH_MISTAKE)
def test_a_variance_is_named_put_on_the_worklist_and_resolved(
    month: SmallMonth, planted: Planted
) -> None:
    planted.plant(month)

    found = month.reconcile()
    items = month.items()
    planted.cure(month)
    cured = month.reconcile()

    assert [
        (one.left, one.right, one.entity_id, str(one.difference)) for one in found.variances
    ] == [said[:4] for said in planted.said]
    for variance, said in zip(found.variances, planted.said, strict=True):
        assert variance.object_count == len(variance.objects) > 0
        assert variance.objects == said[4] or said[4] == ()
    assert {item.code for item in items} == {"reconcile.variance"}
    assert len(items) == len(planted.said)
    assert all(item.owner == "finance" and item.blocks_close for item in items)
    assert cured.variances == ()
    assert month.items() == []


def test_a_total_that_agrees_by_chance_is_no_agreement(month: SmallMonth) -> None:
    all_of(add("acme", "5"), add("beta", "-5"))(month)

    result = month.reconcile()

    assert five(result, "us") == ["1,367.09 USD"] * 5
    assert result.variances != ()


def test_nothing_posted_is_a_total_of_zero(month: SmallMonth) -> None:
    month.lose_in_erp(month.invoice_of("delta").invoice_id)

    result = month.reconcile()

    assert five(result, "de") == ["7.17 EUR"] * 3 + ["0.00 EUR", "7.17 EUR"]


def test_late_usage_is_billed_and_the_totals_agree_again(month: SmallMonth) -> None:
    month.use("late", "acme", "small", 1001)

    month.run()

    # 2002 x 0.00333 = 6.66666, of which 3.33 was billed.
    assert str(month.invoices()["US-000004"].net) == "3.34 USD"
    assert five(month.reconcile(), "us") == ["1,370.43 USD"] * 5


def test_voided_usage_is_credited_and_the_totals_agree_again(month: SmallMonth) -> None:
    with month.database.transaction() as connection:
        void_event(
            connection,
            event_id=event_id("/gateway", "a2"),
            by="ann",
            reason="sent by mistake",
            at=month.clock.now(),
        )

    found = month.reconcile()
    month.run()
    cured = month.reconcile()

    assert [(one.left, one.right) for one in found.variances] == [("metered", "rated")]
    # Of 13.7575, billed as 13.76, 10.00 is left.
    assert str(month.invoices()["US-CM-000001"].net) == "-3.76 USD"
    assert five(cured, "us") == ["1,363.33 USD"] * 5


def test_used_credits_of_a_late_event_agree_too(month: SmallMonth) -> None:
    month.use("late", "coral", "large", 10_000)

    month.run()

    # 11400 tokens cost 88.00; 50.00 is prepaid and 13.00 of it was used.
    assert str(month.invoices()["US-000004"].net) == "38.00 USD"
    assert five(month.reconcile(), "us") == ["1,405.09 USD"] * 5


def test_the_deferred_part_becomes_revenue_in_later_months(month: SmallMonth) -> None:
    before = month.reconcile()

    month.run(month=Month(2023, 12))
    after = month.reconcile()

    us = [one for result in (before, after) for one in result.earnings if one.entity_id == "us"]
    # 31 of the 366 days of 1,200.00.
    assert str(us[1].recognized - us[0].recognized) == "101.64 USD"
    assert us[0].recognized + us[0].deferred == us[1].recognized + us[1].deferred
    assert after.variances == ()


def test_the_same_facts_give_the_same_hash_and_are_stored_once(month: SmallMonth) -> None:
    document = month.invoice_of("acme").invoice_id

    first, again = month.reconcile(), month.reconcile()
    month.clock.wait(60)
    month.add_in_erp(document, "1")
    changed = month.reconcile()
    month.clock.wait(60)
    month.add_in_erp(document, "-1")
    back = month.reconcile()

    assert first == again
    assert changed.content_hash != first.content_hash == back.content_hash
    with month.database.transaction() as connection:
        stored = [digest for _, digest, _, _ in kept(connection, NOVEMBER)]
    assert stored == [back.content_hash, changed.content_hash, first.content_hash]


def test_another_month_is_left_alone(month: SmallMonth) -> None:
    month.lose_in_erp(month.invoice_of("acme").invoice_id)
    month.reconcile()

    month.reconcile(Month(2023, 10))

    # October was never run, and beta's commitment counted then too.
    october, november = sorted(item.message for item in month.items())
    assert october.startswith("us 2023-10: metered is 100.00 USD more than rated.")
    assert november == "us 2023-11: invoiced is 1,217.09 USD more than posted. Look at US-000001."


@pytest.fixture
def tollbook(
    month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    return command_line(month, tmp_path, monkeypatch)


def test_the_command_ends_with_0_when_all_agree(tollbook: Callable[..., Result]) -> None:
    done = tollbook("reconcile", "--period", "2023-11")

    assert done.exit_code == 0
    rows = [line.split() for line in done.output.splitlines()]
    assert ["us", "USD", *["1,367.09"] * 5, "1,138.64"] in rows
    assert "All five agree" in done.output


def test_the_command_ends_with_1_and_names_the_document(
    month: SmallMonth, tollbook: Callable[..., Result]
) -> None:
    month.add_in_erp(month.invoice_of("acme").invoice_id, "1000000")

    done = tollbook("reconcile", "--period", "2023-11")
    as_json = tollbook("reconcile", "--period", "2023-11", "--json")

    assert done.exit_code == as_json.exit_code == 1
    assert "1,001,367.09" in done.output
    assert "us 2023-11: invoiced is 1,000,000.00 USD less than posted. Look at US-000001." in (
        done.output
    )
    [variance] = json.loads(as_json.output)["variances"]
    assert variance["difference"] == {"currency": "USD", "minor": -100_000_000}


def test_an_erp_that_is_not_configured_is_said_in_a_sentence(
    month: SmallMonth, tollbook: Callable[..., Result], tmp_path: Path
) -> None:
    del month
    (tmp_path / "tollbook.toml").unlink()

    with pytest.raises(Exception, match=r"add \[targets.erp\] to tollbook.toml"):
        tollbook("reconcile", "--period", "2023-11")


def test_totals_are_records_with_exact_money(month: SmallMonth) -> None:
    first = month.reconcile().totals[0]

    assert first == ControlTotal("metered", "de", "EUR", "2023-11", first.amount, 2)
    assert first.amount.major == Decimal("7.17")
