"""One embedded server used by many processes: the first one in starts it, the last one out stops it."""

import contextlib
import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from tollbook.storage import embedded
from tollbook.storage.embedded import EmbeddedServer

LOOK_SECONDS: Final = 0.1


@contextmanager
def shared_server(home: Path, *, patience_seconds: int = 0) -> Iterator[EmbeddedServer]:
    """Give the home's server for as long as the block runs.

    Every user holds a shared lock that the kernel drops with its process, so a killed user never
    counts; whoever leaves and finds nobody else stops the server. With `patience_seconds` the one
    who leaves waits so long for users that are about to end, such as what a killed process left.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "users.lock").open("a") as users:
        with _door(home):
            fcntl.flock(users, fcntl.LOCK_SH)
            server = embedded.start(home, keep_running=True)
        try:
            yield server
        finally:
            looks = int(patience_seconds / LOOK_SECONDS)
            while not _stop_if_last(home, users) and looks > 0:
                threading.Event().wait(LOOK_SECONDS)
                looks -= 1


def _stop_if_last(home: Path, users: IO[str]) -> bool:
    with _door(home):
        is_last = _is_last(users)
        if is_last:
            embedded.stop(home)
    return is_last


def _is_last(users: IO[str]) -> bool:
    # A failed upgrade may lose the shared lock; the process is leaving, so nothing is lost.
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _door(home: Path) -> Iterator[None]:
    with (home / "door.lock").open("a") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        yield
