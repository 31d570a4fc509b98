"""All settings, read once from the environment and an optional file into one frozen object."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tollbook.errors import Rejected

FILE_NAME: Final = "tollbook.toml"
PORT_MAX: Final = 65_535
LOG_FORMATS: Final = ("text", "json")
WAIT_MILLISECONDS_MAX: Final = 500

# The variable that sets each setting; all but `home` and `actor` may also stand in the file, under
# their own name. A variable that is set but empty counts as not set.
VARIABLES: Final[Mapping[str, str]] = {
    "home": "TOLLBOOK_HOME",
    "database_url": "DATABASE_URL",
    "pool_size": "TOLLBOOK_POOL_SIZE",
    "api_host": "TOLLBOOK_API_HOST",
    "api_port": "TOLLBOOK_API_PORT",
    "api_processes": "TOLLBOOK_API_PROCESSES",
    "api_keys": "TOLLBOOK_API_KEYS",
    "actor": "TOLLBOOK_ACTOR",
    "future_hours_max": "TOLLBOOK_FUTURE_HOURS_MAX",
    "metric_first_hours_max": "TOLLBOOK_METRIC_FIRST_HOURS_MAX",
    "log_format": "TOLLBOOK_LOG_FORMAT",
    "tryton_venv": "TOLLBOOK_TRYTON",
    "issuer": "TOLLBOOK_ISSUER",
    "issuer_audience": "TOLLBOOK_ISSUER_AUDIENCE",
    "issuer_keys": "TOLLBOOK_ISSUER_KEYS",
    "issuer_algorithms": "TOLLBOOK_ISSUER_ALGORITHMS",
    "events_per_second": "TOLLBOOK_EVENTS_PER_SECOND",
    "requests_per_second": "TOLLBOOK_REQUESTS_PER_SECOND",
    "body_seconds": "TOLLBOOK_BODY_SECONDS",
    "inflight_megabytes": "TOLLBOOK_INFLIGHT_MEGABYTES",
    "wait_milliseconds_max": "TOLLBOOK_WAIT_MILLISECONDS_MAX",
    "archive": "TOLLBOOK_ARCHIVE",
    "seal_after_days": "TOLLBOOK_SEAL_AFTER_DAYS",
    "keep_raw_days": "TOLLBOOK_KEEP_RAW_DAYS",
}
_NOT_IN_FILE: Final = frozenset({"home", "actor"})


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """One outside system: an ERP to post to, or a source of usage.

    `options` go to its connector, secrets among them.

    `missing` names the variables of secrets that are not set: only connecting needs them.
    """

    name: str
    connector: str
    options: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured.

    `home` holds the embedded database and logs. `database_url` empty means the embedded server.
    `api_keys` empty means no key is asked, which is only allowed on the loopback address.
    `tryton_venv` is where the sandbox's Tryton is installed (`erp/tryton/setup.sh`).
    `issuer`, `issuer_audience` and `issuer_keys` (a URL or a file) let tokens of one issuer in.
    The rates are those of a caller whose key says nothing; 0 is no limit.
    `inflight_megabytes` is what all bodies in one process may hold at a time.
    `wait_milliseconds_max` is how long events may wait for the database, or would, before
    more are refused.
    `metric_first_hours_max` is for how long the first running total seen of a metric may count.
    `archive` is where sealed days are kept: a directory (empty = `archive` in the home) or
    `s3://BUCKET/PREFIX`. `seal_after_days` 0 = the worker seals nothing by itself; `keep_raw_days`
    0 = events are never deleted.
    """

    home: Path
    database_url: str = ""
    pool_size: int = 8
    api_host: str = "127.0.0.1"
    api_port: int = 8420
    api_processes: int = 2
    api_keys: tuple[str, ...] = ()
    actor: str = "unknown"
    future_hours_max: int = 24
    metric_first_hours_max: int = 24
    log_format: str = LOG_FORMATS[0]
    tryton_venv: Path = Path(".venv-tryton")
    issuer: str = ""
    issuer_audience: str = ""
    issuer_keys: str = ""
    issuer_algorithms: tuple[str, ...] = ()
    events_per_second: int = 0
    requests_per_second: int = 0
    body_seconds: int = 60
    inflight_megabytes: int = 160
    wait_milliseconds_max: int = WAIT_MILLISECONDS_MAX
    archive: str = ""
    seal_after_days: int = 0
    keep_raw_days: int = 0
    targets: Mapping[str, SystemSettings] = field(default_factory=dict)
    sources: Mapping[str, SystemSettings] = field(default_factory=dict)

    @property
    def session(self) -> dict[str, str]:
        """What each session of the database is told: where sealed days are kept."""
        return {
            "tollbook.archive": self.archive or str(self.home / "archive"),
            "tollbook.archive_cache": str(self.home / "archive-cache"),
        }


