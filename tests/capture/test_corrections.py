"""A person voids many events, amends one, back-fills a file and takes it back: the money follows."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from small_month import NOVEMBER, SmallMonth, command_line
from tollbook.controls import audit
from tollbook.reports.doctor import examine
from tollbook.reports.trace import trace
from tollbook.values.ids import event_id

# Acme used 1501 large (13.7575 USD) and 1001 small (3.33333 USD) in the month that is billed.
Run = Callable[..., Result]


@pytest.fixture
def run(month: SmallMonth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return command_line(month, tmp_path, monkeypatch)


def told(result: Result) -> Any:
    """Return what a command wrote as JSON."""
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def difference(shown: Any) -> dict[str, Decimal]:
    """Return by how much a preview says that charges differ, by currency."""
    return {key: Decimal(value) for key, value in shown["effect"]["difference"].items()}


def line(name: str, tokens: int, *, who: str = "acme", model: str = "large", day: int = 20) -> str:
    """Write one event of November."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": name,
            "source": "/old",
            "type": "llm.request",
            "subject": who,
            "time": f"2023-11-{day:02}T08:00:00Z",
            "data": {"model": model, "tokens": tokens},
        }
    )


def charged(month: SmallMonth, customer: str) -> Decimal:
    """Return all that a customer owes for November, whether on an invoice or not."""
    (amount,) = month.ask(
        """select coalesce(sum(amount), 0) from charge c
           where customer_id = %s and service_month = %s and not exists
               (select from charge_superseded s where s.charge_id = c.charge_id)""",
        customer,
        str(NOVEMBER),
    )
    return Decimal(amount)


def rows(month: SmallMonth) -> dict[str, int]:
    """Return how many rows there are of what a correction could leave behind."""
    tables = (
        *("intake_receipt", "usage_event", "event_exclusion", "event_amendment", "dirty_day"),
        *("metered_usage", "charge", "work_item", "quarantine", "audit_record", "event_backfill"),
    )
    return {name: int(month.ask(f"select count(*) from {name}")[0]) for name in tables}


class TestAmending:
    A2 = event_id("/gateway", "a2")

    def test_the_new_event_counts_and_the_old_one_does_not(
        self, month: SmallMonth, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "data.json").write_text('{"model": "large", "tokens": 1}')

        amended = told(
            run(
                "events",
                "amend",
                self.A2,
                str(tmp_path / "data.json"),
                "--reason",
                "typo",
                "--json",
            )
        )
        month.run("rate")

        # 1001 large = 1000 * 0.01 + 1 * 0.0075; before it was 13.7575.
        assert charged(month, "acme") == Decimal("10.0075") + Decimal("3.33333") + 1200
        old, new = (
            told(run("events", "show", name, "--json")) for name in (self.A2, amended["event_id"])
        )
        assert (old["amended_by"], old["amends"]) == (amended["event_id"], None)
        assert (new["amends"], new["door"], new["data"]["tokens"]) == (self.A2, "amend", 1)
        assert old["voided_for"].startswith(f"amended by {amended['event_id']}")

    def test_what_is_not_given_stays_as_it_was_and_exact(self, month: SmallMonth, run: Run) -> None:
        month.use("exact", "acme", "large", 7)
        month.tamper(
            """update usage_event set data = '{"model":"large","tokens":0.100000000001}'
               where event_id = 'exact'"""
        )

        amended = told(
            run(
                *("events", "amend", event_id("/gateway", "exact"), "--reason", "wrong customer"),
                *("--subject", "beta", "--id", "exact-2", "--json"),
            )
        )

        new = month.ask(
            "select data from usage_event where subject = 'beta' and event_id = 'exact-2'"
        )
        assert amended["event_id"] == event_id("/gateway", "exact-2")
        assert new == [{"model": "large", "tokens": Decimal("0.100000000001")}]

    def test_both_are_on_the_trace_with_their_usages(
        self, month: SmallMonth, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "data.json").write_text('{"model": "large", "tokens": 1}')
        amended = told(
            run(
                "events",
                "amend",
                self.A2,
                str(tmp_path / "data.json"),
                "--reason",
                "typo",
                "--json",
            )
        )
        month.run("rate")

        with month.database.transaction() as connection:
            old, new = (trace(connection, name) for name in (self.A2, amended["event_id"]))

        for found in (old, new):
            assert {self.A2, amended["event_id"]} <= {node.node_id for node in found.nodes}
        said = {node.node_id: node.summary for node in new.nodes}
        assert f"(amends {self.A2}: typo)" in said[amended["event_id"]]
        assert "(voided: amended by" in said[self.A2]

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (["--subject", "nobody"], "capture.unknown_subject"),
            (["--time", "yesterday"], "capture.invalid_time"),
            (["--subject", "beta", "--id", "b1"], "capture.id_taken"),
            (["--subject", "beta", "--id", "a2"], "capture.id_taken"),
        ],
    )
    def test_an_amendment_that_would_be_refused_changes_nothing(
        self, month: SmallMonth, run: Run, words: list[str], code: str
    ) -> None:
        before = rows(month)

        with pytest.raises(Exception, match=code):
            run("events", "amend", self.A2, *words, "--reason", "x")

        assert rows(month) == before

    def test_only_one_event_stands_for_another(self, run: Run) -> None:
        first = run("events", "amend", self.A2, "--subject", "beta", "--reason", "wrong customer")

        with pytest.raises(Exception, match=r"capture\.already_amended"):
            run("events", "amend", self.A2, "--subject", "coral", "--reason", "no, this one")

        assert first.exit_code == 0


