"""A topic with its subscription, at any server that speaks the Pub/Sub protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from google.cloud.pubsub_v1 import SubscriberClient
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tollbook.connectors.pubsub.source import connect
from tollbook.sdk.source import Source
from tollbook.values.clock import SystemClock

BATCH = 500


class PubSubRig:
    """One topic and one subscription, whose messages come again after two seconds."""

    connector = "pubsub"

    def __init__(self, port: int, name: str, **settings: Any) -> None:
        self._endpoint = f"127.0.0.1:{port}"
        self.topic = f"projects/test/topics/{name}"
        self.subscription = f"projects/test/subscriptions/{name}"
        self.options: Mapping[str, str] = {
            "subscription": self.subscription,
            "endpoint": self._endpoint,
            "insecure": "true",
            "deadline_seconds": "2",
        }
        with self._publisher() as publisher:
            publisher.create_topic(name=self.topic)
        channel = grpc.insecure_channel(self._endpoint)
        transport = SubscriberGrpcTransport(host=self._endpoint, channel=channel)
        with SubscriberClient(transport=transport) as subscriber:
            subscriber.create_subscription(
                request={
                    "name": self.subscription,
                    "topic": self.topic,
                    "ack_deadline_seconds": 10,
                    **settings,
                }
            )

    def put(self, bodies: Sequence[bytes]) -> None:
        """Publish bodies in structured mode."""
        said = {"content-type": "application/cloudevents+json"}
        self.publish([{"data": body, "attributes": said} for body in bodies])

    def publish(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Publish messages."""
        with self._publisher() as publisher:
            for start in range(0, len(messages), BATCH):
                some = [dict(one) for one in messages[start : start + BATCH]]
                publisher.publish(request={"topic": self.topic, "messages": some})

    def connect(self) -> Source:
        """Make a source of the subscription."""
        source: Source = connect(self.options, SystemClock())
        return source

    def put_poison(self) -> bytes:
        """Publish what is not even text."""
        self.publish([{"data": b"\xff\x00 not an event"}])
        return b"\xff\x00 not an event"

    def _publisher(self) -> PublisherClient:
        channel = grpc.insecure_channel(self._endpoint)
        return PublisherClient(
            transport=PublisherGrpcTransport(host=self._endpoint, channel=channel)
        )
