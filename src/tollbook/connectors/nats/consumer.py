"""Pulls from one durable JetStream consumer and keeps what it has in hand from being given away.

Everything here runs in the private loop of the connector. Pulling is written out, instead of using
the client's `fetch`, for three reasons: `fetch` takes any message with a header named Status for an
answer of the server and drops it; what waits in the client must be extended too; and the next
messages travel while the last ones are being stored.
"""

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo
from nats.js.errors import APIError, NotFoundError, ServerError, ServiceUnavailableError

from tollbook.connectors.nats.settings import NatsSettings
from tollbook.errors import Blocked, Failure, Transient

MISSING: Final = "capture.source_missing"
ANSWER_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 20.0
LOOK_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 0.25
RECONNECT_SECONDS: Final = 1
# More than the 64 MiB a server can be set to let through at most: one message always fits.
REQUEST_BYTES_MAX: Final = 100 * 1024 * 1024
ACK_SUBJECT: Final = "$JS.ACK."
LOOK_SUBJECT: Final = "stream.msg.get"
PROGRESS: Final = b"+WPI"
NOT_NOW: Final = b"-NAK"


@dataclass(slots=True, eq=False)
class Held:
    """A message in our hands; `reply` is where its newest delivery is answered."""

    message: Msg
    sequence: int
    reply: str
    extensions_left: int