class TestVoidingMany:
    def test_a_preview_shows_the_money_and_leaves_nothing(
        self, month: SmallMonth, run: Run
    ) -> None:
        before = rows(month)

        shown = told(
            run(
                *("events", "void", "--from", "2023-11-16", "--subject", "acme", "--type"),
                *("llm.request", "--preview", "--reason", "load test", "--json"),
            )
        )

        assert shown["result"]["events"] == 3
        assert difference(shown) == {"USD": Decimal("-17.09083")}
        changes = {one["product_id"]: one for one in shown["effect"]["changes"]}
        assert changes["large"]["quantity_before"] == "1501"
        assert changes["large"]["quantity_after"] == "0"
        assert changes["small"]["amount_before"] == "3.33333"
        assert rows(month) == before

    def test_the_preview_is_what_happens(self, month: SmallMonth, run: Run) -> None:
        words = ["--from", "2023-11-16", "--subject", "acme", "--reason", "load test", "--json"]
        owed = charged(month, "acme")
        shown = told(run("events", "void", "--preview", *words))

        voided = told(run("events", "void", *words))
        month.run("rate")

        assert voided["events"] == shown["result"]["events"] == 3
        assert charged(month, "acme") - owed == difference(shown)["USD"]
        with month.database.transaction() as connection:
            assert all(finding.holds for finding in examine(connection))
            actions = [one.action for one in audit.all_records(connection)]
        assert actions[-1] == "capture.void"

    def test_events_that_are_voided_already_are_left_alone(self, run: Run) -> None:
        words = ["events", "void", "--from", "2023-11-16", "--reason", "load test", "--json"]
        first = told(run(*words))

        again = told(run(*words))

        assert (first["events"], again["events"]) == (7, 0)


class TestBackFilling:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        found = tmp_path / "gap.jsonl"
        lines = [line(f"o{n}", 100, day=n) for n in range(1, 11)]
        found.write_text("\n".join([*lines, lines[0], line("lost", 5, who="nobody")]) + "\n")
        return found

    def test_a_preview_shows_counts_and_money_and_leaves_nothing(
        self, month: SmallMonth, run: Run, file: Path
    ) -> None:
        before = rows(month)

        shown = told(run("events", "backfill", "preview", str(file), "--json"))

        assert shown["result"]["answers"] == {"accepted": 10, "duplicate": 1, "rejected": 1}
        assert shown["result"]["refusals"] == {"capture.unknown_subject": 1}
        assert difference(shown) == {"USD": Decimal("7.5")}
        assert rows(month) == before

    def test_applied_it_is_billed_as_a_difference_and_reverted_credited(
        self, month: SmallMonth, run: Run, file: Path
    ) -> None:
        owed = charged(month, "acme")

        applied = told(
            run("events", "backfill", "apply", str(file), "--id", "gap", "--reason", "x", "--json")
        )
        month.run("rate")
        with_it = charged(month, "acme")
        shown = told(
            run("events", "backfill", "revert", "gap", "--preview", "--reason", "y", "--json")
        )
        reverted = told(run("events", "backfill", "revert", "gap", "--reason", "y", "--json"))
        month.run("rate")

        assert (applied["accepted"], applied["duplicates"], applied["rejected"]) == (10, 1, 1)
        assert with_it - owed == Decimal("7.5")
        assert difference(shown) == {"USD": Decimal("-7.5")}
        assert reverted["events"] == 10
        assert charged(month, "acme") == owed
        (listed,) = told(run("events", "backfill", "list", "--json"))
        assert (listed["backfill_id"], listed["state"]) == ("gap", "reverted")
        with month.database.transaction() as connection:
            assert all(finding.holds for finding in examine(connection))

    def test_reverting_voids_exactly_what_it_brought(
        self, month: SmallMonth, run: Run, file: Path
    ) -> None:
        month.use("other", "acme", "large", 1, at="2023-11-05T08:00:00Z")
        run("events", "backfill", "apply", str(file), "--id", "gap", "--reason", "x")
        run("events", "void", event_id("/old", "o3"), "--reason", "was wrong anyway")

        reverted = told(run("events", "backfill", "revert", "gap", "--reason", "y", "--json"))

        assert reverted["events"] == 9
        assert month.ask(
            "select count(*) from event_exclusion where reason like 'back-fill%%'"
        ) == [9]
        assert (
            told(run("events", "show", event_id("/gateway", "other"), "--json"))["voided_for"]
            is None
        )

    def test_a_back_fill_with_an_amended_event_cannot_be_reverted(
        self, run: Run, file: Path
    ) -> None:
        run("events", "backfill", "apply", str(file), "--id", "gap", "--reason", "x")
        amended = told(
            run(
                *("events", "amend", event_id("/old", "o1"), "--subject", "beta"),
                *("--reason", "theirs", "--json"),
            )
        )

        with pytest.raises(Exception, match=r"capture\.backfill_amended"):
            run("events", "backfill", "revert", "gap", "--reason", "y")
        run("events", "void", amended["event_id"], "--reason", "first this")
        after = told(run("events", "backfill", "revert", "gap", "--reason", "y", "--json"))

        assert after["events"] == 9

    def test_an_id_is_used_once_and_a_cut_off_import_goes_on(
        self, month: SmallMonth, run: Run, file: Path
    ) -> None:
        words = ["events", "backfill", "apply", str(file), "--id", "gap", "--reason", "x", "--json"]
        run(*words)
        month.tamper("update event_backfill set state = 'applying', accepted = 0")

        resumed = told(run(*words))

        assert (resumed["accepted"], resumed["duplicates"]) == (10, 1)
        with pytest.raises(Exception, match=r"capture\.backfill_exists"):
            run(*words)

    def test_what_it_had_refused_may_come_in_later_whatever_its_age(
        self, month: SmallMonth, run: Run, file: Path
    ) -> None:
        run("events", "backfill", "apply", str(file), "--id", "gap", "--reason", "x")
        month.know(
            "customers: [{id: acme, name: Acme, jurisdiction: US-WA, external_ids: {erp: C-1},"
            " subjects: [acme, nobody]}]"
        )

        counted = told(
            run(
                "events",
                "quarantine",
                "replay",
                "--door",
                "backfill:gap",
                "--reason",
                "known",
                "--json",
            )
        )

        assert counted == {"accepted": 1}


