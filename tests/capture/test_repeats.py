"""Repeats of what was taken a moment ago, and of what was taken long ago: each is found."""

from collections.abc import Callable

import pytest

from door import data, raw
from tollbook.runtime.intake import REPEATS_AHEAD_AT_START, Desk
from tollbook.runtime.recent import Recent
from tollbook.storage.database import Database

SIZE = 20


def group(number: int) -> list[bytes]:
    return [raw(one) for one in range(number * SIZE, (number + 1) * SIZE)]


def statuses(desk: Desk, raws: list[bytes]) -> list[str]:
    return [answer.status for answer in desk.take(raws, door="file").answers]


@pytest.fixture
def trusting(desk: Desk) -> Desk:
    """Give a desk that has met no repeat for so long that it does not ask for all identities."""
    for number in range(REPEATS_AHEAD_AT_START + 1):
        assert statuses(desk, group(number)) == ["accepted"] * SIZE
    return desk


def test_repeats_of_the_groups_before_are_found_among_new_events(
    trusting: Desk, count: Callable[[str], int]
) -> None:
    before = count("usage_event")
    other = raw(1, data=data(999))

    found = statuses(trusting, [raw(0), raw(90_000), other, raw(SIZE), raw(90_001), raw(90_000)])

    assert found == ["duplicate", "accepted", "conflict", "duplicate", "accepted", "duplicate"]
    assert count("usage_event") == before + 2


def test_repeats_of_what_another_process_took_are_found(
    trusting: Desk, furnished: Database, count: Callable[[str], int]
) -> None:
    before = count("usage_event")
    another = Desk(furnished, trusting.clock, future_hours_max=24)
    statuses(another, [raw(70_000), raw(70_001)])

    found = statuses(trusting, [raw(70_001), raw(80_000), raw(70_000)])

    assert found == ["duplicate", "accepted", "duplicate"]
    assert count("usage_event") == before + 3


def test_what_was_not_stored_after_all_is_taken_when_it_comes_again(
    trusting: Desk, furnished: Database
) -> None:
    with furnished.transaction() as connection:
        connection.execute("alter table intake_day rename to elsewhere")
    with pytest.raises(Exception, match="intake_day"):
        trusting.take([raw(90_000)], door="file")
    with furnished.transaction() as connection:
        connection.execute("alter table elsewhere rename to intake_day")

    assert statuses(trusting, [raw(90_000)]) == ["accepted"]


def test_a_bounded_number_of_identities_is_remembered_the_latest_ones_surely() -> None:
    recent = Recent(identities_max=3)
    assert recent.meet([b"a", b"b"]) == set()
    assert recent.meet([b"b", b"c", b"c"]) == {b"b"}
    assert recent.meet([b"a"]) == {b"a"}
    recent.meet([b"d", b"e", b"f"])
    recent.meet([b"g", b"h", b"i"])

    assert recent.meet([b"b", b"f", b"i"]) == {b"f", b"i"}


@pytest.mark.usefixtures("trusting")
def test_the_days_of_events_are_not_vacuumed_for_what_comes_in(furnished: Database) -> None:
    with furnished.transaction() as connection:
        options = connection.execute(
            "select reloptions from pg_class where relname = 'usage_event_20231116'"
        ).fetchone()
        kept_once = connection.execute(
            "select count(*) from pg_index where indrelid = 'usage_event_20231116'::regclass"
            " and indisprimary"
        ).fetchone()

    assert options == (["autovacuum_vacuum_insert_threshold=-1"],)
    assert kept_once == (1,)
