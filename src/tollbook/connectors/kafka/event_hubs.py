"""Reads usage from Azure Event Hubs by its Kafka endpoint: the Kafka source with presets."""

from collections.abc import Mapping
from typing import Final

from tollbook.connectors.kafka.source import KafkaSource
from tollbook.connectors.kafka.source import connect as connect_kafka
from tollbook.errors import Rejected
from tollbook.values.clock import Clock

PORT: Final = 9093

# Azure cuts connections that are idle for 240 seconds, and asks for these settings.
PRESETS: Final[Mapping[str, str]] = {
    "security_protocol": "SASL_SSL",
    "metadata.max.age.ms": "180000",
    "topic.metadata.refresh.interval.ms": "180000",
    "connections.max.idle.ms": "180000",
    "socket.keepalive.enable": "true",
    "socket.timeout.ms": "60000",
}


def connect(options: Mapping[str, str], clock: Clock) -> KafkaSource:
    """Make a source on the event hubs of a namespace; Rejected when an option is wrong."""
    return connect_kafka(kafka_options(options), clock)


def kafka_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options of the Kafka source that those of Event Hubs stand for.

    `namespace` (name or host), `hubs` for topics, and `connection_string`, or else the options of
    OAUTHBEARER for Entra ID.
    """
    given = dict(options)
    namespace = given.pop("namespace", "")
    hubs = given.pop("hubs", "")
    secret = given.pop("connection_string", "")
    if not namespace or not hubs:
        raise Rejected("config.option_missing", "An Event Hubs source needs namespace and hubs.")
    host = namespace if "." in namespace else f"{namespace}.servicebus.windows.net"
    found = {**PRESETS, "bootstrap_servers": f"{host}:{PORT}", "topics": hubs}
    if secret:
        found |= {
            "sasl_mechanism": "PLAIN",
            "username": "$ConnectionString",
            "password": secret,
        }
    elif "oauth_token_url" in given:
        found["sasl_mechanism"] = "OAUTHBEARER"
    else:
        raise Rejected(
            "config.option_missing",
            "An Event Hubs source needs connection_string, or oauth_token_url for Entra ID.",
        )
    return found | given
