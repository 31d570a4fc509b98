"""`tollbook events`, as a person at a terminal uses it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from door import add_record, data, furnish, raw
from sources.drops.conftest import BY_ROW
from tollbook.cli.events import events
from tollbook.errors import Rejected
from tollbook.storage.database import Database

LINES = [raw(1), raw(2), raw(1), raw(2, data=data(9)), raw(3, subject=None), b'{"id":']


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that runs `tollbook events ...` and returns what it wrote."""
    furnish(database)
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path / "home"))

    def command(*arguments: str, given: bytes | None = None) -> str:
        result = CliRunner().invoke(events, arguments, input=given)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return command


def _file(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_is_imported_and_counted(run: Any, tmp_path: Path, pack: Any) -> None:
    name = _file(tmp_path / "events", pack(b"\xef\xbb\xbf" + b"\r\n\r\n".join(LINES)))

    counts = json.loads(run("import", name, "--json"))

    assert counts == {
        "file": name,
        "lines": 6,
        "accepted": 2,
        "duplicates": 1,
        "conflicts": 1,
        "rejected": 2,
        "rejected_by_code": {"capture.missing_subject": 1, "capture.malformed_json": 1},
    }


def test_the_summary_says_where_to_look_next(run: Any, tmp_path: Path) -> None:
    shown = run("import", _file(tmp_path / "events", b"\n".join(LINES)))

    assert "tollbook events quarantine list" in shown
    assert "tollbook events conflicts list" in shown


def test_a_damaged_archive_is_told_and_what_was_read_before_is_safe(
    run: Any, tmp_path: Path
) -> None:
    packed = gzip.compress(b"\n".join(raw(n) for n in range(20_000)))
    name = _file(tmp_path / "cut.gz", packed[: len(packed) * 3 // 4])

    with pytest.raises(Rejected, match="sent again"):
        run("import", name)
    counts = json.loads(run("import", _file(tmp_path / "whole.gz", packed), "--json"))

    assert counts["accepted"] + counts["duplicates"] == 20_000
    assert counts["duplicates"] >= 5_000


def test_an_empty_file_is_no_events(run: Any, tmp_path: Path) -> None:
    assert json.loads(run("import", _file(tmp_path / "none", b""), "--json"))["lines"] == 0


def test_a_refused_event_is_corrected_at_the_terminal(run: Any, tmp_path: Path) -> None:
    run("import", _file(tmp_path / "events", b"\n".join(LINES)))
    listed = json.loads(run("quarantine", "list", "--code", "capture.missing_subject", "--json"))
    held = listed[0]["quarantine_id"]

    shown = run("quarantine", "show", held)
    answer = run("quarantine", "correct", held, "-", "--reason", "added", given=raw(3))

    assert "The event has no subject" in shown
    assert answer.strip() == f"{held}: accepted"
    assert json.loads(run("quarantine", "show", held, "--json"))["state"] == "replayed"


def test_refused_events_are_replayed_and_discarded_at_the_terminal(
    run: Any, tmp_path: Path
) -> None:
    run("import", _file(tmp_path / "events", b"\n".join(LINES)))
    held = [one["quarantine_id"] for one in json.loads(run("quarantine", "list", "--json"))]

    replayed = run("quarantine", "replay", "--reason", "try", "--json")
    for one in held:
        run("quarantine", "discard", one, "--reason", "test traffic")

    assert json.loads(replayed) == {"rejected": 2}
    assert json.loads(run("quarantine", "list", "--json")) == []
    assert len(json.loads(run("quarantine", "list", "--all", "--json"))) == 2


def test_an_event_is_listed_shown_and_voided(run: Any, tmp_path: Path) -> None:
    run("import", _file(tmp_path / "events", b"\n".join(LINES)))
    newest = json.loads(run("list", "--limit", "1", "--json"))[0]

    run("void", newest["event_id"], "--reason", "sent by mistake", "--by", "ana")

    shown = json.loads(run("show", newest["event_id"], "--json"))
    assert (newest["voided_for"], shown["voided_for"]) == (None, "sent by mistake")
    assert newest["event_id"] in run("list", "--subject", "cus_001", "--day", "2023-11-16")


def test_a_conflict_is_listed_and_dismissed(run: Any, tmp_path: Path) -> None:
    run("import", _file(tmp_path / "events", b"\n".join(LINES)))
    (conflict,) = json.loads(run("conflicts", "list", "--json"))

    answer = run("conflicts", "dismiss", conflict["conflict_id"], "--reason", "first is right")

    assert conflict["event_id"] == "e-2"
    assert conflict["conflict_id"] in run("conflicts", "list")
    assert "dismissed" in answer


def test_rows_of_csv_come_in_through_a_mapping_and_bad_ones_are_kept(
    run: Any, tmp_path: Path, database: Database
) -> None:
    add_record(database, "source_mapping", BY_ROW.mapping_id, BY_ROW)
    name = _file(tmp_path / "u.csv", b"customer;tokens\ncus_001;10\ncus_002\ncus_003;1e400\n")

    first = json.loads(run("import", name, "--mapping", "by-row", "--json"))
    again = json.loads(run("import", name, "--mapping", "by-row", "--json"))

    assert (first["accepted"], first["rejected"]) == (1, 2)
    assert (again["accepted"], again["duplicates"], again["rejected"]) == (0, 1, 2)
    assert first["rejected_by_code"]["capture.bad_row"] == 1
    held = json.loads(run("quarantine", "list", "--json"))
    assert "cus_002" in {one["raw"] for one in held}


@pytest.mark.parametrize(
    ("file", "content", "options"),
    [
        ("u.dat", b"cus_001     10\n", ["format=fixed", "columns=customer:1-8, tokens:9-14"]),
        ("u.txt", b"#\n'cus_001'|'10'\n", ["format=csv", "columns=customer, tokens"]),
    ],
    ids=["fixed width", "csv"],
)
def test_options_say_how_a_file_is_written(
    run: Any, tmp_path: Path, database: Database, file: str, content: bytes, options: list[str]
) -> None:
    add_record(database, "source_mapping", BY_ROW.mapping_id, BY_ROW)
    name = _file(tmp_path / file, content)
    more = ["skip_lines=1", "csv_quote='"] if file == "u.txt" else []
    given = [word for option in [*options, *more] for word in ("--option", option)]

    counts = json.loads(run("import", name, "--mapping", "by-row", "--json", *given))

    assert (counts["accepted"], counts["lines"]) == (1, 1)


def test_an_option_that_does_not_exist_is_named(run: Any, tmp_path: Path) -> None:
    name = _file(tmp_path / "u.csv", b"")

    with pytest.raises(Rejected, match="colums"):
        run("import", name, "--option", "colums=a")


FIXED = ("format=fixed", "columns=customer:2-8, tokens:9-14", "trailer=T")


@pytest.mark.parametrize(
    ("name", "content", "options", "code"),
    [
        ("u.txt", b"Dcus_001    10\nT0002\n", (*FIXED, "trailer_columns=rows:2-5"), "mismatch"),
        ("u.txt", b"Dcus_001    10\n", (*FIXED, "trailer_columns=rows:2-5"), "missing"),
        ("u.txt", b"", FIXED, "missing"),
        ("u.csv", b"customer,tokens\ncus_001,10\n", ("trailer=TOTAL",), "missing"),
        (
            "u.csv",
            b"customer;tokens\ncus_001;1.010\nTOTAL;1.011,0\n",
            (
                *("trailer=TOTAL", "trailer_columns=sum:tokens"),
                *("decimal_mark=,", "thousands_mark=."),
            ),
            "mismatch",
        ),
    ],
    ids=["rows", "cut", "empty", "csv", "sum"],
)
def test_a_file_that_its_trailer_does_not_prove_is_refused_whole(
    run: Any,
    tmp_path: Path,
    database: Database,
    name: str,
    content: bytes,
    options: tuple[str, ...],
    code: str,
) -> None:
    add_record(database, "source_mapping", BY_ROW.mapping_id, BY_ROW)
    file = _file(tmp_path / name, content)
    given = [word for option in options for word in ("--option", option)]

    with pytest.raises(Rejected) as caught:
        run("import", file, "--mapping", "by-row", *given)

    assert caught.value.code == f"capture.trailer_{code}"
    assert (
        json.loads(run("list", "--json")) == json.loads(run("quarantine", "list", "--json")) == []
    )


def test_a_file_is_compared_with_the_manifest_beside_it(run: Any, tmp_path: Path) -> None:
    file = _file(tmp_path / "u.jsonl", raw(1) + b"\n" + raw(2) + b"\n")
    manifest = tmp_path / "u.jsonl.manifest.json"
    manifest.write_text('{"rows": 3}')

    with pytest.raises(Rejected, match="says 3 rows, and it is 2"):
        run("import", file)
    before = json.loads(run("list", "--json"))
    manifest.write_text('{"rows": 2, "sums": {"data.input_tokens": "3"}}')

    assert before == []
    assert json.loads(run("import", file, "--json"))["accepted"] == 2


def test_numbers_and_records_are_read_as_their_sender_writes_them(
    run: Any, tmp_path: Path, database: Database
) -> None:
    add_record(database, "source_mapping", BY_ROW.mapping_id, BY_ROW)
    german = _file(tmp_path / "g.csv", b"customer;tokens\ncus_001;10\ncus_001;20\nSumme;30,0\n")
    records = "H             Dcus_001    10Dcus_002    20T0002         ".encode("cp273")
    tape = _file(tmp_path / "tape", records)
    lines = "Dcus_001    10\x85Dcus_002    20\x85T".encode("cp273")
    print_file = _file(tmp_path / "lines", lines)
    ebcdic = (*FIXED, "encoding=cp273")
    whole = (
        *ebcdic,
        "trailer_columns=rows:2-5",
        "line_ends=none",
        "record_width=14",
        "skip_lines=1",
    )
    totals = ("trailer=Summe", "trailer_columns=sum:tokens", "decimal_mark=,", "thousands_mark=.")

    counts = [
        json.loads(
            run(
                *("import", file, "--mapping", "by-row", "--json"),
                *(word for option in options for word in ("--option", option)),
            )
        )
        for file, options in ((german, totals), (tape, whole), (print_file, ebcdic))
    ]

    assert [(one["accepted"], one["rejected"]) for one in counts] == [(2, 0), (2, 0), (2, 0)]


def test_a_file_that_is_no_text_or_of_no_known_form_is_not_kept_line_by_line(
    run: Any, tmp_path: Path, database: Database
) -> None:
    add_record(database, "source_mapping", BY_ROW.mapping_id, BY_ROW)
    sheet = _file(tmp_path / "bill.xlsx", b"PK\x03\x04\x00\n\n\x00\n")
    text = _file(tmp_path / "bill.txt", b"cus_001 10\n")

    with pytest.raises(Rejected, match="`format`"):
        run("import", sheet)
    with pytest.raises(Rejected, match="`format`"):
        run("import", text, "--mapping", "by-row")

    assert json.loads(run("quarantine", "list", "--json")) == []
