"""The delivery loop: threads that carry postings to their ERPs, and the only waits in delivery."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from tollbook.flow.post import store
from tollbook.flow.post.engine import ACTOR, Delivery, claim, deliver_one, recover
from tollbook.flow.post.machine import State
from tollbook.flow.post.policy import Claim, DeliveryPolicy
from tollbook.flow.post.step import release_fixed
from tollbook.masterdata.catalog import Catalog
from tollbook.observe.log import logger
from tollbook.sdk.limits import Pace
from tollbook.sdk.outcomes import THROTTLED, UNAVAILABLE
from tollbook.sdk.target import Target
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.worklist.store import clear_object, open_item

BUG: Final = "post.bug"
LOOK_AROUND_SECONDS: Final = 30.0

_LOG: Final = logger("deliver")

CatalogOf = Callable[[Connection], Catalog]


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a delivery run did: how many turns ended in each state, and which ERPs are shut.

    `waiting` counts postings that stay in each state; `unavailable` names the targets that did not
    let us in.
    """

    turns: Mapping[str, int]
    waiting: Mapping[str, int]
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What all lanes share."""

    database: Database
    catalog_of: CatalogOf
    clock: Clock
    stop: threading.Event
    policy: DeliveryPolicy
    broken: threading.Event = field(default_factory=threading.Event)


class _Lane:
    """Delivery to one target, by several threads at a time."""

    def __init__(self, name: str, target: Target, around: _Surroundings) -> None:
        self.name = name
        self.pace = Pace(min(target.capabilities.concurrency, around.policy.threads_max))
        self.turns: Counter[str] = Counter()
        self.is_shut = False
        self._target = target
        self._around = around
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._looked_at = 0.0

    def run(self, *, until_idle: bool) -> None:
        """Work until stopped, idle, or locked out; one broken thread stops all."""
        around = self._around
        try:
            while not around.stop.is_set() and not around.broken.is_set():
                if not self._round(until_idle=until_idle):
                    return
        except BaseException:
            around.broken.set()
            raise

    def _round(self, *, until_idle: bool) -> bool:
        """Do one turn or wait a little; False when the run is over."""
        around = self._around
        catalog = self._look_around()
        if not self.pace.enter(around.clock.monotonic()):
            if until_idle and self.is_shut:
                return False
            around.clock.wait(around.policy.poll_seconds)
            return True
        try:
            is_done = self._turn(catalog)
        finally:
            self.pace.leave()
        return is_done or self._wait_for_more(until_idle=until_idle)

    def _look_around(self) -> Catalog:
        """Now and then: read master data, take over from dead workers, free what was corrected."""
        around = self._around
        with self._lock:
            now, at = around.clock.monotonic(), around.clock.now()
            every = min(LOOK_AROUND_SECONDS, around.policy.lease_seconds)
            if self._catalog is None or now - self._looked_at >= every:
                self._looked_at = now
                with around.database.transaction() as connection:
                    self._catalog = catalog = around.catalog_of(connection)
                    recover(connection, self._target, name=self.name, policy=around.policy, at=at)
                with around.database.transaction() as connection:
                    release_fixed(
                        connection, catalog=catalog, targets=[self.name], at=at, only_due=True
                    )
            return self._catalog

    def _turn(self, catalog: Catalog) -> bool:
        """Take one posting as far as it goes; False when none is due."""
        database, clock, policy = self._around.database, self._around.clock, self._around.policy
        claimed = claim(database, name=self.name, policy=policy, clock=clock)
        if claimed is None:
            return False
        try:
            delivery = deliver_one(
                database, self._target, claimed, clock=clock, catalog=catalog, policy=policy
            )
        except Exception:  # noqa: BLE001 - the runtime isolates one job
            # One posting must not stop the others. Its lease runs out and it is looked up.
            _LOG.exception("posting_met_a_bug", posting_id=claimed.posting.posting_id)
            self._report_bug(claimed)
            return True
        self._learn(delivery)
        return True

    def _learn(self, delivery: Delivery) -> None:
        """Adapt the pace to what the turn told about the target."""
        now = self._around.clock.monotonic()
        with self._lock:
            self.turns[delivery.state] += 1
        if delivery.code == THROTTLED:
            self.pace.throttled(now, delivery.retry_after_seconds)
        elif delivery.code == UNAVAILABLE:
            self._shut(delivery, now)
        elif delivery.state is State.POSTED:
            self.pace.succeeded()
            self._open()

    def _shut(self, delivery: Delivery, now: float) -> None:
        """Pause and raise the alarm: the ERP locks us out, and no document is to blame for it."""
        self.is_shut = True
        self.pace.pause(now + self._around.policy.circuit_seconds)
        with self._lock, self._around.database.transaction() as connection:
            posting = store.load(connection, delivery.posting_id)
            words = posting.message if posting and posting.message else "no reason given"
            open_item(
                connection,
                code=UNAVAILABLE,
                cause=self.name,
                message=f"{self.name} is not available to us: {words}",
                objects=[f"target:{self.name}"],
                at=self._around.clock.now(),
            )

    def _open(self) -> None:
        """End the alarm, also one that an earlier process raised."""
        with self._lock:
            if not self.is_shut and self.turns[State.POSTED] > 1:
                return
            self.is_shut = False
            with self._around.database.transaction() as connection:
                clear_object(
                    connection,
                    f"target:{self.name}",
                    by=ACTOR,
                    resolution="it takes documents again",
                    at=self._around.clock.now(),
                )

    def _report_bug(self, claimed: Claim) -> None:
        posting_id = claimed.posting.posting_id
        with self._around.database.transaction() as connection:
            open_item(
                connection,
                code=BUG,
                cause=posting_id,
                message=f"Delivering {posting_id} met a bug of Tollbook; the log has the trace. "
                "It is looked up in the ERP once its lease ends.",
                objects=[posting_id],
                at=self._around.clock.now(),
            )

    def _wait_for_more(self, *, until_idle: bool) -> bool:
        """Wait a little; False when nothing comes up within the run's patience."""
        clock, policy = self._around.clock, self._around.policy
        with self._around.database.transaction() as connection:
            due = store.next_due(connection, target=self.name)
        patience = timedelta(seconds=policy.patience_seconds)
        if until_idle and (due is None or due > clock.now() + patience):
            return False
        clock.wait(policy.poll_seconds)
        return True


