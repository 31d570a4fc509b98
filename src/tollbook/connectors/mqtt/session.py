"""Keeps one persistent MQTT session: what arrived, what we have in hand, what is acknowledged.

The client's own thread receives, answers pings and connects again; it only files what comes. All
else is asked for by the one thread that uses the source.
"""

import ssl
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from paho.mqtt.client import (
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTv5,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from tollbook.connectors.mqtt.settings import MqttSettings
from tollbook.errors import Blocked, Failure, Transient

ANSWER_SECONDS: Final = 10.0
RECONNECT_SECONDS_MAX: Final = 30
NEVER_SUBSCRIBED: Final = "tollbook/never-subscribed"

# Reason codes of MQTT 5 (section 2.4) that only a person can cure, and the one of a rival.
_DENIED: Final = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x9D})
_TAKEN_OVER: Final = 0x8E


@dataclass(slots=True, eq=False)
class Arrived:
    """A message in our hands. `connection` numbers the connection it last came by."""

    message: MQTTMessage
    connection: int
    is_settled: bool = False


class Session:
    """A persistent session at a broker, connected from `start` to `stop`."""

    def __init__(self, settings: MqttSettings) -> None:
        self._settings = settings
        self._changed = threading.Condition()
        self._waiting: deque[Arrived] = deque()
        self._held: dict[int, Arrived] = {}  # by packet id: what the broker still waits for
        self._connection = 0
        self._is_stopping = False
        self._is_connected = False
        self._is_ready = False  # connected and subscribed
        self._answered: int | None = None
        self._is_unconfirmed = False  # acknowledged, and not known to have been taken
        self._failure: Failure | None = None
        self._client = self._make_client()

    def start(self) -> None:
        """Connect and subscribe; Transient or Blocked tells why that was not possible."""
        settings = self._settings
        try:
            self._client.connect(
                settings.host,
                settings.port,
                keepalive=settings.keepalive_seconds,
                clean_start=False,
                properties=_connect_properties(settings),
            )
        except ssl.SSLError as error:
            raise Blocked(
                "capture.source_denied",
                f"No secure connection to {self._where}: {error.reason or error}.",
            ) from error
        except OSError as error:
            raise self._unreachable() from error
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready or self._failure, ANSWER_SECONDS)
            self._check()

    def take(self, count_max: int, *, wait_seconds: float) -> list[Arrived]:
        """Return what waits, in the order it came, waiting for the first of it.

        Transient when nothing waits and we are not connected; Blocked when we were sent away.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._failure, wait_seconds)
            if not self._waiting:
                self._check()
                # The client's thread ends without a word when it is sent what it cannot parse.
                # Starting it succeeds only then.
                if self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS:
                    raise self._unreachable()
            count = min(count_max, len(self._waiting))
            return [self._waiting.popleft() for _ in range(count)]

    def put_back(self, arrived: Sequence[Arrived]) -> None:
        """Let messages wait again, before all others."""
        with self._changed:
            self._waiting.extendleft(reversed(arrived))

    def settle(self, arrived: Sequence[Arrived]) -> None:
        """Acknowledge messages, in the order they came.

        One whose connection is gone is acknowledged when the broker sends it again. Returns when
        the broker has taken them, so that whoever reads next is not given the same.
        """
        with self._changed:
            ours = [one for one in arrived if self._held.get(one.message.mid) is one]
            for one in ours:
                one.is_settled = True
                self._acknowledge(one)
            self._confirm()

    def stop(self) -> None:
        """Disconnect; the broker keeps the session and all that was not acknowledged."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
            # A connection that is closed with unread bytes may take our last words along.
            self._confirm()
            self._held.clear()
            self._waiting.clear()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def _make_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2, settings.client_id, protocol=MQTTv5, manual_ack=True
        )
        client.reconnect_delay_set(1, RECONNECT_SECONDS_MAX)
        if settings.user:
            client.username_pw_set(settings.user, settings.password or None)
        if settings.tls:
            client.tls_set(
                settings.tls.authorities or None,
                settings.tls.certificate or None,
                settings.tls.key or None,
            )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _unreachable(self) -> Transient:
        return Transient(
            "capture.source_unreachable", f"The MQTT broker {self._where} does not answer."
        )

    def _check(self) -> None:
        if self._failure:
            raise self._failure
        if not self._is_ready:
            raise self._unreachable()

    def _acknowledge(self, one: Arrived) -> None:
        if one.connection == self._connection and self._is_connected:
            del self._held[one.message.mid]
            self._client.ack(one.message.mid, one.message.qos)
            self._is_unconfirmed = True

    def _confirm(self) -> None:
        """Wait until the broker has taken what we acknowledged, if we are connected.

        An acknowledgement is not answered. But a broker takes the packets of a connection in their
        order, so we ask for something that changes nothing, and wait for that answer.
        """
        if not (self._is_connected and self._is_unconfirmed):
            return
        result, mid = self._client.unsubscribe(NEVER_SUBSCRIBED)
        if result == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._answered == mid or not self._is_connected or self._is_full(),
                ANSWER_SECONDS,
            )
            self._is_unconfirmed = self._answered != mid

    def _fail(self, failure: Failure) -> None:
        self._failure = failure
        self._client.disconnect()  # do not come back by yourself
        self._changed.notify_all()

    def _on_connect(
        self,
        client: Client,
        userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        del userdata, properties
        with self._changed:
            if reason.is_failure:
                if reason.value in _DENIED:
                    words = f"The MQTT broker {self._where} does not let us in: {reason}."
                    self._fail(Blocked("capture.source_denied", words))
                return
            self._connection += 1
            self._is_connected = True
            if not flags.session_present:
                # The broker forgot what it sent us; what we still have is stored all the same.
                self._held.clear()
        # Without "send retained messages" every new start would bring each device's last one again.
        handling = (
            SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            if self._settings.takes_retained
            else SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        options = SubscribeOptions(qos=1, retainHandling=handling)
        client.subscribe([(name, options) for name in self._settings.filters])

    def _on_subscribe(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        del client, userdata, mid, properties
        with self._changed:
            for name, reason in zip(self._settings.filters, reasons, strict=True):
                if reason.is_failure:
                    words = f"The MQTT broker refuses the subscription {name}: {reason}."
                    self._fail(Blocked("capture.source_denied", words))
                elif reason.value == 0:
                    words = f"The MQTT broker grants {name} only QoS 0, which can lose usage."
                    self._fail(Blocked("capture.source_unfit", words))
            self._is_ready = self._failure is None
            self._changed.notify_all()

    def _on_unsubscribe(
        self,
        client: Client,
        userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        del client, userdata, reasons, properties
        with self._changed:
            self._answered = mid
            self._changed.notify_all()

    def _on_disconnect(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        del client, userdata, flags, properties
        with self._changed:
            self._is_connected = self._is_ready = False
            self._changed.notify_all()
            if reason.value == _TAKEN_OVER:
                words = (
                    f"Another connection uses the client id {self._settings.client_id}: give each "
                    "worker its own."
                )
                self._fail(Blocked("capture.source_taken_over", words))

    def _on_message(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        del userdata
        with self._changed:
            if message.retain and not self._settings.takes_retained:
                client.ack(message.mid, message.qos)
            elif message.qos == 0:
                # No acknowledgement holds the broker back here, so we only take what we have room for.
                if len(self._waiting) < self._settings.unacknowledged_max:
                    self._file(Arrived(message, self._connection))
            elif not self._is_known(message):
                arrived = Arrived(message, self._connection)
                self._held[message.mid] = arrived
                self._file(arrived)
                # Mosquitto 2.0.11 sends more than our Receive Maximum once we acknowledge. Then we
                # read no further until there is room, but often enough to answer its pings.
                self._changed.wait_for(
                    lambda: not self._is_full(), self._settings.keepalive_seconds / 3
                )

    def _is_full(self) -> bool:
        return not self._is_stopping and len(self._held) > self._settings.unacknowledged_max

    def _file(self, arrived: Arrived) -> None:
        self._waiting.append(arrived)
        self._changed.notify_all()

    def _is_known(self, message: MQTTMessage) -> bool:
        # After a new connection the broker sends what it still waits for again, with its packet id
        # and the DUP flag. What we have in hand already is not given twice.
        known = self._held.get(message.mid)
        if known is None or not message.dup or known.message.payload != message.payload:
            return False
        known.connection = self._connection
        if known.is_settled:
            self._acknowledge(known)
        return True


def _connect_properties(settings: MqttSettings) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = settings.session_seconds
    properties.ReceiveMaximum = settings.unacknowledged_max
    return properties
