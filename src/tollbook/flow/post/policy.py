"""How patiently postings are delivered: leases, quiet times, and the waits between tries."""

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tollbook.flow.post.posting import Posting

_HASHES: Final = 2**32
_DOUBLINGS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """How patiently postings are delivered; all durations in seconds.

    `lease_seconds` must be longer than a send with its read-back. `look_up` is switched off only
    in the negative control of the tests: without it a lost reply becomes two documents.
    """

    lease_seconds: float = 300
    look_up: bool = True
    look_up_after_seconds: float = 10
    backoff_seconds: float = 2
    backoff_seconds_max: float = 900
    blocked_retry_seconds: float = 3600
    pending_alarm_seconds: float = 86_400
    circuit_seconds: float = 60
    poll_seconds: float = 0.5
    patience_seconds: float = 30
    threads_max: int = 4


@dataclass(frozen=True, slots=True)
class Terms:
    """What delivery to one target goes by.

    `quiet` is how long after giving up on a send the ERP is asked whether it took effect; `life`
    how long the request can still take effect.
    """

    policy: DeliveryPolicy
    quiet: timedelta
    life: timedelta


@dataclass(frozen=True, slots=True)
class Claim:
    """A posting in the hands of one worker, until its deadline on this machine's own clock."""

    posting: Posting
    deadline: float


def terms_of(policy: DeliveryPolicy, *, has_unique_key: bool, life_seconds: float) -> Terms:
    """Return the terms for a target.

    A unique key makes asking early harmless: a late twin is refused by the ERP itself. Without it
    "absent" only counts once no request can still be under way.
    """
    life = timedelta(seconds=life_seconds)
    soon = timedelta(seconds=policy.look_up_after_seconds)
    return Terms(policy, soon if has_unique_key or not policy.look_up else max(life, soon), life)


def backoff(policy: DeliveryPolicy, posting: Posting) -> timedelta:
    """Return the wait before the next send: doubling, bounded, spread over half to whole.

    The spread comes from the posting, so that a herd scatters and a test repeats.
    """
    doublings = min(max(posting.attempts - 1, 0), _DOUBLINGS_MAX)
    whole = min(policy.backoff_seconds * 2**doublings, policy.backoff_seconds_max)
    chance = zlib.crc32(f"{posting.posting_id}|{posting.attempts}".encode()) / _HASHES
    return timedelta(seconds=whole * (1 + chance) / 2)


def ask_again(policy: DeliveryPolicy, posting: Posting, at: datetime) -> timedelta:
    """Return the wait before the ERP is asked again: half of the time since sending, bounded."""
    since = (at - (posting.sent_at or at)).total_seconds() / 2
    return timedelta(
        seconds=min(max(since, policy.look_up_after_seconds), policy.backoff_seconds_max)
    )
