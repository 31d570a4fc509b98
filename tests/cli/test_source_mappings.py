"""The command line previews, tests and uses source mappings."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tollbook.cli import cli
from tollbook.errors import Rejected

VECTORS = Path(__file__).parents[1] / "vectors"
MAPPING = """
source_mappings:
  - id: {name}
    input: csv_row
    event:
      type: call
      source: {{template: "calls/{{meta.object}}"}}
      id: {{template: "{{no}}"}}
      subject: $.who
      time: {{path: $.day, format: "%Y-%m-%d", zone: UTC}}
      data: {{model: m, tokens: {{path: $.tokens, as: integer}}}}
"""
ROWS = "no,who,day,tokens\n1,ada,2023-11-05,12\n2,ada,2023-11-05,many\n3,stranger,2023-11-05,1\n"


@pytest.fixture
def place(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory with a mapping and rows; the small company is applied."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    (tmp_path / "calls.csv").write_text(ROWS)
    (tmp_path / "calls.yaml").write_text(MAPPING.format(name="calls"))
    run("apply", "-f", str(VECTORS / "masterdata" / "base.yaml"), "--yes")
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_a_file_is_previewed_before_it_is_applied_and_then_imported(place: Path) -> None:
    rows, yaml = str(place / "calls.csv"), str(place / "calls.yaml")

    preview = json.loads(run("source", "preview", rows, "--mapping", yaml, "--json").output)
    run("apply", "-f", yaml, "--yes")
    again = json.loads(run("source", "preview", rows, "--mapping", "calls", "--json").output)
    first = json.loads(run("events", "import", rows, "--mapping", "calls", "--json").output)
    second = json.loads(run("events", "import", rows, "--mapping", "calls", "--json").output)

    assert preview == again
    assert preview["counts"] == {"records": 3, "events": 2, "accepted": 1, "rejected": 2}
    assert (first["accepted"], first["duplicates"], first["rejected"]) == (1, 0, 2)
    assert (second["accepted"], second["duplicates"], second["rejected"]) == (0, 1, 2)


def test_a_file_of_several_mappings_is_asked_which(place: Path) -> None:
    two = MAPPING.format(name="a") + MAPPING.format(name="b").replace("source_mappings:\n", "")
    (place / "two.yaml").write_text(two)
    rows, yaml = str(place / "calls.csv"), str(place / "two.yaml")

    with pytest.raises(Rejected, match="it holds a, b"):
        run("source", "preview", rows, "--mapping", yaml)

    assert (
        "Mapping b version 1"
        in run("source", "preview", rows, "--mapping", yaml, "--id", "b").output
    )


def test_a_file_that_could_not_be_applied_is_not_previewed(place: Path) -> None:
    (place / "calls.yaml").write_text(MAPPING.format(name="calls").replace("$.who", "$.who["))

    with pytest.raises(Rejected, match=r"calls\.yaml:9"):
        run("source", "preview", str(place / "calls.csv"), "--mapping", str(place / "calls.yaml"))


def test_a_mapping_is_tested_by_files(tmp_path: Path) -> None:
    case = shutil.copytree(VECTORS / "mappings" / "iot_readings", tmp_path / "case")

    assert "0 differ" in run("source", "test", str(case)).output
    (case / "events.jsonl").write_text("")
    with pytest.raises(Rejected, match="does not make the events"):
        run("source", "test", str(case))
    run("source", "test", str(case), "--accept")
    assert "0 differ" in run("source", "test", str(case)).output


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bad.csv", "a,a\n1,2\n"),
        ("bad.json", "[1,"),
        ("what.txt", "x"),
        ("bad.csv.gz", "no gzip"),
        ("bad.parquet", "no parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(place: Path, name: str, text: str) -> None:
    (place / name).write_text(text)

    with pytest.raises(Rejected) as caught:
        run("source", "preview", str(place / name), "--mapping", str(place / "calls.yaml"))

    assert caught.value.code == "capture.sample_unreadable"


def test_a_row_that_cannot_be_read_stops_no_other(place: Path) -> None:
    (place / "calls.csv").write_bytes(ROWS.encode() + b"4,ada\n5,\xff,2023-11-05,1\n")
    yaml = str(place / "calls.yaml")

    found = run("source", "preview", str(place / "calls.csv"), "--mapping", yaml, "--json")

    codes = [record["code"] for record in json.loads(found.output)["records"]]
    assert codes == ["", "capture.unmappable", "", "capture.bad_row", "capture.bad_row"]


def test_rows_of_parquet_are_read_exactly(place: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"no": ["1"], "who": ["ada"], "day": ["2023-11-05"], "tokens": [12]}
    parquet.write_table(pyarrow.table(columns), place / "calls.parquet")

    found = run(
        *("source", "preview", str(place / "calls.parquet")),
        *("--mapping", str(place / "calls.yaml"), "--json"),
    )

    assert json.loads(found.output)["counts"] == {"records": 1, "events": 1, "accepted": 1}


def test_a_preview_reads_the_file_as_its_options_say(place: Path) -> None:
    rows = ROWS.replace(",", ";").replace("ada", "åda")
    (place / "calls.txt").write_bytes(b"Title\n" + rows.encode("cp1252") + b"Total;3\n")
    yaml = str(place / "calls.yaml")
    options = ("format=csv", "encoding=cp1252", "skip_lines=1", "trailer=Total")

    with pytest.raises(Rejected, match="there is no option titel"):
        run("source", "preview", str(place / "calls.txt"), "--mapping", yaml, "--option", "titel=1")
    found = run(
        *("source", "preview", str(place / "calls.txt"), "--mapping", yaml, "--json"),
        *(word for option in options for word in ("--option", option)),
    )

    preview = json.loads(found.output)
    assert preview["counts"]["records"] == 3
    assert sorted(preview["unknown_subjects"]) == ["stranger", "åda"]
