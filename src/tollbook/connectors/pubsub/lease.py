"""Keeps the messages we have in hand from being delivered to another worker while we store them."""

import contextlib
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tollbook.connectors.pubsub.client import PubSubClient
from tollbook.connectors.pubsub.settings import PubSubSettings
from tollbook.errors import Blocked, Transient

STOP_SECONDS: Final = 20.0


@dataclass(slots=True, eq=False)
class Held:
    """A message in our hands; `ack_id` is that of its newest delivery."""

    message: Any
    delivery_attempt: int
    ack_id: str
    extensions_left: int


class Leases:
    """The messages in hand, extended by a thread of their own from construction to `stop`."""

    def __init__(self, client: PubSubClient, settings: PubSubSettings) -> None:
        self._client = client
        self._seconds = settings.deadline_seconds
        self._extensions = max(1, settings.lease_seconds * 3 // settings.deadline_seconds)
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._extend, name="pubsub-leases", daemon=True)
        self._thread.start()

    def take(self, received: Iterable[Any]) -> list[Held]:
        """Take received messages in hand, and return those that were not there already."""
        fresh = []
        with self._lock:
            for one in received:
                known = self._held.get(one.message.message_id)
                if known:
                    # Its time was over before we could extend it; only the newest id acknowledges.
                    known.ack_id = one.ack_id
                    continue
                held = Held(one.message, one.delivery_attempt, one.ack_id, self._extensions)
                self._held[one.message.message_id] = held
                fresh.append(held)
        # The deadline of the subscription may be ten seconds only. If this fails the messages are
        # ours all the same: what is in hand has to be given.
        with contextlib.suppress(Transient, Blocked):
            self._client.extend([held.ack_id for held in fresh], seconds=self._seconds)
        return fresh

    def renew(self, held: Iterable[Held]) -> None:
        """Extend messages for another full lease."""
        for one in held:
            one.extensions_left = self._extensions

    def drop(self, held: Iterable[Held]) -> list[str]:
        """Let go of messages, and return the ack ids of those that were in hand."""
        with self._lock:
            ours = [one for one in held if self._held.get(one.message.message_id) is one]
            for one in ours:
                del self._held[one.message.message_id]
            return [one.ack_id for one in ours]

    def stop(self) -> Sequence[str]:
        """Extend no more, and return the ack ids of what is still in hand."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        with self._lock:
            left = [one.ack_id for one in self._held.values()]
            self._held.clear()
        return left

    def _extend(self) -> None:
        while not self._stopping.wait(self._seconds / 3):
            with self._lock:
                due = [one for one in self._held.values() if one.extensions_left > 0]
                for one in due:
                    one.extensions_left -= 1
                ack_ids = [one.ack_id for one in due]
            # What cannot be extended is delivered again; storing it twice is found out.
            with contextlib.suppress(Transient, Blocked):
                self._client.extend(ack_ids, seconds=self._seconds)