_DEFAULT: Final = Settings(home=Path())


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from variables and HOME/tollbook.toml; a variable wins over the file.

    Raises Rejected with the name of a setting that is wrong, or that does not exist.
    """
    env = os.environ if environment is None else environment
    home = Path(env.get(VARIABLES["home"]) or _default_home(env)).absolute()
    file = _read_file(home / FILE_NAME)
    source = _Source(env, file)
    return Settings(
        home=home,
        database_url=source.text("database_url", _DEFAULT.database_url),
        pool_size=source.number("pool_size", _DEFAULT.pool_size, at_least=2),
        api_host=source.text("api_host", _DEFAULT.api_host),
        api_port=source.number("api_port", _DEFAULT.api_port, at_least=1, at_most=PORT_MAX),
        api_processes=source.number("api_processes", _DEFAULT.api_processes, at_least=1),
        api_keys=source.texts("api_keys"),
        actor=env.get(VARIABLES["actor"]) or env.get("USER") or _DEFAULT.actor,
        future_hours_max=source.number("future_hours_max", _DEFAULT.future_hours_max, at_least=0),
        metric_first_hours_max=source.number(
            "metric_first_hours_max", _DEFAULT.metric_first_hours_max, at_least=0
        ),
        log_format=source.choice("log_format", LOG_FORMATS),
        tryton_venv=Path(source.text("tryton_venv", str(_DEFAULT.tryton_venv))).absolute(),
        issuer=source.text("issuer", _DEFAULT.issuer),
        issuer_audience=source.text("issuer_audience", _DEFAULT.issuer_audience),
        issuer_keys=source.text("issuer_keys", _DEFAULT.issuer_keys),
        issuer_algorithms=source.texts("issuer_algorithms"),
        events_per_second=source.number("events_per_second", 0, at_least=0),
        requests_per_second=source.number("requests_per_second", 0, at_least=0),
        body_seconds=source.number("body_seconds", _DEFAULT.body_seconds, at_least=1),
        inflight_megabytes=source.number(
            "inflight_megabytes", _DEFAULT.inflight_megabytes, at_least=130
        ),
        wait_milliseconds_max=source.number(
            "wait_milliseconds_max", _DEFAULT.wait_milliseconds_max, at_least=50
        ),
        archive=source.text("archive", _DEFAULT.archive),
        seal_after_days=source.number("seal_after_days", _DEFAULT.seal_after_days, at_least=0),
        keep_raw_days=source.number("keep_raw_days", _DEFAULT.keep_raw_days, at_least=0),
        targets=_systems("targets", file.get("targets", {}), env),
        sources=_systems("sources", file.get("sources", {}), env),
    )


class _Source:
    """Where a setting's value comes from, and how messages name it."""

    def __init__(self, env: Mapping[str, str], file: Mapping[str, Any]) -> None:
        self._env = env
        self._file = file

    def text(self, name: str, default: str) -> str:
        value, said_by = self._find(name, default)
        if not isinstance(value, str):
            raise Rejected("config.not_text", f"{said_by} must be text, not {value!r}.")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value, said_by = self._find(name, [])
        if isinstance(value, str) and said_by == VARIABLES[name]:
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise Rejected(
                "config.not_a_list", f"{said_by} must be a list of texts, none of them empty."
            )
        return tuple(value)

    def number(self, name: str, default: int, *, at_least: int, at_most: int = 10**9) -> int:
        value, said_by = self._find(name, default)
        try:
            number = int(str(value))
        except ValueError:
            raise Rejected(
                "config.not_a_number", f"{said_by} must be a whole number, not {value!r}."
            ) from None
        if not at_least <= number <= at_most:
            raise Rejected(
                "config.out_of_range",
                f"{said_by} must be from {at_least} to {at_most}, not {number}.",
            )
        return number

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        value, said_by = self._find(name, options[0])
        if value not in options:
            raise Rejected(
                "config.not_an_option",
                f"{said_by} must be one of {', '.join(options)}, not {value!r}.",
            )
        return str(value)

    def _find(self, name: str, default: object) -> tuple[Any, str]:
        variable = VARIABLES[name]
        if self._env.get(variable):
            return self._env[variable], variable
        return self._file.get(name, default), f"{name} in {FILE_NAME}"


def _default_home(env: Mapping[str, str]) -> str:
    if os.geteuid() == 0:
        return "/var/lib/tollbook"
    base = env.get("XDG_DATA_HOME") or os.path.join(env.get("HOME", "."), ".local", "share")
    return os.path.join(base, "tollbook")


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Rejected("config.malformed", f"{path} is not valid TOML: {error}.") from error
    known = {*VARIABLES, "targets", "sources"} - _NOT_IN_FILE
    strange = sorted(found.keys() - known)
    if strange:
        raise Rejected(
            "config.unknown_setting",
            f"{path} has {', '.join(strange)}; there are {', '.join(sorted(known))}.",
        )
    return found


def _systems(section: str, found: object, env: Mapping[str, str]) -> dict[str, SystemSettings]:
    if not isinstance(found, dict):
        raise Rejected("config.malformed", f"{section} must be tables: [{section}.NAME].")
    return {name: _system(section, name, table, env) for name, table in found.items()}


def _system(section: str, name: str, table: object, env: Mapping[str, str]) -> SystemSettings:
    if not isinstance(table, dict) or "connector" not in table:
        raise Rejected(
            f"config.{section.removesuffix('s')}",
            f"[{section}.{name}] must say which connector it uses.",
        )
    options, missing = {}, []
    for key, value in table.items():
        if key.endswith("_env"):
            # A secret stays outside the file: `password_env = "ERP_PASSWORD"` names its variable.
            if value in env:
                options[key.removesuffix("_env")] = env[value]
            else:
                missing.append(str(value))
        elif key != "connector":
            options[key] = str(value)
    return SystemSettings(name, str(table["connector"]), options, tuple(missing))
