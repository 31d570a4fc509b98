"""Azurite for the session, found on the machine or fetched from npm; a container for each test."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient, ContainerClient

from source_consumer import NAME
from tollbook.connectors.azure_blob.source import connect
from tollbook.runtime.object_register import ObjectRegister
from tollbook.sdk.drops.source import DropSource
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

AZURITE = "azurite@3.37.0"
INSTALL_SECONDS = 300
START_SECONDS = 60
# The account that every Azurite has; no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_NUMBERS = itertools.count(1)


class BlobRig:
    """A container; each write is a blob of its own."""

    connector = "azure_blob"

    def __init__(self, address: str, database: Database) -> None:
        self.name = f"usage-{next(_NUMBERS)}"
        self.account_url = f"{address}/{ACCOUNT}"
        connection_string = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.account_url};"
        )
        service = BlobServiceClient.from_connection_string(connection_string)
        self.container: ContainerClient = service.create_container(self.name)
        self.options: Mapping[str, str] = {
            "connection_string": connection_string,
            "container": self.name,
            "poll_seconds": "1",
        }
        self._database = database
        self._blobs = itertools.count(1)

    def put(self, bodies: Sequence[bytes]) -> None:
        """Write a blob."""
        content = b"".join(body + b"\n" for body in bodies)
        self.container.upload_blob(f"usage-{next(self._blobs):04}.jsonl", content)

    def connect(self, **options: str) -> DropSource:
        """Make a reader."""
        source = connect(options or self.options, SystemClock())
        source.use_register(ObjectRegister(NAME, self._database, SystemClock()))
        return source

    def put_poison(self) -> bytes:
        """Write a line that is no JSON."""
        self.put([b"\x80 no event"])
        return b"\x80 no event"


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start Azurite on a free port and return its address."""
    program = _program(Path(os.environ.get("TOLLBOOK_TEST_AZURITE") or _cache()))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("azurite")
    process = subprocess.Popen(
        [
            *(program, "--silent", "--skipApiVersionCheck", "--disableTelemetry"),
            *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _cache() -> Path:
    return Path.home() / ".cache" / "tollbook-tests" / AZURITE


def _program(home: Path) -> str:
    """Return the program, installing it into a cache of the user once; skip where npm is not."""
    found = shutil.which("azurite-blob")
    if found:
        return found
    program = home / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("Azurite is not installed, and there is no npm to fetch it with")
        home.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", AZURITE]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, cwd=home, capture_output=True, timeout=INSTALL_SECONDS, check=False
            )
    if not program.exists():
        pytest.skip("Azurite is not installed, and npm could not fetch it")
    return str(program)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    pytest.skip(f"Azurite did not listen within {START_SECONDS} seconds")


@pytest.fixture
def rig(azurite: str, database: Database) -> Iterator[BlobRig]:
    """Give an empty container."""
    made = BlobRig(azurite, database)
    yield made
    with contextlib.suppress(AzureError):
        made.container.delete_container()
    made.container.close()