class Consumer:
    """A connection and its consumer, from `open` to `close`."""

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._client = Client()
        self._changed = asyncio.Condition()
        self._waiting: deque[Held] = deque()
        self._held: dict[int, Held] = {}
        self._request = 0
        self._asked = 0
        self._asked_until = 0.0
        self._failure: Failure | None = None
        self._may_look = True
        self._errors = 0
        # Set when there is no use in trying to connect any longer.
        self._denied = asyncio.get_running_loop().create_future()
        self._ack_wait = float(settings.ack_wait_seconds)
        self._keeper: asyncio.Task[None] | None = None
        self._inbox = self._client.new_inbox()
        self._subscription: Subscription | None = None

    async def open(self) -> None:
        """Connect, find or make the consumer, and listen; Blocked or Transient tells why not."""
        await self._connect()
        info = await self._consumer()
        self._ack_wait = info.config.ack_wait or self._ack_wait
        self._subscription = await self._client.subscribe(
            f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self._keeper = asyncio.create_task(self._extend_until_closed())

    async def take(self, count_max: int, *, wait_seconds: float) -> list[Held]:
        """Return what came, asking the server for more, and waiting for the first of it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_seconds
        while not self._waiting:
            left = until - loop.time()
            if self._client.is_reconnecting and left > 0:
                await self._wait(min(left, PAUSE_SECONDS))
                continue
            self._check()
            if left <= 0:
                return []
            await self._ask(count_max)
            await self._wait(min(left, self._asked_until - loop.time()))
        taken = [self._waiting.popleft() for _ in range(min(count_max, len(self._waiting)))]
        # The next ones travel while these are stored.
        await self._ask(count_max)
        return taken

    async def settle(self, held: Iterable[Held]) -> None:
        """Acknowledge messages; those that are not in our hands any more are left alone.

        Returns when the server has taken all: acknowledgements are processed in their order, so
        only the last one is asked to be answered.
        """
        ours = self._drop(held)
        try:
            for one in ours[:-1]:
                await self._client.publish(one.reply)
            for one in ours[-1:]:
                await self._client.request(one.reply, b"", timeout=ANSWER_SECONDS)
        except nats.errors.Error as error:
            raise self._unreachable() from error

    async def give_back(self, held: Iterable[Held]) -> None:
        """Have messages delivered again, to us or to another worker."""
        for one in self._drop(held):
            await self._client.publish(one.reply, NOT_NOW)
        await self._flush()

    async def renew(self, held: Iterable[Held]) -> None:
        """Extend messages for another full lease."""
        for one in held:
            one.extensions_left = self._extensions()

    async def info(self) -> ConsumerInfo:
        """Return what the server knows of the consumer."""
        try:
            found: ConsumerInfo = await self._stream_context().consumer_info(
                self._settings.stream, self._settings.durable
            )
        except NotFoundError as error:
            raise self._missing() from error
        except nats.errors.Error as error:
            raise self._failure or self._unreachable() from error
        return found

    async def oldest(self, info: ConsumerInfo) -> datetime | None:
        """Return when the oldest message that is not acknowledged was published, if we may ask."""
        if not self._may_look:
            return None
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        try:
            found = await self._client.jetstream(timeout=LOOK_SECONDS).get_msg(
                self._settings.stream,
                seq=floor + 1,
                subject=info.config.filter_subject or ">",
                next=True,
            )
        except NotFoundError:
            return None
        except nats.errors.Error:
            self._may_look = False  # it takes a permission of its own, which reading does not need
            return None
        at: datetime | None = found.time
        return at

    async def close(self) -> None:
        """Give back what is in our hands, and disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._client.is_connected:
            # If it cannot be told, it comes again when its time is over.
            with contextlib.suppress(Transient, nats.errors.Error):
                if self._subscription is not None:
                    # Else our own standing request would be answered with what we give back.
                    await self._subscription.unsubscribe()
                    await self._flush()
                await self.give_back(list(self._held.values()))
        with contextlib.suppress(OSError, nats.errors.Error):
            await self._client.close()

    async def _connect(self) -> None:
        connecting = asyncio.create_task(self._dial())
        await asyncio.wait(
            {connecting, self._denied}, timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not connecting.done():
            connecting.cancel()
            await self._client.close()
            raise self._failure or self._unreachable()
        try:
            connecting.result()
        except (OSError, nats.errors.Error) as error:
            raise self._failure or self._unreachable() from error

    async def _dial(self) -> None:
        settings = self._settings
        await self._client.connect(
            servers=list(settings.servers),
            name=settings.durable,
            error_cb=self._on_error,
            reconnected_cb=self._on_reconnected,
            reconnect_time_wait=RECONNECT_SECONDS,
            max_reconnect_attempts=-1,
            user=settings.user or None,
            password=settings.password or None,
            token=settings.token or None,
            user_credentials=settings.credentials_file or None,
            tls=_tls(settings),
        )

    def _stream_context(self) -> JetStreamContext:
        return self._client.jetstream(timeout=ANSWER_SECONDS)

    async def _consumer(self) -> ConsumerInfo:
        settings = self._settings
        try:
            info = await self.info()
        except Blocked as blocked:
            if blocked.code != MISSING or not settings.creates_consumer:
                raise
            info = await self._make_consumer()
        config = info.config
        if config.ack_policy != AckPolicy.EXPLICIT or config.deliver_subject:
            words = f"The consumer {settings.durable} is not a pull consumer with explicit acks."
            raise Blocked("capture.source_unfit", words)
        if (config.max_deliver or -1) > 0:
            words = (
                f"The consumer {settings.durable} gives up after {config.max_deliver} deliveries, "
                "which can lose usage: set its max_deliver to -1."
            )
            raise Blocked("capture.source_unfit", words)
        return info

    async def _make_consumer(self) -> ConsumerInfo:
        settings = self._settings
        config = ConsumerConfig(
            durable_name=settings.durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=settings.ack_wait_seconds,
            max_ack_pending=settings.unacknowledged_max,
            max_deliver=-1,
            filter_subject=settings.subject or None,
        )
        try:
            return await self._stream_context().add_consumer(settings.stream, config)
        except NotFoundError as error:
            raise self._missing() from error
        except (ServerError, ServiceUnavailableError) as error:
            raise self._unreachable() from error
        except APIError as error:
            words = f"The NATS server refuses the consumer {settings.durable}: {error.description}."
            raise Blocked("capture.source_unfit", words) from error
        except nats.errors.Error as error:
            raise self._failure or self._unreachable() from error

    async def _ask(self, count: int) -> None:
        """Ask for messages, unless an earlier request still stands."""
        loop = asyncio.get_running_loop()
        if (self._asked and loop.time() < self._asked_until) or len(self._waiting) >= count:
            return
        self._request += 1
        self._asked = count - len(self._waiting)
        self._asked_until = loop.time() + REQUEST_SECONDS
        wanted = {
            "batch": self._asked,
            "expires": int(REQUEST_SECONDS * 10**9),
            "max_bytes": REQUEST_BYTES_MAX,
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._settings.stream}.{self._settings.durable}"
        try:
            await self._client.publish(
                subject, json.dumps(wanted).encode(), reply=f"{self._inbox}.{self._request}"
            )
        except nats.errors.Error as error:
            self._asked = 0
            raise self._unreachable() from error

    async def _on_message(self, message: Msg) -> None:
        if not message.reply.startswith(ACK_SUBJECT):
            if message.subject == f"{self._inbox}.{self._request}":
                await self._on_status(message.headers or {})
            return
        self._asked = max(0, self._asked - 1)
        sequence = message.metadata.sequence.stream
        known = self._held.get(sequence)
        if known:
            # It is in our hands already; its time was over before we could extend it.
            known.reply = message.reply
            return
        held = Held(message, sequence, message.reply, self._extensions())
        self._held[sequence] = held
        self._waiting.append(held)
        await self._notify()

    async def _on_status(self, headers: dict[str, str]) -> None:
        # The end of our request: nothing came in time, or the server says why it cannot go on.
        status, words = headers.get("Status", ""), headers.get("Description", "")
        if status == "503" or "Consumer Deleted" in words:
            await self._find_out()
        elif status != "408":
            await asyncio.sleep(PAUSE_SECONDS)  # do not ask again at once what was just refused
        self._asked = 0
        await self._notify()

    async def _find_out(self) -> None:
        try:
            await self.info()
        except (Blocked, Transient) as failure:
            self._failure = failure

    async def _on_error(self, error: Exception) -> None:
        words = str(error)
        self._errors += 1
        if LOOK_SUBJECT in words.lower():
            return  # we may not look at the oldest message; reading needs no such permission
        if isinstance(error, ssl.SSLError):
            self._deny(f"No secure connection to the NATS server: {error.reason or error}.")
        elif isinstance(error, nats.errors.AuthorizationError) or "uthorization" in words:
            self._deny("The NATS server does not let us in: correct the user or the token.")
        elif "ermissions" in words:
            self._deny(f"The NATS server does not allow this: {words}.")
        elif self._errors >= 2 * len(self._settings.servers) and not self._denied.done():
            self._denied.set_result(None)  # every server was tried twice

    def _deny(self, words: str) -> None:
        self._failure = Blocked("capture.source_denied", words)
        if not self._denied.done():
            self._denied.set_result(None)

    async def _on_reconnected(self) -> None:
        self._asked = 0
        await self._notify()

    async def _extend_until_closed(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait / 3)
            for one in list(self._held.values()):
                if one.extensions_left > 0 and self._client.is_connected:
                    one.extensions_left -= 1
                    # What cannot be extended is delivered again; storing it twice is found out.
                    with contextlib.suppress(OSError, nats.errors.Error):
                        await self._client.publish(one.reply, PROGRESS)

    def _extensions(self) -> int:
        return max(1, int(self._settings.lease_seconds / (self._ack_wait / 3)))

    def _drop(self, held: Iterable[Held]) -> Sequence[Held]:
        ours = [one for one in held if self._held.get(one.sequence) is one]
        for one in ours:
            del self._held[one.sequence]
        return ours

    async def _flush(self) -> None:
        try:
            await self._client.flush(timeout=int(ANSWER_SECONDS))
        except nats.errors.Error as error:
            raise self._unreachable() from error

    def _check(self) -> None:
        if self._failure:
            failure = self._failure
            if not self._client.is_closed:
                self._failure = None  # it was told; see whether it is still so
            raise failure
        if not self._client.is_connected:
            raise self._unreachable()

    def _missing(self) -> Blocked:
        return Blocked(
            MISSING,
            f"There is no consumer {self._settings.durable} of the stream {self._settings.stream}.",
        )

    def _unreachable(self) -> Transient:
        servers = ", ".join(self._settings.servers)
        return Transient(
            "capture.source_unreachable", f"The NATS server {servers} does not answer."
        )

    async def _wait(self, seconds: float) -> None:
        async with self._changed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), max(0.0, seconds))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _tls(settings: NatsSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    context = ssl.create_default_context(cafile=settings.ca_file or None)
    if settings.certificate_file:
        context.load_cert_chain(settings.certificate_file, settings.key_file or None)
    return context
