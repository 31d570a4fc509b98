"""Objects are taken once, whole or not at all, and what became of each is on record."""

import gzip
import hashlib
import json
import os
import threading
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from door import raw
from sources.drops.conftest import Drops
from tollbook.errors import Rejected
from tollbook.flow.capture.completeness.store import watermarks
from tollbook.flow.capture.objects import store
from tollbook.records.source_mapping import Condition
from tollbook.runtime.intake import Desk
from tollbook.runtime.object_register import retry_object
from tollbook.sdk.drops.spool import spool

NOW = datetime(2023, 12, 1, tzinfo=UTC)


def lines(*numbers: int) -> bytes:
    return b"".join(raw(number) + b"\n" for number in numbers)


def ids(*numbers: int) -> list[str]:
    return sorted(f"e-{number}" for number in numbers)


def test_an_object_is_taken_once_and_counted(drops: Drops) -> None:
    drops.write("a/usage.jsonl", lines(1, 2, 2) + b"no json\n")

    first = drops.run()
    again = drops.run()

    assert first.answers == Counter({"accepted": 2, "duplicate": 1, "rejected": 1})
    assert again.transactions == 0
    found = drops.object("a/usage.jsonl")
    assert (found.state, found.rows, found.accepted, found.duplicates, found.rejected) == (
        *("done", 4, 2, 1, 1),
    )
    assert found.sha256 == hashlib.sha256(lines(1, 2, 2) + b"no json\n").hexdigest()
    assert found.place == drops.path.as_uri()


def test_an_upload_is_not_taken_before_it_has_its_name(drops: Drops) -> None:
    for name in ("u.jsonl.tmp", ".u.jsonl", "u.jsonl.part", "u.jsonl.filepart", "_in/u.jsonl"):
        drops.write(name, lines(1))
    assert drops.run().transactions == 0

    (drops.path / "u.jsonl.tmp").rename(drops.path / "u.jsonl")
    drops.run()

    assert [one.key for one in drops.objects()] == ["u.jsonl"]
    assert drops.ids() == ids(1)


def test_a_file_that_still_grows_is_left_alone_until_it_rests(drops: Drops) -> None:
    drops.clock = type(drops.clock)(datetime(2023, 11, 20, tzinfo=UTC))
    path = drops.write("u.jsonl", lines(1))
    pump = drops.pump(complete_when="stable", stable_seconds="60")

    pump.run(threading.Event(), until_idle=True)
    assert drops.objects() == []
    drops.clock.wait(120)
    path.write_bytes(lines(1, 2))
    at = drops.clock.now().timestamp()
    os.utime(path, (at, at))
    pump.run(threading.Event(), until_idle=True)
    assert drops.objects() == []
    drops.clock.wait(120)
    pump.run(threading.Event(), until_idle=True)

    assert drops.ids() == ids(1, 2)


def test_a_file_waits_for_its_marker(drops: Drops) -> None:
    drops.write("u.jsonl", lines(1))
    assert drops.run(complete_when="marker").transactions == 0

    drops.write("u.jsonl.done", b"")
    drops.run(complete_when="marker")

    assert drops.ids() == ids(1)


def test_a_file_that_was_taken_is_moved_with_what_speaks_of_it(drops: Drops) -> None:
    drops.write("a/u.jsonl", lines(1))
    drops.say("a/u.jsonl", {"rows": 1})

    drops.run(when_done="move")

    assert sorted(str(p.relative_to(drops.path)) for p in drops.path.rglob("*") if p.is_file()) == [
        "_done/a/u.jsonl",
        "_done/a/u.jsonl.manifest.json",
    ]


def test_the_same_content_again_is_nothing_to_do(drops: Drops) -> None:
    drops.write("u.jsonl", lines(1, 2))
    drops.run()

    drops.write("u.jsonl", lines(1, 2))
    again = drops.run()

    assert again.transactions == 0
    first, second = sorted(drops.objects(), key=lambda one: one.modified_at)
    assert (second.state, second.rows) == ("done", 0)
    assert first.version in second.notice


