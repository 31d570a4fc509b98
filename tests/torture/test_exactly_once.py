"""200 postings, a bad ERP, and kill -9 of the workers at random moments: each posted once.

Real processes: PostgreSQL, the simulated NetSuite, two workers with four threads each. The same
rig with the look-up switched off must show doubles, else it would prove nothing.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tollbook.flow.post import store
from tollbook.flow.post.machine import State
from tollbook.flow.post.posting import Candidate, new_posting
from tollbook.records.posting import DocumentLine, DocumentTax, FinanceDocument
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

POSTINGS = 200
WORKERS = 2
KILLS = 10
RUN_SECONDS_MAX = 80
# The longest a request lives on after its client is gone; the quiet time must be longer.
LATE_SECONDS = 1.0
LIFE_SECONDS = 2.0
WORKER = Path(__file__).with_name("worker.py")
CLOCK = SystemClock()

FAULTS: dict[str, Any] = {
    "lose_reply_after_commit": 0.12,
    "commit_late": {"probability": 0.12, "seconds": [0.2, LATE_SECONDS]},
    "http_429": {"probability": 0.08, "on": ["create", "lookup"]},
    "http_503": {"probability": 0.08, "on": ["create", "lookup"]},
    "http_500_after_commit": 0.06,
    "refuse_connection_reset_before_commit": {"probability": 0.06, "on": "create"},
    "garbage_json_200": {"probability": 0.03, "on": "create"},
    "slow": {"probability": 0.5, "on": "create", "seconds": [0.05, 0.3]},
}
POLICY = {
    "lease_seconds": 3,
    "look_up_after_seconds": 0.2,
    "backoff_seconds": 0.1,
    "backoff_seconds_max": 1,
    "poll_seconds": 0.05,
    "patience_seconds": 30,
}
OPTIONS = {
    "account": "9999999_SB1",
    "consumer_key": "demo-consumer-key",
    "consumer_secret": "demo-consumer-secret",
    "token": "demo-token",
    "token_secret": "demo-token-secret",
    "answer_seconds": "1",
}


@dataclass
class Outcome:
    """What a run left behind."""

    kills: int
    seconds: float
    copies: dict[str, int]
    states: Counter[State]
    signals: Counter[str]
    fired: dict[str, int]
    late: dict[str, int] = field(default_factory=dict)

    @property
    def doubles(self) -> int:
        return sum(1 for count in self.copies.values() if count > 1)


@contextmanager
def simulated_erp(state: Path, *, key_guard: str) -> Iterator[str]:
    faults = {
        **FAULTS,
        "unique_external_id": key_guard == "unique_key",
        "concurrency_limit": 6,
    }
    command = [sys.executable, "-m", "tollbook.simulators.netsuite", "--port", "0"]
    command += ["--state", str(state), "--seed", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            httpx2.put(f"{url}/_sim/faults", json=faults, trust_env=False).raise_for_status()
            yield url
        finally:
            process.terminate()


def document(key: str, number: int) -> FinanceDocument:
    net = Decimal(100) + Decimal(number) / 100
    tax = DocumentTax("12", "260", Decimal("0.0725"), net, Decimal("7.25"), "US", line_no=1)
    return FinanceDocument(
        kind="invoice",
        key=key,
        key16=key[:16],
        number=f"US-{number:06}",
        company="1",
        currency="USD",
        document_date=date(2025, 3, 31),
        accounting_date=date(2025, 3, 31),
        lines=(DocumentLine(1, "255", net, "API calls", "55"),),
        taxes=(tax,),
        customer=f"cust-{number % 5 + 1}",
        settings={"currency:USD": "1"},
    )


def fill_queue(database: Database) -> list[str]:
    keys = []
    with database.transaction() as connection:
        for number in range(POSTINGS):
            candidate = Candidate(f"inv_{number}", "invoice", "us", "2025-03", date(2025, 3, 31))
            posting = new_posting(candidate, target="erp", at=CLOCK.now())
            payload = document(posting.key, number)
            store.insert(connection, replace(posting, payload=payload))
            keys.append(posting.key)
    return keys


def torture(database: Database, url: str, *, seed: int, **settings: Any) -> Outcome:
    """Keep workers running, and killing them, until every posting came to rest."""
    chance, started = Random(seed), CLOCK.monotonic()
    given = {"dsn": database.dsn, "url": url, "options": OPTIONS, **settings}
    workers: list[subprocess.Popen[bytes]] = []
    kills = 0
    try:
        while CLOCK.monotonic() - started < RUN_SECONDS_MAX:
            workers = [each for each in workers if each.poll() is None]
            if not workers and states(database).keys() == {State.POSTED}:
                break
            while len(workers) < WORKERS and states(database).keys() != {State.POSTED}:
                workers.append(subprocess.Popen([sys.executable, WORKER, json.dumps(given)]))
            CLOCK.wait(chance.uniform(0.6, 1.6))
            if kills < KILLS and workers:
                victim = workers.pop(chance.randrange(len(workers)))
                kills += victim.poll() is None
                victim.kill()
                victim.wait()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    seconds = CLOCK.monotonic() - started
    CLOCK.wait(LATE_SECONDS)
    return observed(database, url, kills=kills, seconds=seconds)


def states(database: Database) -> Counter[State]:
    with database.transaction() as connection:
        return Counter({state: count for _, state, count in store.counts(connection)})


def observed(database: Database, url: str, *, kills: int, seconds: float) -> Outcome:
    with httpx2.Client(base_url=url, trust_env=False) as admin:
        documents = admin.get("/_sim/documents").json()["documents"]
        counters = admin.get("/_sim/counters").json()
    with database.transaction() as connection:
        rows = connection.execute(
            "select signal || ' ' || state, count(*) from posting_attempt group by 1"
        ).fetchall()
    return Outcome(
        kills=kills,
        seconds=seconds,
        copies=dict(Counter(each["externalId"] for each in documents)),
        states=states(database),
        signals=Counter(dict(rows)),
        fired=counters["faults"],
        late=counters["late"],
    )


def assert_not_vacuous(outcome: Outcome) -> None:
    """A run in which a fault never happened proves nothing about it."""
    assert outcome.kills >= KILLS
    assert outcome.signals["lease_expired doubtful"] > 0
    assert outcome.signals["unknown doubtful"] > 0
    assert outcome.signals["transient ready"] > 0
    assert outcome.late["committed"] > 0
    for fault in FAULTS:
        assert outcome.fired.get(fault, 0) > 0, fault


@pytest.mark.parametrize("key_guard", ["unique_key", "lookup"])
def test_200_postings_under_faults_and_kill_9_are_posted_exactly_once(
    key_guard: str, database: Database, tmp_path: Path
) -> None:
    keys = fill_queue(database)

    with simulated_erp(tmp_path / "erp.db", key_guard=key_guard) as url:
        outcome = torture(
            database,
            url,
            seed=11,
            key_guard=key_guard,
            request_life_seconds=LIFE_SECONDS,
            policy=POLICY,
        )

    report(key_guard, outcome)
    assert outcome.copies == dict.fromkeys(keys, 1)
    assert outcome.states == Counter({State.POSTED: POSTINGS})
    assert_not_vacuous(outcome)


def test_the_negative_control_without_look_up_posts_doubles(
    database: Database, tmp_path: Path
) -> None:
    fill_queue(database)

    with simulated_erp(tmp_path / "erp.db", key_guard="lookup") as url:
        outcome = torture(
            database,
            url,
            seed=11,
            key_guard="lookup",
            request_life_seconds=LIFE_SECONDS,
            policy={**POLICY, "look_up": False},
        )

    report("control", outcome)
    assert outcome.doubles > 0
    assert_not_vacuous(outcome)


def report(name: str, outcome: Outcome) -> None:
    """Show the figures of a run under `pytest -s`."""
    print(  # noqa: T201
        f"\n{name}: {sum(outcome.copies.values())} documents for {POSTINGS} postings, "
        f"{outcome.doubles} doubles, {outcome.kills} kills, {outcome.seconds:.1f} s, "
        f"{dict(outcome.states)}, {dict(outcome.signals)}, {outcome.fired}, {outcome.late}"
    )
