"""Serves the published Pub/Sub protocol over gRPC: deadlines, redelivery, ordering keys, exactly once.

Written from the protocol's own description (google/pubsub/v1/pubsub.proto) and Google's documents;
it imports nothing of the product.
"""

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.pubsub_v1 import types
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

PULL_SECONDS_MAX = 20.0


@dataclass
class Message:
    """A message of one subscription; `due` is when it may be delivered (again)."""

    number: int
    message: types.PubsubMessage
    due: float = 0.0
    ack_id: str = ""  # that of the newest delivery, empty while nobody has it
    deliveries: int = 0
    older_ids: set[str] = field(default_factory=set)


@dataclass
class Subscription:
    """What a subscription keeps; messages stand in the order they were published."""

    description: types.Subscription
    messages: dict[int, Message] = field(default_factory=dict)

    def deliverable(self, now: float, count: int) -> list[Message]:
        """Return what may be delivered now: of a key that somebody works on, nothing."""
        busy = {
            one.message.ordering_key
            for one in self.messages.values()
            if one.due > now and one.message.ordering_key
        }
        keeps_order = self.description.enable_message_ordering
        free = (
            one
            for _, one in sorted(self.messages.items())
            if one.due <= now and not (keeps_order and one.message.ordering_key in busy)
        )
        return list(itertools.islice(free, count))


