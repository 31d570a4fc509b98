"""The state table of postings is complete, closed, and drawn in the documentation."""

from itertools import product
from pathlib import Path

import pytest

from tollbook.flow.post.machine import FINAL, Signal, State, advance, diagram, knows

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "posting-states.md"


def test_an_unknown_fate_is_doubt_and_only_an_absence_ends_it_in_a_resend() -> None:
    assert advance(State.SENDING, Signal.UNKNOWN) is State.DOUBTFUL
    assert advance(State.DOUBTFUL, Signal.ABSENT) is State.READY


def test_doubt_never_becomes_ready_by_anything_but_an_absence() -> None:
    ways_to_ready = {
        signal
        for signal in Signal
        if knows(State.DOUBTFUL, signal) and advance(State.DOUBTFUL, signal) is State.READY
    }

    assert ways_to_ready == {Signal.ABSENT}


def test_sending_is_left_only_through_an_intention() -> None:
    entries = {
        (state, signal)
        for state, signal in product(State, Signal)
        if knows(state, signal) and advance(state, signal) is State.SENDING
    }

    assert entries == {(State.LEASED, Signal.INTENDED)}


def test_a_missing_row_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="posted posting cannot meet claimed"):
        advance(State.POSTED, Signal.CLAIMED)


def test_every_state_but_the_final_ones_can_reach_posted() -> None:
    reaches = {State.POSTED}
    while True:
        more = {
            state
            for state, signal in product(State, Signal)
            if knows(state, signal) and advance(state, signal) in reaches
        }
        if more <= reaches:
            break
        reaches |= more

    assert reaches == set(State)


def test_final_states_know_no_signal_and_all_others_do() -> None:
    for state in State:
        has_signals = any(knows(state, signal) for signal in Signal)
        assert has_signals is (state not in FINAL)


def test_every_signal_is_used() -> None:
    for signal in Signal:
        assert any(knows(state, signal) for state in State), signal


def test_the_documented_diagram_is_drawn_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}```" in PAGE.read_text()
