"""Reads the options of a Kafka source, and turns them into those of its client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tollbook.errors import Rejected

Format = Literal["cloudevents", "json", "avro"]
Start = Literal["earliest", "latest"]
Framing = Literal["bare", "confluent"]

# Ours -> the client's (librdkafka's).
_PASSED: Final[Mapping[str, str]] = {
    "bootstrap_servers": "bootstrap.servers",
    "group": "group.id",
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "username": "sasl.username",
    "password": "sasl.password",
    "ssl_ca_file": "ssl.ca.location",
    "ssl_certificate_file": "ssl.certificate.location",
    "ssl_key_file": "ssl.key.location",
    "ssl_key_password": "ssl.key.password",
    "oauth_token_url": "sasl.oauthbearer.token.endpoint.url",
    "oauth_client_id": "sasl.oauthbearer.client.id",
    "oauth_client_secret": "sasl.oauthbearer.client.secret",
    "oauth_scope": "sasl.oauthbearer.scope",
}
_OWN: Final = frozenset(
    {
        "topics",
        "format",
        "start",
        "mapping",
        "schema_registry",
        "schema_registry_user",
        "schema_registry_password",
        "schema_file",
        "avro_framing",
    }
)
# What our promises rest on; nobody sets these.
_FIXED: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # A position that is gone is told to a person, never skipped over.
    "auto.offset.reset": "error",
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    # One assignment is taken back before the next is given: no lane is ours in two ways at once.
    "partition.assignment.strategy": "range,roundrobin",
    "group.protocol": "classic",
}
_DEFAULT: Final[Mapping[str, Any]] = {
    "client.id": "tollbook",
    # What goes wrong is told by our reports; the client would write a line for each attempt.
    "log_level": 2,
    "queued.min.messages": 50_000,
    "socket.keepalive.enable": True,
}


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """How a Kafka source is configured; `client` are the settings of the client library."""

    topics: tuple[str, ...]
    client: Mapping[str, Any]
    format: Format = "cloudevents"
    start: Start = "earliest"
    is_mapped: bool = False
    schema_registry: str = ""
    schema_registry_user: str = ""
    schema_registry_password: str = ""
    schema_file: str = ""
    avro_framing: Framing = "confluent"


def read_options(options: Mapping[str, str]) -> KafkaOptions:
    """Check options; Rejected names what is missing, unknown or contradictory.

    An option with a dot in its name is handed to the client library as it is.
    """
    strange = sorted(
        name for name in options if name not in _PASSED and name not in _OWN and "." not in name
    )
    if strange:
        known = ", ".join(sorted({*_PASSED, *_OWN}))
        raise Rejected(
            "config.unknown_option", f"A Kafka source has no {', '.join(strange)}; it has {known}."
        )
    fixed = sorted(_FIXED.keys() & options.keys())
    if fixed:
        raise Rejected(
            "config.fixed_option",
            f"{', '.join(fixed)} cannot be set: that nothing is lost or doubled rests on it.",
        )
    topics = tuple(part.strip() for part in options.get("topics", "").split(",") if part.strip())
    for name in ("bootstrap_servers", "topics", "group"):
        if not (topics if name == "topics" else options.get(name)):
            raise Rejected("config.option_missing", f"A Kafka source needs {name}.")
    client = {
        **_DEFAULT,
        **{_PASSED[name]: value for name, value in options.items() if name in _PASSED},
        **{name: value for name, value in options.items() if "." in name},
        **_FIXED,
    }
    if "oauth_token_url" in options:
        client.setdefault("sasl.oauthbearer.method", "oidc")
    return _with_avro(
        options,
        KafkaOptions(
            topics,
            client,
            format=_choice(options, "format", ("cloudevents", "json", "avro")),
            start=_choice(options, "start", ("earliest", "latest")),
            is_mapped=bool(options.get("mapping")),
            schema_registry=options.get("schema_registry", "").rstrip("/"),
            schema_registry_user=options.get("schema_registry_user", ""),
            schema_registry_password=options.get("schema_registry_password", ""),
            schema_file=options.get("schema_file", ""),
            avro_framing=_choice(options, "avro_framing", ("confluent", "bare")),
        ),
    )


def _with_avro(options: Mapping[str, str], read: KafkaOptions) -> KafkaOptions:
    if read.format != "avro":
        return read
    if bool(read.schema_registry) == bool(read.schema_file):
        raise Rejected(
            "config.option_missing",
            "A Kafka source of Avro needs either schema_registry or schema_file.",
        )
    if read.schema_registry and options.get("avro_framing") == "bare":
        raise Rejected("config.option_missing", "Bare Avro names no schema: it needs schema_file.")
    return read


def _choice(options: Mapping[str, str], name: str, choices: tuple[Any, ...]) -> Any:
    value = options.get(name, choices[0])
    if value not in choices:
        raise Rejected(
            "config.not_an_option", f"{name} must be one of {', '.join(choices)}, not {value!r}."
        )
    return value
