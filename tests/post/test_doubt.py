"""Each posting reaches the ERP exactly once, whatever dies, is lost, or comes late in between."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from fake_erp import LIFE_SECONDS, FakeErp, Killed, MortalDatabase
from tollbook.flow.post import store
from tollbook.flow.post.engine import Delivery, claim, deliver_one, recover
from tollbook.flow.post.machine import State
from tollbook.flow.post.policy import DeliveryPolicy
from tollbook.flow.post.posting import Posting
from tollbook.masterdata.catalog import Catalog
from tollbook.sdk.target import KeyGuard
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock

Queue = Callable[..., Posting]

POLICY = DeliveryPolicy(lease_seconds=30, look_up_after_seconds=5)
BLIND = DeliveryPolicy(lease_seconds=30, look_up_after_seconds=5, look_up=False)
FATES = [
    *("fine", "lose_reply", "lose_request", "commit_late", "unreachable", "throttle"),
    *("die_before", "die_after", "die_late"),
]
SEEDS = 40
POSTINGS = 3


def turn(
    database: Database, erp: FakeErp, clock: FixedClock, policy: DeliveryPolicy = POLICY
) -> Delivery | None:
    """Do what one worker does in one turn."""
    with database.transaction() as connection:
        recover(connection, erp, name="erp", policy=policy, at=clock.now())
    claimed = claim(database, name="erp", policy=policy, clock=clock)
    if claimed is None:
        return None
    catalog = Catalog(clock.now())
    return deliver_one(database, erp, claimed, clock=clock, catalog=catalog, policy=policy)


def drain(
    database: Database, erp: FakeErp, clock: FixedClock, policy: DeliveryPolicy = POLICY
) -> None:
    """Let time pass in fair weather until nothing is left to do."""
    for _ in range(200):
        if turn(database, erp, clock, policy) is None:
            with database.transaction() as connection:
                if store.next_due(connection, target="erp") is None:
                    break
            clock.wait(5)
    clock.wait(2 * LIFE_SECONDS)
    erp.catch_up()


def states(database: Database) -> set[State]:
    with database.transaction() as connection:
        return {posting.state for posting in store.listed(connection)}


def bad_day(
    seed: int, mortal: MortalDatabase, erp: FakeErp, clock: FixedClock, policy: DeliveryPolicy
) -> Counter[str]:
    """Play one day from a seed: bad fates, deaths at any write, time in leaps."""
    chance = Random(seed)
    deaths: Counter[str] = Counter()
    for _ in range(20):
        erp.fates = [chance.choice(FATES)]
        if chance.random() < 0.4:
            mortal.dies_in = chance.randrange(4)
            mortal.dies_after_commit = chance.random() < 0.5
        try:
            turn(mortal, erp, clock, policy)
        except Killed:
            deaths["killed"] += 1
        mortal.dies_in = None
        clock.wait(chance.choice([0, 1, 6, 31, LIFE_SECONDS + 1]))
    erp.fates = []
    return deaths


def _wipe(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute("truncate posting, posting_attempt, work_item, work_item_object")


@pytest.mark.parametrize("guard", ["unique_key", "lookup"])
def test_each_posting_is_in_the_erp_exactly_once_after_any_bad_day(
    guard: KeyGuard, mortal: MortalDatabase, queue: Queue, clock: FixedClock
) -> None:
    deaths: Counter[str] = Counter()
    met: Counter[str] = Counter()

    for seed in range(SEEDS):
        _wipe(mortal)
        erp = FakeErp(clock, guard)
        keys = [queue(f"inv_{seed}_{number}").key for number in range(POSTINGS)]
        deaths += bad_day(seed, mortal, erp, clock, POLICY)
        drain(mortal, erp, clock)
        met += erp.met

        assert dict(erp.held) == dict.fromkeys(keys, 1), f"seed {seed}"
        assert states(mortal) == {State.POSTED}, f"seed {seed}"

    # A run in which a fault never happened would prove nothing about it.
    assert deaths["killed"] > SEEDS
    assert all(met[fate] > 0 for fate in FATES)
    # With a unique key we ask early, and the ERP keeps the late twin out.
    assert (met["late_twin_refused"] > 0) is (guard == "unique_key")


def test_without_look_up_the_same_days_make_doubles(
    mortal: MortalDatabase, queue: Queue, clock: FixedClock
) -> None:
    doubles = 0

    for seed in range(SEEDS):
        _wipe(mortal)
        erp = FakeErp(clock, "lookup")
        for number in range(POSTINGS):
            queue(f"inv_{seed}_{number}")
        bad_day(seed, mortal, erp, clock, BLIND)
        drain(mortal, erp, clock, BLIND)
        doubles += sum(1 for count in erp.held.values() if count > 1)

    assert doubles > 0


def test_a_crash_between_any_two_writes_is_survived(
    mortal: MortalDatabase, queue: Queue, clock: FixedClock
) -> None:
    crashes = 0

    for step in range(6):
        for after_commit in (False, True):
            erp = FakeErp(clock, "lookup")
            posting = queue(f"inv_{step}_{after_commit}")
            mortal.dies_in, mortal.dies_after_commit = step, after_commit
            try:
                turn(mortal, erp, clock)
            except Killed:
                crashes += 1
            mortal.dies_in = None
            drain(mortal, erp, clock)
            assert erp.held[posting.key] == 1, (step, after_commit)

    # recover, claim, intention, outcome: each before and after its commit.
    assert crashes == 8


def test_a_worker_that_wakes_up_after_its_lease_neither_sends_nor_writes(
    database: Database, queue: Queue, erp: FakeErp, clock: FixedClock
) -> None:
    posting = queue("inv_1")
    claimed = claim(database, name="erp", policy=POLICY, clock=clock)
    assert claimed is not None
    clock.wait(POLICY.lease_seconds + 1)
    drain(database, erp, clock)

    late = deliver_one(
        database, erp, claimed, clock=clock, catalog=Catalog(clock.now()), policy=POLICY
    )

    assert erp.held[posting.key] == 1
    assert erp.met["fine"] == 1
    assert late.state is State.LEASED
    assert states(database) == {State.POSTED}


def test_an_answer_that_comes_after_the_lease_leaves_the_word_to_the_look_up(
    database: Database, queue: Queue, erp: FakeErp, clock: FixedClock
) -> None:
    posting = queue("inv_1")
    erp.on_send = lambda: clock.wait(POLICY.lease_seconds + 1)

    turn(database, erp, clock)
    erp.on_send = lambda: None
    drain(database, erp, clock)

    assert erp.held[posting.key] == 1
    assert erp.look_ups == 1
    with database.transaction() as connection:
        signals = [each.signal for each in store.attempts(connection, posting.posting_id)]
    assert signals == ["intended", "lease_expired", "matched"]


def test_without_a_unique_key_nothing_is_resent_while_the_first_request_can_still_land(
    database: Database, queue: Queue, clock: FixedClock
) -> None:
    erp = FakeErp(clock, "lookup", fates=["commit_late"])
    posting = queue("inv_1")
    turn(database, erp, clock)

    clock.wait(LIFE_SECONDS - 1)
    early = turn(database, erp, clock)
    clock.wait(1)
    late = turn(database, erp, clock)

    assert early is None
    assert late is not None
    assert late.state is State.POSTED
    assert erp.held[posting.key] == 1


def test_an_erp_that_can_neither_refuse_nor_be_asked_leaves_doubt_to_a_person(
    database: Database, queue: Queue, clock: FixedClock
) -> None:
    erp = FakeErp(clock, "neither", fates=["lose_reply"])
    posting = queue("inv_1")
    turn(database, erp, clock)
    clock.wait(LIFE_SECONDS)

    turn(database, erp, clock)
    clock.wait(10 * LIFE_SECONDS)
    drain(database, erp, clock)

    assert erp.held[posting.key] == 1
    assert erp.look_ups == 0
    with database.transaction() as connection:
        found = store.load(connection, posting.posting_id)
    assert found is not None
    assert (found.state, found.code) == (State.HELD, "post.in_doubt")


def test_throttling_is_not_counted_as_an_attempt_and_the_erp_is_given_its_time(
    database: Database, queue: Queue, clock: FixedClock
) -> None:
    erp = FakeErp(clock, fates=["throttle"])
    posting = queue("inv_1")

    turn(database, erp, clock)

    with database.transaction() as connection:
        found = store.load(connection, posting.posting_id)
    assert found is not None
    assert (found.state, found.attempts) == (State.READY, 0)
    assert found.available_at >= clock.now() + timedelta(seconds=7)


def test_waits_double_and_are_bounded(database: Database, queue: Queue, clock: FixedClock) -> None:
    erp = FakeErp(clock, fates=["unreachable"] * 12)
    posting = queue("inv_1")
    waits = []

    for _ in range(12):
        turn(database, erp, clock)
        with database.transaction() as connection:
            found = store.load(connection, posting.posting_id)
        assert found is not None
        waits.append((found.available_at - clock.now()).total_seconds())
        clock.wait(waits[-1])

    whole = [min(2 * 2**number, POLICY.backoff_seconds_max) for number in range(12)]
    assert all(full / 2 <= wait <= full for wait, full in zip(waits, whole, strict=True))
