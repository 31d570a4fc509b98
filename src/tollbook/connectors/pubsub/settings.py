"""The options of a Google Pub/Sub source, read once and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tollbook.errors import Rejected
from tollbook.sdk.options import Options

# Pub/Sub takes up to 600 seconds, and makes them at least 60 where it delivers exactly once.
DEADLINE_SECONDS: Final = 60
LEASE_SECONDS: Final = 600
_PATH: Final = re.compile(r"projects/[^/]+/subscriptions/[^/]+")
# `mapping` is not ours to read: it names what turns our records into events.
KNOWN: Final = frozenset(
    {
        "credentials",
        "credentials_file",
        "deadline_seconds",
        "endpoint",
        "insecure",
        "lease_seconds",
        "mapping",
        "project",
        "subscription",
    }
)


@dataclass(frozen=True, slots=True)
class PubSubSettings:
    """One subscription.

    `endpoint` replaces Google's own address, with TLS unless it is `is_insecure` (an emulator).
    `deadline_seconds` is how far each extension of a lease reaches; `lease_seconds` bounds how long
    a message is kept from other workers without a sign that ours is alive. `credentials` is a
    service account key as JSON; without it and without a file, Google's own rules find one.
    """

    subscription: str
    endpoint: str = ""
    is_insecure: bool = False
    deadline_seconds: int = DEADLINE_SECONDS
    lease_seconds: int = LEASE_SECONDS
    credentials_file: str = ""
    credentials: str = ""


def read_settings(options: Mapping[str, str]) -> PubSubSettings:
    """Return the settings that the options say; Rejected names what is missing or wrong."""
    given = Options(options, known=KNOWN)
    settings = PubSubSettings(
        subscription=_subscription(given),
        endpoint=given.text("endpoint"),
        is_insecure=given.flag("insecure", default=False),
        deadline_seconds=given.number(
            "deadline_seconds", DEADLINE_SECONDS, at_least=1, at_most=600
        ),
        lease_seconds=given.number("lease_seconds", LEASE_SECONDS, at_least=1, at_most=86_400),
        credentials_file=given.text("credentials_file"),
        credentials=given.text("credentials"),
    )
    if settings.is_insecure and not settings.endpoint:
        raise Rejected(
            "config.option_missing", "A connection without TLS needs an endpoint: add it."
        )
    if settings.credentials_file and not Path(settings.credentials_file).is_file():
        raise Rejected("config.file_missing", f"There is no file {settings.credentials_file}.")
    return settings


def _subscription(given: Options) -> str:
    name = given.required("subscription")
    path = name if "/" in name else f"projects/{given.required('project')}/subscriptions/{name}"
    if not _PATH.fullmatch(path):
        raise Rejected(
            "config.option_malformed",
            f"The subscription is a name, or projects/PROJECT/subscriptions/NAME; not {name!r}.",
        )
    return path
