"""The life of an invoice: its states, its signals, and what each signal does in each state."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a document stands; issued is final, correction is a further document."""

    DRAFT = "draft"
    APPROVED = "approved"
    ISSUED = "issued"


class Signal(StrEnum):
    """What can happen to a document."""

    APPROVE = "approve"  # a person, or the entity's policy, agreed to it
    REOPEN = "reopen"  # the facts behind it changed before it was issued
    ISSUE = "issue"  # taxed, numbered, booked


TRANSITIONS: Final[dict[tuple[State, Signal], State]] = {
    (State.DRAFT, Signal.APPROVE): State.APPROVED,
    (State.DRAFT, Signal.REOPEN): State.DRAFT,
    (State.APPROVED, Signal.REOPEN): State.DRAFT,
    (State.APPROVED, Signal.ISSUE): State.ISSUED,
}


def accepts(state: State, signal: Signal) -> bool:
    """Return whether a signal means something in a state."""
    return (state, signal) in TRANSITIONS


def advance(state: State, signal: Signal) -> State:
    """Return the state after a signal; a signal that the state does not accept is a bug."""
    assert accepts(state, signal), f"{signal} means nothing for a document that is {state}"
    return TRANSITIONS[state, signal]
