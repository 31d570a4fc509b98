"""A real nats-server with JetStream, and what publishes to it."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo

from sources.broker import Broker, free_port, program
from tollbook.connectors.nats.source import connect
from tollbook.sdk.source import Source
from tollbook.values.clock import SystemClock

T = TypeVar("T")


def start_nats(home: Path, *more: str) -> Broker:
    """Start a server that keeps its streams on disk."""
    port = free_port()
    broker = Broker(
        [
            program("nats-server"),
            "-js",
            "-a",
            "127.0.0.1",
            "-p",
            str(port),
            "-sd",
            str(home),
            *more,
        ],
        port,
        home / "nats.log",
    )
    broker.start()
    return broker


class NatsRig:
    """One stream and one durable consumer, whose messages come again after a second."""

    connector = "nats"

    def __init__(self, port: int, name: str, **options: str) -> None:
        self.url = f"nats://127.0.0.1:{port}"
        self.stream = re.sub(r"\W+", "-", name)
        self.options: Mapping[str, str] = {
            "servers": self.url,
            "stream": self.stream,
            "ack_wait_seconds": "1",
            **options,
        }
        self._run(self._add_stream)

    def put(self, bodies: Sequence[bytes]) -> None:
        """Publish bodies in structured mode."""
        self.publish([(body, {"Content-Type": "application/cloudevents+json"}) for body in bodies])

    def publish(self, messages: Sequence[tuple[bytes, Mapping[str, str]]]) -> None:
        """Publish bodies with headers, and wait until all are stored."""

        async def work(stream: JetStreamContext) -> None:
            for body, headers in messages:
                await stream.publish(f"{self.stream}.meter-7", body, headers=dict(headers))

        self._run(work)

    def connect(self) -> Source:
        """Make a source of the consumer."""
        source: Source = connect(self.options, SystemClock())
        return source

    def put_poison(self) -> bytes:
        """Publish what is not even text, under a header that the client takes for its own."""
        self.publish([(b"\xff\x00 not an event", {"Status": "404"})])
        return b"\xff\x00 not an event"

    def consumer(self) -> ConsumerInfo:
        """Return what the server knows of the consumer."""

        async def work(stream: JetStreamContext) -> ConsumerInfo:
            found: ConsumerInfo = await stream.consumer_info(self.stream, "tollbook")
            return found

        return self._run(work)

    def add_consumer(self, **settings: Any) -> None:
        """Make the consumer before the source does, with settings of its own."""

        async def work(stream: JetStreamContext) -> None:
            config = ConsumerConfig(durable_name="tollbook", **settings)
            await stream.add_consumer(self.stream, config)

        self._run(work)

    def delete_consumer(self) -> None:
        """Delete the consumer."""

        async def work(stream: JetStreamContext) -> None:
            await stream.delete_consumer(self.stream, "tollbook")

        self._run(work)

    async def _add_stream(self, stream: JetStreamContext) -> None:
        await stream.add_stream(name=self.stream, subjects=[f"{self.stream}.>"])

    def _run(self, work: Callable[[JetStreamContext], Coroutine[Any, Any, T]]) -> T:
        async def connected() -> T:
            client = await nats.connect(
                self.url, user=self.options.get("user"), password=self.options.get("password")
            )
            try:
                return await work(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(connected())
