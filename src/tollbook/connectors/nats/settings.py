"""The options of a NATS JetStream source, read once and checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tollbook.errors import Rejected
from tollbook.sdk.options import Options

DURABLE: Final = "tollbook"
ACK_WAIT_SECONDS: Final = 60
UNACKNOWLEDGED: Final = 20_000
LEASE_SECONDS: Final = 600
# `mapping` is not ours to read: it names what turns our records into events.
KNOWN: Final = frozenset(
    {
        "ack_wait_seconds",
        "ca_file",
        "certificate_file",
        "create_consumer",
        "credentials_file",
        "durable",
        "key_file",
        "lease_seconds",
        "mapping",
        "password",
        "servers",
        "stream",
        "subject",
        "tls",
        "token",
        "unacknowledged_max",
        "user",
    }
)


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """One durable consumer of a stream.

    `ack_wait_seconds` and `unacknowledged_max` are what a consumer that we make is given; one that
    is there keeps its own. `lease_seconds` bounds how long a message is kept from other workers
    without a sign that ours is alive.
    """

    servers: tuple[str, ...]
    stream: str
    durable: str
    subject: str = ""
    creates_consumer: bool = True
    ack_wait_seconds: int = ACK_WAIT_SECONDS
    unacknowledged_max: int = UNACKNOWLEDGED
    lease_seconds: int = LEASE_SECONDS
    user: str = ""
    password: str = ""
    token: str = ""
    credentials_file: str = ""
    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


def read_settings(options: Mapping[str, str]) -> NatsSettings:
    """Return the settings that the options say; Rejected names what is missing or wrong."""
    given = Options(options, known=KNOWN)
    given.required("servers")
    return NatsSettings(
        servers=given.texts("servers"),
        stream=given.required("stream"),
        durable=given.text("durable", DURABLE),
        subject=given.text("subject"),
        creates_consumer=given.flag("create_consumer", default=True),
        ack_wait_seconds=given.number(
            "ack_wait_seconds", ACK_WAIT_SECONDS, at_least=1, at_most=3600
        ),
        unacknowledged_max=given.number(
            "unacknowledged_max", UNACKNOWLEDGED, at_least=1, at_most=1_000_000
        ),
        lease_seconds=given.number("lease_seconds", LEASE_SECONDS, at_least=1, at_most=86_400),
        user=given.text("user"),
        password=given.text("password"),
        token=given.text("token"),
        credentials_file=_file(given, "credentials_file"),
        tls=given.flag("tls", default=False),
        ca_file=_file(given, "ca_file"),
        certificate_file=_file(given, "certificate_file"),
        key_file=_file(given, "key_file"),
    )


def _file(given: Options, name: str) -> str:
    path = given.text(name)
    if path and not Path(path).is_file():
        raise Rejected("config.file_missing", f"There is no file {path}.")
    return path
