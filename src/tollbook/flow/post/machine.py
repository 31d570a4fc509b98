"""The life of a posting: its states, its signals, and the one table that joins them."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a posting is."""

    READY = "ready"
    LEASED = "leased"
    SENDING = "sending"
    POSTED = "posted"
    DIFFERENTLY = "differently"
    PENDING_REMOTE = "pending_remote"
    HELD = "held"
    FAILED = "failed"
    DOUBTFUL = "doubtful"


class Signal(StrEnum):
    """What happened to a posting."""

    CLAIMED = "claimed"  # a worker took it
    INTENDED = "intended"  # the intention to send is committed; the first byte may leave now
    LEASE_EXPIRED = "lease_expired"  # its worker died or froze
    MATCHED = "matched"  # the ERP holds our document, as we sent it
    DIFFERED = "differed"  # the ERP holds our document, but not as we sent it
    ACCEPTED = "accepted"  # the ERP took it and will post it later
    REJECTED = "rejected"  # the ERP refused it: a person corrects something
    BLOCKED = "blocked"  # the world is not ready: mapping, closed period
    TRANSIENT = "transient"  # certain that nothing happened
    UNKNOWN = "unknown"  # sent, and the fate was not heard
    ABSENT = "absent"  # asked after the quiet time: the ERP does not have it
    UNDECIDABLE = "undecidable"  # the ERP cannot be asked for our key
    HELD_BACK = "held_back"  # a person holds it
    CONFIRMED = "confirmed"  # a person found it in the ERP
    RELEASED = "released"  # a person, or a corrected mapping, lets it go again


_TABLE: Final[dict[tuple[State, Signal], State]] = {
    (State.READY, Signal.CLAIMED): State.LEASED,
    (State.READY, Signal.HELD_BACK): State.HELD,
    (State.LEASED, Signal.INTENDED): State.SENDING,
    (State.LEASED, Signal.LEASE_EXPIRED): State.READY,
    (State.LEASED, Signal.BLOCKED): State.HELD,
    (State.SENDING, Signal.MATCHED): State.POSTED,
    (State.SENDING, Signal.DIFFERED): State.DIFFERENTLY,
    (State.SENDING, Signal.ACCEPTED): State.PENDING_REMOTE,
    (State.SENDING, Signal.REJECTED): State.FAILED,
    (State.SENDING, Signal.BLOCKED): State.HELD,
    (State.SENDING, Signal.TRANSIENT): State.READY,
    (State.SENDING, Signal.UNKNOWN): State.DOUBTFUL,
    (State.SENDING, Signal.LEASE_EXPIRED): State.DOUBTFUL,
    # A doubtful or pending posting is leased in place: a crash while asking changes nothing.
    (State.DOUBTFUL, Signal.CLAIMED): State.DOUBTFUL,
    (State.DOUBTFUL, Signal.MATCHED): State.POSTED,
    (State.DOUBTFUL, Signal.DIFFERED): State.DIFFERENTLY,
    (State.DOUBTFUL, Signal.ACCEPTED): State.PENDING_REMOTE,
    (State.DOUBTFUL, Signal.TRANSIENT): State.DOUBTFUL,
    (State.DOUBTFUL, Signal.ABSENT): State.READY,
    (State.DOUBTFUL, Signal.UNDECIDABLE): State.HELD,
    (State.PENDING_REMOTE, Signal.CLAIMED): State.PENDING_REMOTE,
    (State.PENDING_REMOTE, Signal.MATCHED): State.POSTED,
    (State.PENDING_REMOTE, Signal.DIFFERED): State.DIFFERENTLY,
    (State.PENDING_REMOTE, Signal.ACCEPTED): State.PENDING_REMOTE,
    (State.PENDING_REMOTE, Signal.TRANSIENT): State.PENDING_REMOTE,
    # It vanished after it was accepted: wait the quiet time again before anything is resent.
    (State.PENDING_REMOTE, Signal.ABSENT): State.DOUBTFUL,
    (State.HELD, Signal.RELEASED): State.READY,
    (State.HELD, Signal.CONFIRMED): State.POSTED,
    (State.FAILED, Signal.RELEASED): State.READY,
    # Somebody corrected the ERP's document: look at it again, never send over it.
    (State.DIFFERENTLY, Signal.RELEASED): State.DOUBTFUL,
}

CLAIMABLE: Final = (State.READY, State.DOUBTFUL, State.PENDING_REMOTE)
LEASED_STATES: Final = (State.LEASED, State.SENDING)
FINAL: Final = (State.POSTED,)


def advance(state: State, signal: Signal) -> State:
    """Return the state that a signal leads to; a signal a state does not know is a bug."""
    assert (state, signal) in _TABLE, f"a {state} posting cannot meet {signal}"
    return _TABLE[state, signal]


def knows(state: State, signal: Signal) -> bool:
    """Return whether a posting in this state can meet this signal."""
    return (state, signal) in _TABLE


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.READY}"]
    lines += [f"    {state} --> {goal}: {signal}" for (state, signal), goal in _TABLE.items()]
    lines += [f"    {state} --> [*]" for state in FINAL]
    return "\n".join(lines) + "\n"
