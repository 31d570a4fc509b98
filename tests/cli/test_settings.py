"""Every setting: where it comes from, how a wrong one is refused, and that the manual lists it."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from tollbook.app import App
from tollbook.config import VARIABLES, Settings, SystemSettings, load
from tollbook.errors import Rejected
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

MANUAL = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
ROW = re.compile(r"^\| `(\w+)` \|(?: `(\w*)`)? \| (.+?) \| .+ \|$", re.MULTILINE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def settings(home: Path, file: str = "", **variables: str) -> Settings:
    (home / "tollbook.toml").write_text(file)
    return load({"TOLLBOOK_HOME": str(home), **variables})


@pytest.mark.parametrize(
    ("name", "written", "in_file", "meant"),
    [
        ("database_url", "host=db", '"host=db"', "host=db"),
        ("pool_size", "3", "3", 3),
        ("api_host", "0.0.0.0", '"0.0.0.0"', "0.0.0.0"),
        ("api_port", "9000", "9000", 9000),
        ("api_keys", "one, two,", '["one", "two"]', ("one", "two")),
        ("future_hours_max", "0", "0", 0),
        ("metric_first_hours_max", "0", "0", 0),
        ("log_format", "json", '"json"', "json"),
        ("tryton_venv", "/opt/tryton", '"/opt/tryton"', Path("/opt/tryton")),
        ("issuer", "https://login.example", '"https://login.example"', "https://login.example"),
        ("issuer_algorithms", "ES256,PS256", '["ES256", "PS256"]', ("ES256", "PS256")),
        ("events_per_second", "100", "100", 100),
        ("body_seconds", "5", "5", 5),
        ("inflight_megabytes", "130", "130", 130),
        ("wait_milliseconds_max", "50", "50", 50),
    ],
)
def test_a_setting_comes_from_its_variable_else_the_file_else_the_default(
    home: Path, name: str, written: str, in_file: str, meant: Any
) -> None:
    default = getattr(load({"TOLLBOOK_HOME": str(home)}), name)

    by_variable = settings(home, **{VARIABLES[name]: written})
    by_file = settings(home, f"{name} = {in_file}")
    empty_variable = settings(home, f"{name} = {in_file}", **{VARIABLES[name]: ""})

    found = [getattr(one, name) for one in (by_variable, by_file, empty_variable)]
    assert found == [meant, meant, meant]
    assert default != meant


def test_a_variable_wins_over_the_file(home: Path) -> None:
    found = settings(home, "api_port = 9000", TOLLBOOK_API_PORT="9001")

    assert found.api_port == 9001


def test_the_actor_is_named_or_is_the_user_of_the_machine(home: Path) -> None:
    assert settings(home, TOLLBOOK_ACTOR="erin", USER="root").actor == "erin"
    assert settings(home, USER="root").actor == "root"
    assert settings(home).actor == "unknown"


def test_the_home_follows_the_customs_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    user = [load({"HOME": "/home/u"}).home, load({"XDG_DATA_HOME": "/data"}).home]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    root = load({"HOME": "/root"}).home

    assert [str(home) for home in user] == ["/home/u/.local/share/tollbook", "/data/tollbook"]
    assert str(root) == "/var/lib/tollbook"


def test_a_target_has_a_connector_and_options_and_its_secrets_stay_outside(home: Path) -> None:
    file = """
        [targets.books]
        connector = "tryton"
        url = "https://erp.example"
        port = 8000
        password_env = "ERP_PASSWORD"
    """

    found = settings(home, file, ERP_PASSWORD="s3cret").targets

    options = {"url": "https://erp.example", "port": "8000", "password": "s3cret"}
    assert found == {"books": SystemSettings("books", "tryton", options)}


@pytest.mark.parametrize(
    ("file", "variables", "code", "names"),
    [
        ("api_port = 'x'", {}, "config.not_a_number", "api_port in tollbook.toml"),
        ("", {"TOLLBOOK_API_PORT": "x"}, "config.not_a_number", "TOLLBOOK_API_PORT"),
        ("", {"TOLLBOOK_API_PORT": "0"}, "config.out_of_range", "TOLLBOOK_API_PORT"),
        ("", {"TOLLBOOK_API_PORT": "65536"}, "config.out_of_range", "65535"),
        ("pool_size = 1", {}, "config.out_of_range", "pool_size in tollbook.toml"),
        ("pool_size = 1.5", {}, "config.not_a_number", "pool_size"),
        ("future_hours_max = -1", {}, "config.out_of_range", "future_hours_max"),
        ("database_url = 5", {}, "config.not_text", "database_url"),
        ("api_host = ['a']", {}, "config.not_text", "api_host"),
        ("api_keys = 'one'", {}, "config.not_a_list", "api_keys"),
        ("api_keys = ['']", {}, "config.not_a_list", "api_keys"),
        ("api_keys = [1]", {}, "config.not_a_list", "api_keys"),
        ("log_format = 'xml'", {}, "config.not_an_option", "text, json"),
        ("api_prot = 1", {}, "config.unknown_setting", "api_prot"),
        ("home = '/x'", {}, "config.unknown_setting", "home"),
        ("api_port 1", {}, "config.malformed", "tollbook.toml"),
        ("targets = 1", {}, "config.malformed", "targets"),
        ("[targets]\nbooks = 1", {}, "config.target", "targets.books"),
        ("[targets.books]\nurl = 'x'", {}, "config.target", "targets.books"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(
    home: Path, file: str, variables: dict[str, str], code: str, names: str
) -> None:
    with pytest.raises(Rejected) as refused:
        settings(home, file, **variables)

    assert refused.value.code == code
    assert names in refused.value.message
    assert refused.value.message.endswith(".")


def test_only_connecting_needs_the_secret_that_is_not_set(home: Path, database: Database) -> None:
    file = "[targets.books]\nconnector = 'tryton'\nurl = 'x'\npassword_env = 'ERP_PASSWORD'"
    app = App(settings(home, file), SystemClock(), database)

    with pytest.raises(Rejected) as refused:
        app.targets()

    assert refused.value.code == "config.secret_missing"
    assert "ERP_PASSWORD" in refused.value.message


def test_the_manual_lists_every_setting_with_its_variable_and_default() -> None:
    rows = {
        name: (variable, default) for name, variable, default in ROW.findall(MANUAL.read_text())
    }
    plain = Settings(Path())

    assert list(rows) == [field.name for field in fields(Settings)]
    assert {name: variable for name, (variable, _) in rows.items()} == {
        **VARIABLES,
        "targets": "",
        "sources": "",
    }
    assert {
        name: default.strip("`")
        for name, (_, default) in rows.items()
        if name not in {"home", "actor"}
    } == {
        field.name: str(getattr(plain, field.name))
        if getattr(plain, field.name) not in ("", (), {})
        else {"targets": "none", "sources": "none"}.get(field.name, "empty")
        for field in fields(Settings)
        if field.name not in {"home", "actor"}
    }
