"""How much a caller may send in a second: token buckets in the memory of this process."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tollbook.access.keys import Caller
from tollbook.values.clock import Clock

# What a caller may save up while it sends nothing.
BURST_SECONDS: Final = 2
CALLERS_MAX: Final = 10_000
REQUESTS: Final = "requests"
EVENTS: Final = "events"


@dataclass(slots=True)
class Bucket:
    """Holds what a caller may still send; it may fall below zero by one request, and then waits."""

    rate: int
    level: float
    filled_at: float

    @property
    def capacity(self) -> int:
        """The most it holds."""
        return self.rate * BURST_SECONDS

    def fill(self, now: float) -> None:
        """Add what has come in since."""
        self.level = min(self.capacity, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now

    def seconds_to(self, level: float) -> int:
        """Return the whole seconds until it holds this much."""
        return max(0, math.ceil((level - self.level) / self.rate))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one caller may do now: a bucket for each thing that is limited."""

    buckets: dict[str, Bucket]
    clock: Clock

    def take(self, name: str, count: int) -> int:
        """Take from a bucket and return 0, or take nothing and return the seconds to wait.

        A request is let in while anything is left, so that a batch larger than the bucket is slow
        and not impossible.
        """
        bucket = self.buckets.get(name)
        if bucket is None:
            return 0
        bucket.fill(self.clock.monotonic())
        if bucket.level < 1:
            return max(1, bucket.seconds_to(1))
        bucket.level -= count
        return 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)."""
        policies, limits = [], []
        for name, bucket in self.buckets.items():
            policies.append(f'"{name}";q={bucket.capacity};w={BURST_SECONDS}')
            left = max(0, math.floor(bucket.level))
            limits.append(f'"{name}";r={left};t={bucket.seconds_to(bucket.capacity)}')
        return [
            (b"ratelimit-policy", ", ".join(policies).encode()),
            (b"ratelimit", ", ".join(limits).encode()),
        ]


class Rates:
    """The allowances of all callers that have a limit, the longest unused forgotten first."""

    def __init__(self, clock: Clock, *, requests_per_second: int, events_per_second: int) -> None:
        self._clock = clock
        self._default = (requests_per_second, events_per_second)
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    def of(self, caller: Caller | None) -> Allowance | None:
        """Return what a caller may do now; None when nothing limits it."""
        requests, events = self._default
        if caller is not None:
            requests = caller.requests_per_second or requests
            events = caller.events_per_second or events
        if not requests and not events:
            return None
        caller_id = caller.caller_id if caller else ""
        found = self._allowances.get(caller_id)
        if found is None or _rates(found) != (requests, events):
            found = self._new(((REQUESTS, requests), (EVENTS, events)))
            self._allowances[caller_id] = found
            while len(self._allowances) > CALLERS_MAX:
                self._allowances.popitem(last=False)
        self._allowances.move_to_end(caller_id)
        return found

    def _new(self, rates: Sequence[tuple[str, int]]) -> Allowance:
        now = self._clock.monotonic()
        return Allowance(
            {name: Bucket(rate, rate * BURST_SECONDS, now) for name, rate in rates if rate},
            self._clock,
        )


def _rates(allowance: Allowance) -> tuple[int, int]:
    buckets = allowance.buckets
    return (
        buckets[REQUESTS].rate if REQUESTS in buckets else 0,
        buckets[EVENTS].rate if EVENTS in buckets else 0,
    )
