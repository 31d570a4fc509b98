"""HTTP with a bound on everything, which tells whether a request can have taken effect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

import httpx2
import msgspec

from tollbook.errors import Failure
from tollbook.sdk.outcomes import no_answer, not_executed
from tollbook.values.clock import Clock

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
CONNECTIONS_MAX: Final = 16
WORDS_MAX: Final = 300

# Raised before a byte of the request has left; everything else may have reached the other side.
_CERTAINLY_NOT_SENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)

_EXACT: Final = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Effect = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `effect` says whether it changes something on the other side."""

    method: Method
    url: str
    effect: Effect
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    effect: Effect

    @property
    def words(self) -> str:
        """The beginning of the answer, for a sentence about it."""
        return self.body[:WORDS_MAX].decode(errors="replace")

    @property
    def retry_after_seconds(self) -> int | None:
        """The seconds the server asks to wait; None when it does not say so in seconds."""
        text = self.headers.get("retry-after", "")
        return int(text) if text.isascii() and text.isdigit() else None

    def json(self) -> Any:
        """Return the answer as JSON with exact decimals; raises what `silence` makes of it."""
        try:
            return decode(self.body)
        except ValueError:
            raise self.silence(f"the answer is not JSON: {self.words}") from None

    def silence(self, words: str) -> Failure:
        """Make the failure of an answer that does not tell what happened: doubt, for a write."""
        text = f"HTTP {self.status}: {words}"
        return no_answer(text) if self.effect == "write" else not_executed(text)


class HttpClient:
    """A pool of connections to one system. Nothing is followed, retried or guessed."""

    def __init__(
        self,
        clock: Clock,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(answer_seconds, connect=connect_seconds, pool=connect_seconds),
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    def call(self, request: Request) -> Reply:
        """Send a request and return the whole answer, whatever its status.

        Raises Transient when it certainly had no effect, else, for a write, Unknown.
        """
        try:
            return self._call(request)
        except _CERTAINLY_NOT_SENT as error:
            raise not_executed(f"{request.url} cannot be reached: {error}") from error
        except httpx2.HTTPError as error:
            words = f"{request.url} did not answer: {type(error).__name__} {error}".rstrip()
            raise (
                no_answer(words) if request.effect == "write" else not_executed(words)
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _call(self, request: Request) -> Reply:
        # The time-out of the client is per read: a server that drips bytes needs its own bound.
        deadline = self._clock.monotonic() + self._answer_seconds
        with self._client.stream(
            request.method, request.url, headers=dict(request.headers), content=request.body
        ) as answer:
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > ANSWER_BYTES_MAX:
                    raise httpx2.ReadError(f"more than {ANSWER_BYTES_MAX} bytes")
                if self._clock.monotonic() > deadline:
                    raise httpx2.ReadTimeout(f"not complete after {self._answer_seconds} seconds")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status_code, headers, bytes(body), request.effect)


def decode(data: bytes) -> Any:
    """Read JSON; numbers with a fraction become exact decimals. ValueError when it is no JSON."""
    try:
        return _EXACT.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error


def encode(value: object) -> bytes:
    """Write JSON; decimals become JSON numbers, digit for digit."""
    return _ENCODER.encode(value)
