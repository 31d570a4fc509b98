"""An SFTP server in a thread for the session; a directory of its own for each test."""

import asyncio
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from source_consumer import NAME
from tollbook.connectors.sftp.source import connect
from tollbook.runtime.object_register import ObjectRegister
from tollbook.sdk.drops.source import DropSource
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

PASSWORD = "open sesame"
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class SftpServer:
    """Where the server listens, what it proves itself with, whom it lets in, what it shows."""

    port: int
    host_key: str
    client_key: Path
    root: Path


class _Gate(asyncssh.SSHServer):
    def __init__(self, allowed: asyncssh.SSHKey) -> None:
        self._allowed = allowed

    def password_auth_supported(self) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("meter", PASSWORD)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "meter" and key.public_data == self._allowed.public_data


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """Start the server on a free port; it shows nothing above its root."""
    root = tmp_path_factory.mktemp("sftp")
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    client_key = asyncssh.generate_private_key("ssh-ed25519")
    key_file = tmp_path_factory.mktemp("keys") / "client"
    client_key.write_private_key(str(key_file))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Gate(client_key),
            server_host_keys=[host_key],
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(root).encode()),
        )

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(30)
    public = host_key.export_public_key().decode().strip()
    yield SftpServer(acceptor.get_port(), public, key_file, root)

    async def stop() -> None:
        acceptor.close()
        await acceptor.wait_closed()

    asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


class SftpRig:
    """Each write is a file of its own, uploaded under another name and renamed."""

    connector = "sftp"

    def __init__(self, server: SftpServer, database: Database) -> None:
        folder = f"usage-{next(_NUMBERS)}"
        self.path = server.root / folder
        self.path.mkdir()
        self._database = database
        self._files = itertools.count(1)
        self.options: Mapping[str, str] = {
            "host": "127.0.0.1",
            "port": str(server.port),
            "username": "meter",
            "password": PASSWORD,
            "host_key": server.host_key,
            "path": f"/{folder}",
            "complete_when": "renamed",
            "poll_seconds": "1",
        }

    def put(self, bodies: Sequence[bytes]) -> None:
        """Write a file under another name and rename it."""
        unfinished = self.path / "arriving.filepart"
        unfinished.write_bytes(b"".join(body + b"\n" for body in bodies))
        unfinished.rename(self.path / f"usage-{next(self._files):04}.jsonl")

    def connect(self, **options: str) -> DropSource:
        """Make a reader."""
        source = connect({**self.options, **options}, SystemClock())
        source.use_register(ObjectRegister(NAME, self._database, SystemClock()))
        return source

    def put_poison(self) -> bytes:
        """Write a line that is no JSON."""
        self.put([b"\x80 no event"])
        return b"\x80 no event"


@pytest.fixture
def rig(sftp_server: SftpServer, database: Database) -> SftpRig:
    """Give an empty directory of the server."""
    return SftpRig(sftp_server, database)
