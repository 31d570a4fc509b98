"""A real mosquitto, and devices that publish to it."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sources.broker import Broker, free_port, program
from tollbook.connectors.mqtt.source import MqttSource, connect
from tollbook.sdk.source import Source
from tollbook.values.clock import SystemClock

PUBLISH_SECONDS = 30


def start_mosquitto(home: Path, *lines: str) -> Broker:
    """Start a broker that keeps its sessions on disk and drops nothing for want of room."""
    port = free_port()
    listener = (
        [] if any(line.startswith("listener") for line in lines) else [f"listener {port} 127.0.0.1"]
    )
    said = [
        *listener,
        *(line.replace("PORT", str(port)) for line in lines),
        *([] if any("allow_anonymous" in line for line in lines) else ["allow_anonymous true"]),
        *([] if any("max_queued" in line for line in lines) else ["max_queued_messages 0"]),
        "persistence true",
        f"persistence_location {home}/",
        "user root",
    ]
    file = home / "mosquitto.conf"
    file.write_text("\n".join(said) + "\n")
    broker = Broker([program("mosquitto"), "-c", str(file)], port, home / "mosquitto.log")
    broker.start()
    return broker


@contextmanager
def device(port: int, name: str = "device") -> Iterator[Client]:
    """Give a connected device."""
    client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@contextmanager
def answering(*packets: bytes) -> Iterator[int]:
    """Give the port of a broker that answers each packet of one client with one it was told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer, args=(server, packets))
        thread.start()
        yield server.getsockname()[1]
    thread.join()


def _answer(server: socket.socket, packets: Sequence[bytes]) -> None:
    connection, _ = server.accept()
    with connection:
        for packet in packets:
            connection.recv(4096)
            connection.sendall(packet)
        while connection.recv(4096):
            pass


def properties(
    content_type: str = "", pairs: Sequence[tuple[str, str]] = (), **more: Any
) -> Properties:
    """Give the properties of a message."""
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if content_type:
        found.ContentType = content_type
    if pairs:
        found.UserProperty = list(pairs)
    for name, value in more.items():
        setattr(found, name, value)
    return found


def publish(client: Client, topic: str, body: bytes, **options: Any) -> None:
    """Publish with QoS 1 and wait until the broker has it."""
    client.publish(topic, body, **{"qos": 1, **options}).wait_for_publish(PUBLISH_SECONDS)


class MqttRig:
    """Devices of one topic, and a session that waits for them."""

    connector = "mqtt"

    def __init__(self, port: int, name: str, **options: str) -> None:
        self.port = port
        self.topic = f"{name}/meter-7/usage"
        self.options: Mapping[str, str] = {
            "host": "127.0.0.1",
            "port": str(port),
            "client_id": f"tollbook-{name}",
            "topics": f"{name}/+/usage",
            **options,
        }
        source = self.connect()
        source.open(lambda _: {})
        source.close()

    def put(self, bodies: Sequence[bytes]) -> None:
        """Publish bodies in structured mode."""
        said = properties("application/cloudevents+json")
        with device(self.port, f"device-{self.topic}") as client:
            sent = [client.publish(self.topic, body, qos=1, properties=said) for body in bodies]
            for one in sent:
                one.wait_for_publish(PUBLISH_SECONDS)

    def connect(self) -> Source:
        """Make a source of the session."""
        source: MqttSource = connect(self.options, SystemClock())
        return source

    def put_poison(self) -> bytes:
        """Publish what is not even text."""
        self.put([b"\xff\x00 not an event"])
        return b"\xff\x00 not an event"
