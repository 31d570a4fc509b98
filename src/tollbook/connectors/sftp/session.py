"""A connection to an SFTP server with a synchronous face: its loop runs in a thread of its own."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncssh

from tollbook.errors import Blocked, Failure, Rejected, Transient

CONNECT_SECONDS: Final = 20.0
# One call: a listing of a directory, a block of a file.
ANSWER_SECONDS: Final = 120.0
KEEPALIVE_SECONDS: Final = 30

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a server. `known_hosts` are lines of that file; None accepts any host."""

    host: str
    port: int
    username: str
    password: str
    client_key: str
    passphrase: str
    known_hosts: bytes | None


class Session:
    """Connects when first used, and again after a connection was lost."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sftp", daemon=True)
        self._thread.start()
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

    def client(self) -> asyncssh.SFTPClient:
        """Return the client, connected."""
        if self._client is None:
            with told(self._login.host):
                self._client = self._wait(self._connect(), CONNECT_SECONDS)
        return self._client

    def call(self, asked: Awaitable[_Answer], *, what: str) -> _Answer:
        """Wait for an answer; Transient (and a new connection next time) when there is none."""
        try:
            with told(what):
                return self._wait(asked, ANSWER_SECONDS)
        except Transient:
            self._drop()
            raise

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._loop.is_closed():
            return
        self._drop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CONNECT_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    def _wait(self, asked: Awaitable[_Answer], seconds: float) -> _Answer:
        bounded = asyncio.wait_for(_one(asked), seconds)
        return asyncio.run_coroutine_threadsafe(bounded, self._loop).result()

    async def _connect(self) -> asyncssh.SFTPClient:
        login = self._login
        self._connection = await asyncssh.connect(
            login.host,
            login.port,
            username=login.username,
            password=login.password or None,
            client_keys=[login.client_key] if login.client_key else None,
            passphrase=login.passphrase or None,
            known_hosts=login.known_hosts,
            config=None,
            agent_path=None,
            keepalive_interval=KEEPALIVE_SECONDS,
        )
        return await self._connection.start_sftp_client()

    def _drop(self) -> None:
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(TimeoutError, OSError, asyncssh.Error):
                self._wait(_closed(connection), CONNECT_SECONDS)


async def _one(asked: Awaitable[_Answer]) -> _Answer:
    return await asked


async def _closed(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    await connection.wait_closed()


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what the client raises into what must happen next."""
    try:
        yield
    except asyncssh.SFTPError as error:
        raise _of_file(error, what) from error
    except (asyncssh.HostKeyNotVerifiable, asyncssh.PermissionDenied) as error:
        raise Blocked("capture.place_denied", f"{what}: {error.reason}.") from error
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise Rejected("config.source_option", f"The client key is not usable: {error}.") from error
    except (asyncssh.Error, OSError, TimeoutError) as error:
        words = str(error) or type(error).__name__
        raise Transient("capture.place_unreachable", f"{what} does not answer: {words}.") from error


def _of_file(error: asyncssh.SFTPError, what: str) -> Failure:
    if isinstance(error, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
        return Rejected("capture.object_gone", f"{what} is gone or was replaced meanwhile.")
    if isinstance(error, asyncssh.SFTPPermissionDenied):
        return Rejected("capture.object_unreadable", f"It is denied to us ({error.reason}).")
    return Transient("capture.place_unreachable", f"{what} does not answer: {error.reason}.")