def test_other_content_under_a_name_is_taken_with_a_notice(drops: Drops) -> None:
    drops.write("u.jsonl", lines(1, 2))
    drops.run()

    drops.write("u.jsonl", lines(1, 2, 3))
    again = drops.run()

    assert again.answers == Counter({"duplicate": 2, "accepted": 1})
    first, second = sorted(drops.objects(), key=lambda one: one.modified_at)
    assert second.notice == f"replaces version {first.version}"
    assert drops.ids() == ids(1, 2, 3)


def test_rows_that_changed_under_a_name_are_conflicts_and_not_counted_twice(drops: Drops) -> None:
    drops.map_rows()
    drops.write("u.csv", b"customer,tokens\ncus_001,10\ncus_002,20\n")
    drops.run()

    drops.write("u.csv", b"customer,tokens\ncus_001,10\ncus_002,21\ncus_003,30\n")
    again = drops.run()

    assert again.answers == Counter({"duplicate": 1, "conflict": 1, "accepted": 1})
    assert drops.ids() == ["u.csv#1", "u.csv#2", "u.csv#3"]


def test_other_content_under_a_name_is_refused_where_the_source_says_so(drops: Drops) -> None:
    drops.write("u.jsonl", lines(1))
    drops.run()

    drops.write("u.jsonl", lines(2))
    again = drops.run(on_change="refuse")

    assert again.transactions == 0
    assert drops.open_items() == [("capture.object_changed", "drops:u.jsonl")]
    assert drops.ids() == ids(1)


def test_what_was_refused_for_the_sources_options_is_taken_once_they_are_right(
    drops: Drops,
) -> None:
    drops.write("u.jsonl", lines(1))
    drops.run()
    drops.write("u.jsonl", lines(2))
    drops.run(on_change="refuse")
    with drops.database.transaction() as connection:
        retry_object(
            connection, source="drops", key="u.jsonl", by="ana", reason="it is right", at=NOW
        )

    drops.run(on_change="take")

    assert drops.ids() == ids(1, 2)
    assert drops.open_items() == []
    with drops.database.transaction() as connection, pytest.raises(Rejected, match="no object"):
        retry_object(connection, source="drops", key="u.jsonl", by="ana", reason="again", at=NOW)


CONTENT = lines(1, 2, 3)
RIGHT: dict[str, Any] = {
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "bytes": len(CONTENT),
    "rows": 3,
    "sums": {"data.input_tokens": "6", "data.output_tokens": 6},
    "complete_up_to": "2023-11-20T00:00:00Z",
}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"sha256": "0" * 64}, "capture.object_checksum"),
        ({"bytes": len(CONTENT) + 1}, "capture.object_size"),
        ({"rows": 4}, "capture.object_rows"),
        ({"sums": {"data.input_tokens": "6.000000001"}}, "capture.object_sums"),
        ({"sums": {"data.unheard_of": "6"}}, "capture.object_sums"),
        ({"rows": "three"}, "capture.manifest_invalid"),
        ({"row": 3}, "capture.manifest_invalid"),
    ],
    ids=str,
)
def test_an_object_that_breaks_a_promise_is_refused_whole_and_a_right_one_goes_in(
    drops: Drops, wrong: dict[str, Any], code: str
) -> None:
    drops.write("u.jsonl", CONTENT)
    drops.say("u.jsonl", RIGHT | wrong)

    refused = drops.run()
    still = drops.run()

    assert (refused.transactions, still.transactions, drops.ids()) == (0, 0, [])
    assert drops.open_items() == [(code, "drops:u.jsonl")]
    assert (drops.object("u.jsonl").state, drops.object("u.jsonl").code) == ("refused", code)
    drops.say("u.jsonl", RIGHT)
    drops.run()
    assert drops.ids() == ids(1, 2, 3)
    assert drops.open_items() == []
    assert drops.object("u.jsonl").code == ""