class TestQuarantineInNumbers:
    @pytest.fixture
    def refused(self, month: SmallMonth, run: Run, tmp_path: Path) -> Run:
        lines = [line(f"n{n}", 1000, who="newco") for n in range(3)]
        lines += [line("odd", 1, who="stranger"), '{"specversion": "1.0", "id": "broken"}']
        (tmp_path / "in.jsonl").write_text("\n".join(lines))
        run("events", "import", str(tmp_path / "in.jsonl"))
        month.tamper(
            # The customer is known, and nothing was replayed yet.
            "insert into subject_crosswalk values ('newco', 'delta', tstzrange(null, null))"
        )
        return run

    def test_a_replay_is_previewed_with_its_money_and_then_does_just_that(
        self, month: SmallMonth, refused: Run
    ) -> None:
        before = rows(month)
        words = ["--cause", "newco", "--reason", "they are delta's", "--json"]
        owed = charged(month, "delta")

        shown = told(refused("events", "quarantine", "replay", "--preview", *words))
        untouched = rows(month)
        done = told(refused("events", "quarantine", "replay", *words))
        month.run("rate")

        assert untouched == before
        assert shown["result"] == done == {"accepted": 3}
        # 700 were used already: 300 more at 0.01 and 2700 at 0.0075.
        assert difference(shown) == {"EUR": Decimal("23.25")}
        assert charged(month, "delta") - owed == Decimal("23.25")

    def test_refusals_are_found_by_everything_that_is_known_of_them(self, refused: Run) -> None:
        def count(*words: str) -> int:
            return len(told(refused("events", "quarantine", "list", *words, "--json")))

        assert count() == 5
        assert count("--code", "capture.unknown_subject") == 4
        assert count("--source", "/old", "--type", "llm.request") == 4
        assert count("--door", "file") == 5
        assert count("--door", "http") == 0
        assert count("--since", "2023-12-01", "--until", "2100-01-01") == 5
        assert count("--until", "2020-01-01") == 0

    def test_causes_are_counted_and_valued_at_list_price(self, refused: Run) -> None:
        found = told(refused("events", "quarantine", "causes", "--estimate", "--json"))

        by_cause = {one["cause"]: one for one in found}
        assert by_cause["newco"]["count"] == 3
        assert Decimal(by_cause["newco"]["estimate"]["amount"]) == 25
        assert by_cause["newco"]["estimate"]["price_book"] == "usd"
        assert [one["estimate"] for one in found if one["code"] != "capture.unknown_subject"] == [
            None
        ]

    def test_many_are_discarded_with_a_reason_and_keep_their_bytes(
        self, month: SmallMonth, refused: Run
    ) -> None:
        closed = told(
            refused(
                "events", "quarantine", "discard", "--cause", "newco", "--reason", "test", "--json"
            )
        )

        assert closed == {"discarded": 3}
        kept = month.ask("select count(*) from quarantine where state = 'discarded' and raw <> ''")
        assert kept == [3]
        assert "newco" not in {item.cause for item in month.items()}

    def test_nothing_is_discarded_by_saying_nothing(self, refused: Run) -> None:
        with pytest.raises(Exception, match=r"capture\.no_choice"):
            refused("events", "quarantine", "discard", "--reason", "all of it")
