"""What holds for every command: help, light start, one-sentence errors, JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from door import add_record, furnish, raw
from tollbook import cli as package
from tollbook.cli import COMMANDS, cli, main
from tollbook.records.parties import Customer
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock
from tollbook.values.ids import CustomerId

HEAVY = {
    *("psycopg", "fastapi", "starlette", "pydantic", "granian", "httpx2", "rich", "msgspec"),
    *("yaml", "structlog", "prometheus_client", "cryptography", "decimal", "asyncio", "socket"),
}
MODULES_OF_HELP = f"""
import sys
sys.argv = ["tollbook", "--help"]
from tollbook.cli import main
try:
    main()
finally:
    print("\\nLOADED", *sorted({HEAVY!r} & sys.modules.keys()))
"""
# What a command needs to be told when it lists something.
MONTH = ["--period", "2023-11"]
TERMS = Path(__file__).parents[2] / "src" / "tollbook" / "demo_company" / "10-entities.yaml"
ARGUMENTS = {
    ("usage", "list"): MONTH,
    ("usage", "events"): [*MONTH, "--customer", "cus_001", "--meter", "input_tokens"],
    ("run",): MONTH,
    ("invoices", "approve"): MONTH,
    ("rerate",): [*MONTH, "--price-book", str(TERMS)],
}


def walk(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk(inner, (*path, name))


ALL = dict(walk(cli))
LISTS = sorted(
    path
    for path, command in ALL.items()
    if any(parameter.name in {"is_json", "as_json"} for parameter in command.params)
    and (path in ARGUMENTS or not any(parameter.required for parameter in command.params))
)


@pytest.fixture
def environment(dsn: str, tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": dsn, "TOLLBOOK_HOME": str(tmp_path), "TOLLBOOK_ACTOR": "erin"}


def run_main(monkeypatch: pytest.MonkeyPatch, *words: str) -> int | str | None:
    """Run the program as the shell does; returns what it exits with."""
    monkeypatch.setattr(sys, "argv", ["tollbook", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_every_command_explains_itself() -> None:
    silent = []
    for path, command in ALL.items():
        shown = CliRunner().invoke(cli, [*path, "--help"])
        documented = [
            parameter.opts[0]
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help
        ]
        if shown.exit_code or not command.help or documented:
            silent.append((path, documented))

    assert silent == []
    assert len(ALL) > 45


def test_the_table_of_commands_says_what_the_commands_say() -> None:
    asked_for = {"up", "demo", "events", "apply", "run", "post", "worklist", "reconcile", "trace"}

    assert asked_for | {"verify", "price", "doctor"} <= COMMANDS.keys()
    assert all(ALL[name,].name == name for name in COMMANDS)
    assert all(line.endswith(".") for _, _, line in COMMANDS.values())


def test_help_loads_nothing_heavy() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", MODULES_OF_HELP], capture_output=True, text=True, check=True
    )

    assert "Commands" in shown.stdout
    assert shown.stdout.splitlines()[-1].strip() == "LOADED"


def test_python_without_assertions_is_refused() -> None:
    refused = subprocess.run(
        [sys.executable, "-O", "-m", "tollbook.cli", "doctor"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 1
    assert refused.stderr.startswith("Tollbook does not run under python -O")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["invoices", "show", "US-000009"], "invoice.unknown"),
        (["worklist", "show", "wrk_none"], "worklist.unknown"),
        (["trace", "nothing"], "trace.unknown_id"),
        (["events", "show", "evt_none"], "capture.no_such_event"),
        (["usage", "events", "use_none"], "meter.unknown"),
        (["post", "show", "pst_none"], "post.unknown"),
    ],
)
def test_an_error_of_ours_is_a_sentence_with_its_code_and_exit_1(
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    ended_with = run_main(monkeypatch, *words)

    said = capsys.readouterr().err
    assert ended_with == 1
    assert said.startswith("Error: ")
    assert said.endswith(f"[{code}]\n")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense", "storage.invalid_url"),
        ("host=/nowhere dbname=x connect_timeout=2", "storage.unreachable"),
    ],
)
def test_a_database_that_cannot_be_reached_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    url: str,
    code: str,
) -> None:
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", url)

    assert run_main(monkeypatch, "doctor") == 1
    assert capsys.readouterr().err.endswith(f"[{code}]\n")


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["run"],
        ["run", "--period", "2023-13"],
        ["run", "--period", "2023-11", "--until", "nowhere"],
        ["run", "--period", "2023-11", "--booked-on", "tomorrow"],
        ["usage", "list", "--period", "x"],
        ["up", "--workers", "0"],
        ["up", "--workers", "many"],
        ["sandbox", "tryton", "--years", "soon"],
        ["sandbox", "tryton", "--years", "2024-2023"],
        ["apply", "-f", "/nowhere"],
        ["worklist", "show"],
        ["invoices", "list", "--state", "gone"],
    ],
)
def test_an_error_of_usage_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run_main(monkeypatch, *words) == 2
    assert "Error: " in capsys.readouterr().err


def test_json_is_json_everywhere(environment: dict[str, str], database: Database) -> None:
    furnish(database)
    known = Customer(CustomerId("cus_001"), "Ada", "US-NY")
    add_record(database, "customer", "cus_001", known)
    Desk(database, SystemClock(), future_hours_max=24).take(
        [raw(1), raw(2, subject="nobody")], door="test"
    )

    wrong = []
    for path in LISTS:
        words = [*path, *ARGUMENTS.get(path, []), "--json"]
        shown = CliRunner().invoke(cli, words, env=environment)
        try:
            json.loads(shown.stdout)
        except ValueError:
            wrong.append((path, shown.stdout, shown.exception))

    assert wrong == []
    assert len(LISTS) >= 12


def test_a_work_item_is_listed_shown_and_replayed(
    environment: dict[str, str], database: Database
) -> None:
    furnish(database)
    Desk(database, SystemClock(), future_hours_max=24).take([raw(1, subject="[x]")], door="test")

    def said(*words: str) -> str:
        result = CliRunner().invoke(cli, ["worklist", *words], env=environment)
        assert result.exit_code == 0, result.output
        return result.output

    [item] = json.loads(said("list", "--json"))
    listed, shown = said("list"), said("show", item["work_item_id"])
    as_json = json.loads(said("show", item["work_item_id"], "--json"))
    replayed = said("replay")

    assert "[x]" in listed
    assert item["work_item_id"] in listed
    assert as_json["objects"][0] in shown
    assert f"To do: {as_json['action']}" in shown
    assert replayed == "0 events got through, 0 postings go on; 1 work items stay open.\n"


def test_commands_are_loaded_only_when_used() -> None:
    modules = {module for module, _, _ in COMMANDS.values()}
    files = {path.stem for path in Path(package.__file__).parent.glob("*.py")}

    assert modules <= files