def deliver(
    database: Database,
    targets: Mapping[str, Target],
    *,
    catalog_of: CatalogOf,
    clock: Clock,
    until_idle: bool,
    stop: threading.Event,
    policy: DeliveryPolicy | None = None,
) -> Delivered:
    """Deliver postings to all targets, each with as many threads as it takes at a time.

    With `until_idle` it returns once nothing comes up within the policy's patience, or the target
    locks us out; otherwise when `stop` is set.
    """
    around = _Surroundings(database, catalog_of, clock, stop, policy or DeliveryPolicy())
    lanes = [_Lane(name, target, around) for name, target in sorted(targets.items())]
    crew = [lane for lane in lanes for _ in range(lane.pace.allowed)]
    if crew:
        with ThreadPoolExecutor(len(crew), thread_name_prefix="deliver") as threads:
            jobs = [threads.submit(lane.run, until_idle=until_idle) for lane in crew]
        for job in jobs:
            job.result()
    turns = sum((lane.turns for lane in lanes), Counter())
    shut = tuple(lane.name for lane in lanes if lane.is_shut)
    return Delivered(dict(turns), _waiting(database, targets), shut)


def _waiting(database: Database, names: Collection[str]) -> dict[str, int]:
    waiting: Counter[str] = Counter()
    with database.transaction() as connection:
        for name, state, count in store.counts(connection):
            if name in names and state is not State.POSTED:
                waiting[state] += count
    return dict(waiting)
