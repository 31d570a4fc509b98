"""Runs the coroutines of the NATS client in one private thread, behind a synchronous face."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as TookTooLong
from typing import Any, Final, TypeVar

import nats.errors

from tollbook.errors import Transient

# A failure of the connection that nothing closer to it could explain.
CODE: Final = "capture.source_unreachable"
STOP_SECONDS: Final = 10.0

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own, from construction to `stop`."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], *, seconds: float) -> T:
        """Return what the coroutine returns; Transient if it takes longer than some seconds."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds)
        except TookTooLong:
            future.cancel()
            raise Transient(CODE, "The NATS server does not answer in time.") from None
        except (OSError, nats.errors.Error) as error:
            raise Transient(CODE, f"The NATS server does not answer: {error}.") from error

    def stop(self) -> None:
        """End all that runs in the loop, and its thread."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self._loop).result(STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