def test_a_corrected_object_goes_in_by_itself(drops: Drops) -> None:
    drops.write("u.jsonl", lines(1, 2))
    drops.say("u.jsonl", RIGHT)
    drops.run()
    assert drops.ids() == []

    drops.write("u.jsonl", CONTENT)
    drops.run()

    assert drops.ids() == ids(1, 2, 3)
    assert drops.open_items() == []


def test_a_manifest_of_a_batch_speaks_of_each_object_and_how_far_they_reach(drops: Drops) -> None:
    drops.write("day/a.jsonl", lines(1))
    drops.write("day/b.jsonl", lines(2))
    batch = {
        "objects": [{"key": "a.jsonl", "rows": 1}, {"key": "b.jsonl", "rows": 2}],
        "complete_up_to": "2023-11-21T00:00:00+01:00",
    }
    drops.write("day/manifest.json", json.dumps(batch).encode())

    drops.run()

    assert drops.ids() == ids(1)
    assert drops.open_items() == [("capture.object_rows", "drops:day/b.jsonl")]
    with drops.database.transaction() as connection:
        assert store.declared_watermark(connection, "drops") is None
    drops.write("day/b.jsonl", lines(2, 3))
    drops.run()
    with drops.database.transaction() as connection:
        watermark = store.declared_watermark(connection, "drops")
        (declared,) = watermarks(connection)
    assert watermark == datetime(2023, 11, 20, 23, tzinfo=UTC)
    assert (declared.source, declared.complete_until) == ("drops", watermark)
    assert drops.ids() == ids(1, 2, 3)


def test_an_object_waits_for_the_manifest_it_needs(drops: Drops) -> None:
    drops.write("u.jsonl", CONTENT)
    assert drops.run(require_manifest="true").transactions == 0
    assert drops.object("u.jsonl").state == "held"
    assert drops.open_items() == [("capture.manifest_missing", "drops:u.jsonl")]

    drops.say("u.jsonl", RIGHT)
    drops.run(require_manifest="true")

    assert drops.ids() == ids(1, 2, 3)
    assert drops.open_items() == []


def test_a_manifest_that_comes_before_its_object_is_remembered(drops: Drops) -> None:
    drops.say("u.jsonl", RIGHT | {"rows": 4})
    drops.run()

    drops.write("u.jsonl", CONTENT)
    drops.run()

    assert drops.open_items() == [("capture.object_rows", "drops:u.jsonl")]


