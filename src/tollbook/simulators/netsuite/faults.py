"""The faults that can be switched on, and the seeded decision whether one fires now."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from random import Random
from typing import Any, Final

from tollbook.simulators.netsuite.wire import JsonObject

CREATE: Final = "create"
UPSERT: Final = "upsert"
LOOKUP: Final = "lookup"
QUERY: Final = "query"
TOKEN: Final = "token"  # noqa: S105 - the name of an operation
WRITES: Final = (CREATE, UPSERT)
RECORD_OPERATIONS: Final = (CREATE, UPSERT, LOOKUP, QUERY)
OPERATIONS: Final = (*RECORD_OPERATIONS, TOKEN)

FOREVER: Final = -1


@dataclass(frozen=True)
class Fault:
    """How often one fault fires, on what, and with which particulars."""

    probability: float = 0.0
    times: int = FOREVER  # at most so many firings
    on: tuple[str, ...] = RECORD_OPERATIONS
    record: str | None = None  # only this record type
    seconds: tuple[float, float] = (0.0, 0.0)
    commit: bool = False  # the write is carried out before the bad answer
    hold: bool = False  # commit_late: keep the connection open until the commit


FAULTS: Final[dict[str, Fault]] = {
    "refuse_connection_reset_before_commit": Fault(),
    "hang": Fault(seconds=(30.0, 30.0)),
    "http_503": Fault(),
    "http_429": Fault(),
    "html_502": Fault(),
    "garbage_json_200": Fault(commit=True),
    "expire_token": Fault(),
    "slow": Fault(seconds=(1.0, 1.0)),
    "closed_period": Fault(on=WRITES),
    "commit_late": Fault(on=WRITES, seconds=(0.5, 2.0)),
    "lose_reply_after_commit": Fault(on=WRITES, commit=True),
    "http_500_after_commit": Fault(on=WRITES, commit=True),
}
# Only these two may be told whether the write happens; for the others the name says it.
COMMIT_CHOICE: Final = ("html_502", "garbage_json_200")
NEEDS_WRITE: Final = (
    "closed_period",
    "commit_late",
    "lose_reply_after_commit",
    "http_500_after_commit",
)


@dataclass(frozen=True)
class Switches:
    """Account preferences and limits that hold until changed."""

    unique_external_id: bool = True
    move_closed_period: bool = False
    allow_date_outside_period: bool = False
    concurrency_limit: int = 5
    bearer_seconds: int = 3600


@dataclass(frozen=True)
class Settings:
    """Everything that PUT /_sim/faults or --faults can say."""

    faults: Mapping[str, Fault] = field(default_factory=dict)
    switches: Switches = field(default_factory=Switches)


SWITCH_NAMES: Final = tuple(each.name for each in fields(Switches))


def settings_from(config: JsonObject) -> Settings:
    """Read a flat JSON object of faults and switches; unknown names are a ValueError."""
    found: dict[str, Fault] = {}
    switches: dict[str, Any] = {}
    for name, value in config.items():
        if name in SWITCH_NAMES:
            switches[name] = _switch(name, value)
        elif name in FAULTS:
            found[name] = _fault(name, value)
        else:
            raise ValueError(f"unknown fault or switch: {name}")
    return Settings(found, Switches(**switches))


def described(settings: Settings) -> JsonObject:
    """Return the settings in the form they are read in, for display."""
    shown: JsonObject = dict(asdict(settings.switches))
    for name, fault in settings.faults.items():
        shown[name] = {
            "probability": Decimal(str(fault.probability)),
            "times": None if fault.times == FOREVER else fault.times,
            "on": list(fault.on),
            "record": fault.record,
            "seconds": [Decimal(str(bound)) for bound in fault.seconds],
            "commit": fault.commit,
            "hold": fault.hold,
        }
    return shown


def _switch(name: str, value: object) -> object:
    wanted = type(getattr(Switches(), name))
    if type(value) is not wanted:
        raise ValueError(f"{name} must be a {wanted.__name__}")
    if wanted is int and isinstance(value, int) and value < 0:
        raise ValueError(f"{name} must not be negative")
    return value


def _fault(name: str, value: Any) -> Fault:
    particulars: JsonObject = value if isinstance(value, dict) else {"probability": value}
    default = FAULTS[name]
    unknown = set(particulars) - {each.name for each in fields(Fault)}
    if unknown:
        raise ValueError(f"{name}: unknown {', '.join(sorted(unknown))}")
    times = particulars.get("times")
    commit = bool(particulars.get("commit", default.commit))
    if commit is not default.commit and name not in COMMIT_CHOICE:
        raise ValueError(f"{name}: commit cannot be chosen")
    return Fault(
        probability=_probability(name, particulars.get("probability", times is not None)),
        times=FOREVER if times is None else int(times),
        on=_operations(name, particulars.get("on", default.on)),
        record=particulars.get("record"),
        seconds=_range(name, particulars.get("seconds", default.seconds)),
        commit=commit,
        hold=bool(particulars.get("hold", default.hold)),
    )


def _probability(name: str, value: object) -> float:
    if not isinstance(value, bool | int | float | Decimal) or not 0 <= value <= 1:
        raise ValueError(f"{name}: a probability lies between 0 and 1")
    return float(value)


def _operations(name: str, value: object) -> tuple[str, ...]:
    wanted = [value] if isinstance(value, str) else value
    allowed = WRITES if name in NEEDS_WRITE else OPERATIONS
    if not isinstance(wanted, list | tuple) or not set(wanted) <= set(allowed):
        raise ValueError(f"{name}: on may only name {', '.join(allowed)}")
    return tuple(wanted)


def _range(name: str, value: Any) -> tuple[float, float]:
    bounds = value if isinstance(value, list | tuple) else [value, value]
    if len(bounds) != 2 or not all(isinstance(each, int | float | Decimal) for each in bounds):
        raise ValueError(f"{name}: seconds is a number or [least, most]")
    least, most = float(bounds[0]), float(bounds[1])
    if not 0 <= least <= most:
        raise ValueError(f"{name}: seconds must be [least, most]")
    return least, most


@dataclass(frozen=True)
class Aim:
    """What a request is about, as far as choosing a fault goes."""

    operation: str
    record: str
    key: str


@dataclass(frozen=True)
class Firing:
    """One fault that fires now."""

    name: str
    seconds: float
    hold: bool


class Weather:
    """The faults in force.

    A draw depends on the seed, the document and how often that document came by, not on the order
    of threads, so one seed gives one story even with 50 connections.
    """

    def __init__(self, settings: Settings, seed: str, on_fired: Callable[[str], None]) -> None:
        """Start with these settings; `on_fired` is told of every fault that really fires."""
        self._lock = threading.Lock()
        self._settings = settings
        self._seed = seed
        self._on_fired = on_fired
        self._left: dict[str, int] = {}
        self._seen: dict[tuple[str, Aim], int] = {}
        self.set(settings)

    @property
    def settings(self) -> Settings:
        """Return the settings in force."""
        return self._settings

    @property
    def switches(self) -> Switches:
        """Return the switches in force."""
        return self._settings.switches

    def set(self, settings: Settings) -> None:
        """Replace the settings; draws already made are not forgotten."""
        with self._lock:
            self._settings = settings
            self._left = {name: fault.times for name, fault in settings.faults.items()}

    def draw(self, name: str, aim: Aim, *, committed: bool) -> Firing | None:
        """Decide whether this fault fires on this request, before or after its write."""
        fault = self._settings.faults.get(name)
        if fault is None or aim.operation not in fault.on:
            return None
        if fault.record not in (None, aim.record):
            return None
        if committed is not (fault.commit and aim.operation in WRITES):
            return None
        with self._lock:
            if self._left.get(name, 0) == 0:
                return None
            occurrence = self._seen.get((name, aim), 0) + 1
            self._seen[name, aim] = occurrence
            chance = Random(f"{self._seed}|{name}|{aim}|{occurrence}")
            if chance.random() >= fault.probability:
                return None
            if self._left[name] > 0:
                self._left[name] -= 1
        self._on_fired(name)
        return Firing(name, chance.uniform(*fault.seconds), fault.hold)
