"""The digest of events: the same events give the same digest, in whatever order and groups."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tollbook.flow.meter.digest import digest
from tollbook.records.usage import EMPTY_DIGEST

halves = st.integers(-(2**63), 2**63 - 1)
events = st.lists(st.tuples(halves, halves), max_size=8)


def of(found: list[tuple[int, int]]) -> str:
    """Return the digest of events from the sums that SQL makes."""
    return digest(sum(first for first, _ in found), sum(second for _, second in found))


@given(events, st.randoms(use_true_random=False))
def test_order_does_not_change_it(found: list[tuple[int, int]], random: Random) -> None:
    shuffled = list(found)
    random.shuffle(shuffled)

    assert of(shuffled) == of(found)


@given(events, halves, halves)
def test_one_event_more_changes_it(found: list[tuple[int, int]], first: int, second: int) -> None:
    more = of([*found, (first, second)])

    assert (more == of(found)) == (first == second == 0)


def test_both_halves_are_in_it() -> None:
    assert digest(1, 2) == "0000000000000001" + "0000000000000002"
    assert digest(-1, 0) == "f" * 16 + "0" * 16
    assert digest(0, 0) == EMPTY_DIGEST