class PubSubServer:
    """Topics and subscriptions in memory, served on the loopback from `start` to `stop`."""

    def __init__(self) -> None:
        self.port = 0
        self.is_away = False  # answer everything with UNAVAILABLE
        self.acks_to_fail = 0  # how many acknowledgements fail for the moment
        self.calls: list[str] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._subscriptions: dict[str, Subscription] = {}
        self._server: grpc.Server | None = None

    def start(self) -> None:
        """Listen on a free port."""
        self._server = grpc.server(ThreadPoolExecutor(32))
        self._server.add_generic_rpc_handlers((self._publisher(), self._subscriber()))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        """Stop listening."""
        assert self._server is not None
        self._server.stop(grace=None).wait()

    def waiting(self, name: str) -> int:
        """Return how many messages of a subscription are not acknowledged."""
        with self._changed:
            return len(self._subscriptions[name].messages)

    def expire(self, name: str) -> None:
        """Let the deadline of every message that somebody has be over."""
        with self._changed:
            for one in self._subscriptions[name].messages.values():
                one.due = 0.0
            self._changed.notify_all()

    def _publisher(self) -> grpc.GenericRpcHandler:
        return _service(
            "google.pubsub.v1.Publisher",
            {
                "CreateTopic": (self._create_topic, types.Topic, types.Topic),
                "Publish": (self._publish, types.PublishRequest, types.PublishResponse),
            },
        )

    def _subscriber(self) -> grpc.GenericRpcHandler:
        return _service(
            "google.pubsub.v1.Subscriber",
            {
                "CreateSubscription": (self._create, types.Subscription, types.Subscription),
                "Pull": (self._pull, types.PullRequest, types.PullResponse),
                "Acknowledge": (self._acknowledge, types.AcknowledgeRequest, None),
                "ModifyAckDeadline": (self._modify, types.ModifyAckDeadlineRequest, None),
            },
        )

    def _create_topic(self, topic: types.Topic, context: grpc.ServicerContext) -> types.Topic:
        del context
        return topic

    def _create(
        self, said: types.Subscription, context: grpc.ServicerContext
    ) -> types.Subscription:
        del context
        with self._changed:
            self._subscriptions[said.name] = Subscription(said)
        return said

    def _publish(
        self, said: types.PublishRequest, context: grpc.ServicerContext
    ) -> types.PublishResponse:
        del context
        ids = []
        with self._changed:
            for message in said.messages:
                number = next(self._numbers)
                message.message_id = str(number)
                message.publish_time = datetime.now(UTC)
                ids.append(message.message_id)
                for one in self._subscriptions.values():
                    if one.description.topic == said.topic:
                        one.messages[number] = Message(number, message)
            self._changed.notify_all()
        return types.PublishResponse(message_ids=ids)

    def _pull(self, said: types.PullRequest, context: grpc.ServicerContext) -> types.PullResponse:
        until = time.monotonic() + min(PULL_SECONDS_MAX, context.time_remaining() or 0.0)
        with self._changed:
            subscription = self._find(said.subscription, context)
            while True:
                now = time.monotonic()
                # A caller that went away takes no messages along.
                is_there = context.is_active() and now < until
                found = subscription.deliverable(now, said.max_messages) if is_there else []
                if found or not is_there:
                    break
                self._changed.wait(0.02)
            seconds = subscription.description.ack_deadline_seconds or 10
            received = [_deliver(one, now + seconds) for one in found]
        return types.PullResponse(received_messages=received)

    def _acknowledge(
        self, said: types.AcknowledgeRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        with self._changed:
            subscription = self._find(said.subscription, context)
            if subscription.description.enable_exactly_once_delivery and self.acks_to_fail:
                self.acks_to_fail -= 1
                _blame(context, dict.fromkeys(said.ack_ids, "TRANSIENT_FAILURE_UNORDERED_ACK_ID"))
            bad = {}
            for ack_id in said.ack_ids:
                one = self._owner(subscription, ack_id)
                if one is None:
                    bad[ack_id] = "PERMANENT_FAILURE_INVALID_ACK_ID"
                else:
                    del subscription.messages[one.number]
            self._changed.notify_all()
            if bad and subscription.description.enable_exactly_once_delivery:
                _blame(context, bad)
        return empty_pb2.Empty()

    def _modify(
        self, said: types.ModifyAckDeadlineRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        with self._changed:
            subscription = self._find(said.subscription, context)
            bad = {}
            for ack_id in said.ack_ids:
                one = self._owner(subscription, ack_id)
                if one is None:
                    bad[ack_id] = "PERMANENT_FAILURE_INVALID_ACK_ID"
                else:
                    one.due = time.monotonic() + said.ack_deadline_seconds
            self._changed.notify_all()
            if bad and subscription.description.enable_exactly_once_delivery:
                _blame(context, bad)
        return empty_pb2.Empty()

    def _owner(self, subscription: Subscription, ack_id: str) -> Message | None:
        """Return the message that an ack id may still settle."""
        strict = subscription.description.enable_exactly_once_delivery
        for one in subscription.messages.values():
            if one.ack_id == ack_id:
                return None if strict and one.due <= time.monotonic() else one
            if ack_id in one.older_ids and not strict:
                return one
        return None

    def _find(self, name: str, context: grpc.ServicerContext) -> Subscription:
        if self.is_away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away for a test")
        if name not in self._subscriptions:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")
        return self._subscriptions[name]


def _deliver(one: Message, due: float) -> types.ReceivedMessage:
    if one.ack_id:
        one.older_ids.add(one.ack_id)
    one.deliveries += 1
    one.due = due
    one.ack_id = f"{one.number}-{one.deliveries}"
    return types.ReceivedMessage(ack_id=one.ack_id, message=one.message)


def _blame(context: grpc.ServicerContext, reasons: Mapping[str, str]) -> None:
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason="ACK_FAILURES", metadata=reasons))
    status = status_pb2.Status(
        code=grpc.StatusCode.FAILED_PRECONDITION.value[0],
        message="Some acknowledgement ids in the request were invalid.",
        details=[detail],
    )
    context.abort_with_status(rpc_status.to_status(status))


def _service(
    name: str, methods: Mapping[str, tuple[Callable[..., Any], Any, Any]]
) -> grpc.GenericRpcHandler:
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            behaviour,
            request_deserializer=request.deserialize,
            response_serializer=response.serialize
            if response is not None
            else empty_pb2.Empty.SerializeToString,
        )
        for method, (behaviour, request, response) in methods.items()
    }
    return grpc.method_handlers_generic_handler(name, handlers)
