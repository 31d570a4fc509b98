"""A supervisor and its children: started together, kept running, ended together."""

import fcntl
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Final

from tollbook.errors import Blocked, Failure
from tollbook.observe.log import logger
from tollbook.values.clock import Clock

LOOK_SECONDS: Final = 0.5
COLLECT_AFTER: Final = 100_000
KEEP_SECONDS: Final = 1.0
RESTART_SECONDS: Final = 1.0
WATCH_SECONDS: Final = 0.1
# Longer than a server needs to start again.
HANDOVER_SECONDS: Final = 10.0
STOP_SECONDS: Final = 20.0
# Longer than the children of a killed supervisor need to end.
PORT_SECONDS: Final = 5.0

_LOG: Final = logger("supervisor")


def collect_rarely() -> None:
    """Look for cyclic garbage seldom in this process, which makes many short-lived objects.

    What it makes for an event is freed by counting references; looking through all of it for cycles
    after every few hundred objects is a sixteenth of its time.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def end_with(parent: int, *, unless_followed: Callable[[], bool] | None = None) -> None:
    """End this process soon after its parent is gone, however it went, even if it is already.

    Asked first, so that it finishes what it has in hand; made to when it does not in time. While
    `unless_followed` tells that somebody starts the parent again, it goes on for as long as that
    takes, so that the work is never left alone.
    """

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(LOOK_SECONDS)
        if unless_followed is not None:
            looks = int(HANDOVER_SECONDS / LOOK_SECONDS)
            while looks and unless_followed():
                threading.Event().wait(LOOK_SECONDS)
                looks -= 1
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(STOP_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


@contextmanager
def sole_supervisor(home: Path) -> Iterator[None]:
    """Be the one supervisor of a home while the block runs; Blocked when there is another."""
    home.mkdir(parents=True, exist_ok=True)
    # The kernel drops the lock with its process: a killed supervisor is never in the way.
    with _lock_file(home).open("a+") as lock:
        if not _try_lock(lock):
            raise Blocked(
                "runtime.already_up",
                f"Tollbook is up in {home} (process {_read(lock)}): stop it with `tollbook down`, "
                "or choose another TOLLBOOK_HOME and TOLLBOOK_API_PORT.",
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_supervised(home: Path) -> bool:
    """Tell whether a supervisor runs in a home."""
    if not _lock_file(home).is_file():
        return False
    with _lock_file(home).open("a+") as lock:
        return not _try_lock(lock)


def end_supervisor(home: Path) -> bool:
    """Stop the supervisor of a home and wait until it is gone; tell whether there was one."""
    if not _lock_file(home).is_file():
        return False
    with _lock_file(home).open("a+") as lock:
        if _try_lock(lock):
            return False
        os.kill(int(_read(lock)), signal.SIGTERM)
        fcntl.flock(lock, fcntl.LOCK_SH)
    return True


def wait_for_port(host: str, port: int, clock: Clock, *, is_shared: bool = False) -> None:
    """Return when a port can be listened on; Blocked when somebody else keeps it.

    A shared port may be kept by processes of the server before this one, which end when it listens.
    """
    deadline = clock.monotonic() + PORT_SECONDS
    while not _is_free(host, port, is_shared=is_shared):
        if clock.monotonic() > deadline:
            raise Blocked(
                "runtime.port_taken",
                f"Port {port} on {host} is in use: stop what listens there, or set "
                "TOLLBOOK_API_PORT to another.",
            )
        clock.wait(LOOK_SECONDS)


def supervise(
    commands: Sequence[Sequence[str]],
    stop: threading.Event,
    *,
    keep: Callable[[], None],
    clock: Clock,
) -> None:
    """Keep a process per Tollbook command running until told to stop, then end them all.

    One that ends is started again at once, but not more often than every second. `keep` is called
    every second for what else must run; its failure is logged and tried again.
    """
    running = [_start(command) for command in commands]
    started = [clock.monotonic()] * len(running)
    kept = clock.monotonic()
    try:
        while not stop.wait(WATCH_SECONDS):
            now = clock.monotonic()
            if now - kept >= KEEP_SECONDS:
                kept = now
                _try(keep)
            for at, (command, process) in enumerate(zip(commands, running, strict=True)):
                if process.poll() is not None and now - started[at] >= RESTART_SECONDS:
                    _LOG.warning("restarted", command=command[0], exit_code=process.returncode)
                    running[at], started[at] = _start(command), now
    finally:
        for process in running:
            process.terminate()
        for process in running:
            _end(process)


def _try(keep: Callable[[], None]) -> None:
    try:
        keep()
    except Failure as failure:
        _LOG.warning("not_running", reason=str(failure))


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    tied = ["--parent", str(os.getpid())]
    return subprocess.Popen([sys.executable, "-m", "tollbook.cli", *command, *tied])  # noqa: S603 - ours


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _lock_file(home: Path) -> Path:
    return home / "up.lock"


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read()


def _is_free(host: str, port: int, *, is_shared: bool) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
