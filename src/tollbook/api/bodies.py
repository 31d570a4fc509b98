"""Receives and unpacks the body of a request within limits of size, time and memory."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final

import zstandard
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from tollbook.api.limits import Budget, Hold
from tollbook.errors import Rejected

BODY_BYTES_MAX: Final = 64_000_000
# What a sender needs of memory is decided by us: RFC 8878 recommends 8 MiB.
ZSTD_WINDOW_BYTES_MAX: Final = 8 << 20
# Compressed data may come in pieces, one after the other; each costs us a new decompressor.
PIECES_MAX: Final = 100
# So much is unpacked between two looks at what all requests hold together.
STEP_BYTES: Final = 4_000_000
# Four bytes of zstd may stand for 128 KiB: so few at a time stay near STEP_BYTES.
ZSTD_SLICE_BYTES: Final = 128

# A refused sender that is still sending would not hear the answer: so much is let come, unread.
DISCARDED_BYTES_MAX: Final = 4_000_000
DISCARD_SECONDS_MAX: Final = 3

# Where a reader leaves what a request holds.
HOLD: Final = "tollbook.hold"
ENCODINGS: Final = ("gzip", "zstd")
_GZIP: Final = 16 + zlib.MAX_WBITS


class Incoming:
    """What a connection brings of one request, and whether all of it has come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        announced = Headers(scope=scope)
        self.is_whole = False
        self._waits = "expect" in announced
        self._size = announced.get("content-length", "")

    async def __call__(self) -> Message:
        """Receive the next message."""
        message = await self._receive()
        self.is_whole = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Let the rest of a refused body come and forget it, within limits.

        A sender that asked before it sends, or announced more than the limit, is answered at once.
        """
        if self._waits or (self._size.isdecimal() and int(self._size[:20]) > DISCARDED_BYTES_MAX):
            return
        left = DISCARDED_BYTES_MAX
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS_MAX):
                while not self.is_whole and left > 0:
                    left -= len((await self()).get("body", b""))


def body_reader(budget: Budget, *, seconds_max: int) -> Callable[[Request], Awaitable[bytes]]:
    """Return what reads bodies within these limits; the gate releases what they hold at the end."""

    async def read(request: Request) -> bytes:
        hold = request.scope[HOLD] = budget.hold()
        return await read_body(request, hold, seconds_max=seconds_max)

    return read


async def read_body(request: Request, hold: Hold, *, seconds_max: int) -> bytes:
    """Return the unpacked body, and hold what it needs.

    Rejected when it is too large, too slow or badly packed; Transient when all requests together
    hold too much.
    """
    encoding = _encoding(request)
    _refuse_announced(request)
    try:
        async with asyncio.timeout(seconds_max):
            body = await _received(request, hold)
    except TimeoutError:
        raise Rejected(
            "capture.body_too_slow",
            f"The body took longer than {seconds_max} seconds: send a smaller one, or faster.",
        ) from None
    if encoding == "identity":
        return body
    unpacked = await _unpacked(encoding, body, hold)
    hold.give_back(len(body))
    return unpacked


def _encoding(request: Request) -> str:
    sent = [value.strip().lower() for value in request.headers.getlist("content-encoding")]
    encoding = ",".join(sent) or "identity"
    if encoding != "identity" and encoding not in ENCODINGS:
        raise Rejected(
            "capture.unsupported_encoding",
            f"content-encoding {encoding[:100]!r}: send {' or '.join(ENCODINGS)}, once, or none.",
        )
    return encoding


def _refuse_announced(request: Request) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > BODY_BYTES_MAX:
        raise _too_large()


async def _received(request: Request, hold: Hold) -> bytes:
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        hold.add(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


async def _unpacked(encoding: str, body: bytes, hold: Hold) -> bytes:
    steps = _ungzip(body) if encoding == "gzip" else _unzstd(body)
    found = []
    size = 0
    is_over = False
    while not is_over:
        # What is held is counted on the event loop, between two steps in a thread.
        step, is_over = await run_in_threadpool(_next_step, steps)
        size += len(step)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        hold.add(len(step))
        found.append(step)
    return b"".join(found)


def _next_step(steps: Iterator[bytes]) -> tuple[bytes, bool]:
    found = []
    size = 0
    for step in steps:
        found.append(step)
        size += len(step)
        if size >= STEP_BYTES:
            return b"".join(found), False
    return b"".join(found), True


def _ungzip(body: bytes) -> Iterator[bytes]:
    """Yield what a gzip body unpacks to, in steps of bounded size, none of them empty."""
    for _ in range(PIECES_MAX):
        decompressor = zlib.decompressobj(_GZIP)
        rest = body
        while not decompressor.eof:
            try:
                step = decompressor.decompress(rest, STEP_BYTES)
            except zlib.error as error:
                raise Rejected(
                    "capture.bad_gzip", f"The body is not valid gzip: {error}."
                ) from None
            rest = decompressor.unconsumed_tail
            if step:
                yield step
            elif _wants_more(decompressor, rest):
                raise Rejected("capture.bad_gzip", "The gzip body ends early: send it whole.")
        body = decompressor.unused_data
        if not body:
            return
    raise _too_many_pieces()


def _wants_more(decompressor: "zlib._Decompress", rest: bytes) -> bool:
    return not decompressor.eof and not rest


def _unzstd(body: bytes) -> Iterator[bytes]:
    """Yield what a zstd body unpacks to, in steps of bounded size, none of them empty."""
    start = 0
    for _ in range(PIECES_MAX):
        decompressor = zstandard.ZstdDecompressor(
            max_window_size=ZSTD_WINDOW_BYTES_MAX
        ).decompressobj()
        found: list[bytes] = []
        size = 0
        while not decompressor.eof:
            if start >= len(body):
                raise Rejected("capture.bad_zstd", "The zstd body ends early: send it whole.")
            try:
                found.append(decompressor.decompress(body[start : start + ZSTD_SLICE_BYTES]))
            except zstandard.ZstdError as error:
                raise Rejected(
                    "capture.bad_zstd", f"The body is not zstd that we unpack: {error}."
                ) from None
            start += ZSTD_SLICE_BYTES
            size += len(found[-1])
            if size >= STEP_BYTES:
                yield b"".join(found)
                found, size = [], 0
        if size:
            yield b"".join(found)
        start = min(start, len(body)) - len(decompressor.unused_data)
        if start == len(body):
            return
    raise _too_many_pieces()


def _too_many_pieces() -> Rejected:
    return Rejected(
        "capture.too_many_pieces",
        f"A compressed body has at most {PIECES_MAX} parts: compress it in one.",
    )


def _too_large() -> Rejected:
    return Rejected(
        "capture.body_too_large", f"A request takes at most {BODY_BYTES_MAX} bytes: send several."
    )
