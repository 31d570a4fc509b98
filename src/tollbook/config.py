"""All settings, read once from the environment and an optional file into one frozen object."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tollbook.errors import Rejected

API_HOST: Final = "127.0.0.1"
API_PORT: Final = 8420


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One ERP to post to. `options` go to its connector; secrets are named, read at start."""

    name: str
    connector: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured.

    `home` holds the embedded database and logs. `database_url` empty means the embedded server.
    `api_keys` empty means no key is asked, which is only allowed on the loopback address.
    `tryton_venv` is where the sandbox's Tryton is installed (`erp/tryton/setup.sh`).
    """

    home: Path
    database_url: str = ""
    api_host: str = API_HOST
    api_port: int = API_PORT
    api_keys: tuple[str, ...] = ()
    actor: str = "unknown"
    targets: Mapping[str, TargetSettings] = field(default_factory=dict)
    future_hours_max: int = 24
    pool_size: int = 8
    tryton_venv: Path = Path(".venv-tryton")


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from TOLLBOOK_* variables, DATABASE_URL and HOME/tollbook.toml.

    A variable wins over the file. Raises Rejected with the name of a setting that is wrong.
    """
    env = os.environ if environment is None else environment
    home = Path(env.get("TOLLBOOK_HOME") or _default_home(env)).absolute()
    file = _read_file(home / "tollbook.toml")
    keys = env.get("TOLLBOOK_API_KEYS", "")
    return Settings(
        home=home,
        database_url=env.get("DATABASE_URL", str(file.get("database_url", ""))),
        api_host=env.get("TOLLBOOK_API_HOST", str(file.get("api_host", API_HOST))),
        api_port=_integer(
            "TOLLBOOK_API_PORT", env.get("TOLLBOOK_API_PORT", file.get("api_port", API_PORT))
        ),
        api_keys=tuple(key for key in keys.split(",") if key) or tuple(file.get("api_keys", ())),
        actor=env.get("TOLLBOOK_ACTOR") or env.get("USER") or "unknown",
        targets=_targets(file.get("targets", {}), env),
        future_hours_max=_integer("future_hours_max", file.get("future_hours_max", 24)),
        pool_size=_integer("pool_size", file.get("pool_size", 8)),
        tryton_venv=Path(env.get("TOLLBOOK_TRYTON", ".venv-tryton")).absolute(),
    )


def _default_home(env: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/tollbook"
    base = env.get("XDG_DATA_HOME") or os.path.join(env.get("HOME", "."), ".local", "share")
    return os.path.join(base, "tollbook")


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Rejected("config.malformed", f"{path} is not valid TOML: {error}.") from error


def _integer(name: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise Rejected("config.not_a_number", f"{name} must be a number, not {value!r}.") from None


def _targets(found: object, env: Mapping[str, str]) -> dict[str, TargetSettings]:
    if not isinstance(found, dict):
        raise Rejected("config.malformed", "targets must be tables: [targets.NAME].")
    return {name: _target(name, table, env) for name, table in found.items()}


def _target(name: str, table: object, env: Mapping[str, str]) -> TargetSettings:
    if not isinstance(table, dict) or "connector" not in table:
        raise Rejected("config.target", f"[targets.{name}] must say which connector it uses.")
    options = {}
    for key, value in table.items():
        if key.endswith("_env"):
            # A secret stays outside the file: `password_env = "ERP_PASSWORD"` names its variable.
            if value not in env:
                raise Rejected("config.secret_missing", f"{value} is not set ({name}.{key}).")
            options[key.removesuffix("_env")] = env[value]
        elif key != "connector":
            options[key] = str(value)
    return TargetSettings(name, str(table["connector"]), options)
