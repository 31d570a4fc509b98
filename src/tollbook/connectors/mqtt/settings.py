"""The options of an MQTT source, read once and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tollbook.errors import Rejected
from tollbook.sdk.options import Options

PORT: Final = 1883
PORT_TLS: Final = 8883
CLIENT_ID: Final = "tollbook"
SESSION_SECONDS: Final = 30 * 24 * 3600
SESSION_SECONDS_MAX: Final = 2**32 - 1  # the protocol's "does not expire"
UNACKNOWLEDGED: Final = 5_000
UNACKNOWLEDGED_MAX: Final = 65_535  # the protocol's bound of Receive Maximum
KEEPALIVE_SECONDS: Final = 60
RETAINED: Final = ("ignore", "take")
_LEVEL: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
# `mapping` is not ours to read: it names what turns our records into events.
KNOWN: Final = frozenset(
    {
        "ca_file",
        "certificate_file",
        "client_id",
        "group",
        "host",
        "keepalive_seconds",
        "key_file",
        "mapping",
        "password",
        "port",
        "retained",
        "session_seconds",
        "tls",
        "topic_levels",
        "topics",
        "unacknowledged_max",
        "user",
    }
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Where the certificates are; empty means the system's authorities, no certificate of ours."""

    authorities: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """One MQTT source.

    `filters` are what is subscribed to, already shared if a group is named. `unacknowledged_max` is
    how many messages the broker may send ahead of our commits. `levels` names levels of a topic.
    """

    host: str
    port: int
    client_id: str
    filters: tuple[str, ...]
    user: str = ""
    password: str = ""
    tls: Tls | None = None
    session_seconds: int = SESSION_SECONDS
    unacknowledged_max: int = UNACKNOWLEDGED
    keepalive_seconds: int = KEEPALIVE_SECONDS
    takes_retained: bool = False
    levels: Mapping[int, str] | None = None
    is_shared: bool = False


def read_settings(options: Mapping[str, str]) -> MqttSettings:
    """Return the settings that the options say; Rejected names what is missing or wrong."""
    given = Options(options, known=KNOWN)
    tls = _tls(given)
    group = given.text("group")
    return MqttSettings(
        host=given.required("host"),
        port=given.number("port", PORT_TLS if tls else PORT, at_least=1, at_most=65_535),
        client_id=given.text("client_id", CLIENT_ID),
        filters=_filters(given, group),
        user=given.text("user"),
        password=given.text("password"),
        tls=tls,
        session_seconds=given.number(
            "session_seconds", SESSION_SECONDS, at_least=60, at_most=SESSION_SECONDS_MAX
        ),
        unacknowledged_max=given.number(
            "unacknowledged_max", UNACKNOWLEDGED, at_least=1, at_most=UNACKNOWLEDGED_MAX
        ),
        keepalive_seconds=given.number(
            "keepalive_seconds", KEEPALIVE_SECONDS, at_least=5, at_most=3600
        ),
        takes_retained=given.choice("retained", RETAINED) == "take",
        levels=_levels(given.text("topic_levels")),
        is_shared=bool(group),
    )


def _filters(given: Options, group: str) -> tuple[str, ...]:
    given.required("topics")
    if re.search(r"[/+#]", group):
        raise Rejected(
            "config.option_malformed", f"The group {group!r} must not contain /, + or #."
        )
    prefix = f"$share/{group}/" if group else ""
    return tuple(prefix + topic for topic in given.texts("topics"))


def _tls(given: Options) -> Tls | None:
    if not given.flag("tls", default=False):
        return None
    tls = Tls(given.text("ca_file"), given.text("certificate_file"), given.text("key_file"))
    for path in (tls.authorities, tls.certificate, tls.key):
        if path and not Path(path).is_file():
            raise Rejected("config.file_missing", f"There is no file {path}.")
    return tls


def _levels(pattern: str) -> dict[int, str]:
    named = {}
    for at, level in enumerate(pattern.split("/")):
        if match := _LEVEL.fullmatch(level):
            named[at] = match[1]
        elif "{" in level:
            raise Rejected(
                "config.option_malformed",
                f"topic_levels names whole levels, as in sites/{{site}}/{{device}}; not {level!r}.",
            )
    return named