def test_a_cut_archive_gives_what_it_has_and_the_rest_when_it_comes_whole(drops: Drops) -> None:
    whole = gzip.compress(lines(*range(20_000)))
    drops.write("u.jsonl.gz", whole[: len(whole) * 3 // 4])

    drops.run()
    taken = len(drops.ids())
    again = drops.run()

    assert 5_000 < taken < 20_000
    assert again.transactions == 0
    assert drops.object("u.jsonl.gz").state == "damaged"
    assert drops.open_items()[-1] == ("capture.object_damaged", "drops:u.jsonl.gz")
    drops.write("u.jsonl.gz", whole)
    drops.run()
    assert len(drops.ids()) == 20_000
    assert ("capture.object_damaged", "drops:u.jsonl.gz") not in drops.open_items()


def test_a_row_that_cannot_be_read_is_kept_with_its_bytes_and_number(drops: Drops) -> None:
    drops.map_rows()
    drops.write("u.csv", b'customer,tokens\ncus_001,10\n"cus"_002,20\ncus_003\ncus_004,40\n')

    drops.run()

    kept = {held.raw: held for held in drops.quarantined()}
    assert kept.keys() == {b'"cus"_002,20', b"cus_003"}
    assert kept[b"cus_003"].code == "capture.bad_row"
    assert "Row 3" in kept[b"cus_003"].message
    assert drops.ids() == ["u.csv#1", "u.csv#4"]
    assert drops.object("u.csv").rejected == 2


def test_a_file_without_its_trailer_or_with_another_sum_is_refused_whole(drops: Drops) -> None:
    drops.map_rows()
    options: dict[str, Any] = {"trailer": "TRL", "trailer_columns": "rows, sum:tokens"}
    rows = b"customer,tokens\ncus_001,10\ncus_002,20\n"
    drops.write("cut.csv", rows)
    drops.write("sum.csv", rows + b"TRL,2,31\n")
    drops.write("ok.csv", rows + b"TRL,2,30\n")

    drops.run(**options)

    assert drops.ids() == ["ok.csv#1", "ok.csv#2"]
    assert drops.open_items() == [
        ("capture.trailer_mismatch", "drops:sum.csv"),
        ("capture.trailer_missing", "drops:cut.csv"),
    ]


def test_an_import_that_was_broken_off_goes_on_where_it_was(drops: Drops) -> None:
    drops.map_rows()
    rows = b"".join(b"cus_001,%d\n" % n for n in range(1_000))
    drops.write("u.csv", b"customer,tokens\n" + rows)
    stop = threading.Event()

    class StoppingDesk(Desk):
        def take_records(self, *given: Any, **rest: Any) -> Any:
            stop.set()
            return super().take_records(*given, **rest)

    desk = StoppingDesk(drops.database, drops.clock, future_hours_max=24)
    drops.pump(desk=desk, records_max=300).run(stop)
    assert drops.object("u.csv").rows == 300
    rest = drops.run(records_max=300)

    assert rest.answers == Counter({"accepted": 700})
    found = drops.object("u.csv")
    assert (found.state, found.rows, found.accepted, found.duplicates) == ("done", 1_000, 1_000, 0)


def test_rows_that_the_mapping_ignores_are_counted_too(drops: Drops) -> None:
    drops.map_rows(when=(Condition(path="$.tokens", none_of=("0",)),))
    drops.write("u.csv", b"customer,tokens\ncus_001,10\ncus_002,0\ncus_003\n")

    drops.run()

    found = drops.object("u.csv")
    assert (found.rows, found.accepted, found.ignored, found.rejected) == (3, 1, 1, 1)


def test_an_empty_object_is_done(drops: Drops) -> None:
    drops.write("none.jsonl", b"")

    drops.run()

    assert (drops.object("none.jsonl").state, drops.object("none.jsonl").rows) == ("done", 0)


def test_a_file_of_no_known_format_is_refused_with_a_reason(drops: Drops) -> None:
    drops.write("usage.dat", b"who knows")

    drops.run()

    assert drops.open_items() == [("capture.unknown_format", "drops:usage.dat")]


@pytest.mark.parametrize(
    "wrong",
    [{"pathh": "x"}, {"on_change": "maybe"}, {"poll_seconds": "soon"}, {"format": "fixed"}],
    ids=str,
)
def test_an_option_that_is_wrong_is_named(drops: Drops, wrong: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match=next(iter(wrong)) if "format" not in wrong else "columns"):
        drops.run(**wrong)


def test_an_object_that_came_cut_over_the_wire_is_not_taken() -> None:
    with pytest.raises(Exception, match="3 of 4 bytes"):
        spool([b"abc"], size=4, directory="")


def test_sums_are_exact_where_floats_would_not_be(drops: Drops) -> None:
    drops.map_rows()
    rows = b"".join(b"cus_001,1,0.%d\n" % n for n in range(1, 10)) * 11
    total = sum((Decimal(f"0.{n}") for n in range(1, 10)), Decimal(0)) * 11
    drops.write("u.csv", b"customer,tokens,cost\n" + rows)
    drops.say("u.csv", {"sums": {"cost": str(total)}})

    drops.run()

    assert len(drops.ids()) == 99
