"""The postmaster: reading its state, making its first data, starting it, ending it."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tollbook.errors import Blocked
from tollbook.storage import launch
from tollbook.storage.accounts import SERVER_ENVIRONMENT, is_root, run_as
from tollbook.storage.binaries import Binaries
from tollbook.storage.places import Place, open_log

SUPERUSER = "tollbook"
BUILTIN_LOCALE_MAJOR_MIN = 17
LOG_TAIL_BYTES = 2000
PROCESSES = Path("/proc")
DEAD_STATES = ("Z", "X")  # a zombie keeps its number until its parent collects it

# Fast shutdown: sessions are ended, everything committed is on disk.
PARENT_DEATH_SIGNAL = signal.SIGINT


@dataclass(frozen=True)
class Postmaster:
    """What postmaster.pid says about a server."""

    pid: int
    socket_dir: Path | None
    is_ready: bool


def read_postmaster(data_dir: Path) -> Postmaster | None:
    """Read postmaster.pid, whether or not its process lives.

    Lines: 1 pid, 2 data directory, 3 start time, 4 port, 5 socket directory, 6 address,
    7 shared memory, 8 status. The later lines appear while the server comes up.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text(errors="surrogateescape").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not re.fullmatch(r"[1-9]\d*", lines[0]):  # half written, or a single-user session
        return None
    return Postmaster(
        pid=int(lines[0]),
        socket_dir=Path(lines[4]) if len(lines) > 5 and lines[4] else None,
        is_ready=len(lines) > 7 and lines[7].strip() == "ready",
    )


def live_postmaster(data_dir: Path) -> Postmaster | None:
    """Find the server that runs on this data now, or None."""
    found = read_postmaster(data_dir)
    if found is None or not is_serving(found.pid, data_dir):
        return None
    return found


def is_serving(pid: int, data_dir: Path) -> bool:
    """Tell whether this process is a postmaster of this data, not a stranger with its number."""
    if not _exists(pid):
        return False
    if not (PROCESSES / "self").exists():
        return True  # no way to look closer on this system; PostgreSQL goes by the pid too
    process = PROCESSES / str(pid)
    try:
        # The name stands in parentheses and may hold anything; the state follows the last one.
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state not in DEAD_STATES and _works_in(process, data_dir)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _works_in(process: Path, data_dir: Path) -> bool:
    try:
        return (process / "cwd").readlink() == data_dir
    except PermissionError:
        # A container's root may not look into other accounts' processes, but sees their commands.
        return os.fsencode(data_dir) in (process / "cmdline").read_bytes().split(b"\0")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def discard_reused_pid(data_dir: Path) -> None:
    """Remove a postmaster.pid whose number now belongs to a stranger.

    PostgreSQL handles a dead pid by itself but refuses to start when the number is in use again,
    which is usual after a container restart. Call this only while holding the server lock.
    """
    found = read_postmaster(data_dir)
    if found is not None and _exists(found.pid) and not is_serving(found.pid, data_dir):
        (data_dir / "postmaster.pid").unlink(missing_ok=True)


def initialise(place: Place, binaries: Binaries) -> None:
    """Make the first data of a place; it appears complete or not at all."""
    for leftover in place.directory.glob("pgdata.init-*"):
        shutil.rmtree(leftover)
    draft = place.directory / f"pgdata.init-{os.getpid()}"
    draft.mkdir(mode=0o700)
    if is_root():
        os.chown(draft, place.account.uid, place.account.gid)
    answer = run_as(place.account, _initdb_command(draft, binaries))
    if answer.returncode != 0:
        shutil.rmtree(draft, ignore_errors=True)
        raise Blocked(
            "storage.initdb_failed",
            f"PostgreSQL could not make its data in {place.directory}: "
            f"{(answer.stderr or answer.stdout).strip()[-LOG_TAIL_BYTES:]}",
        )
    draft.rename(place.data_dir)
    _sync_directory(place.directory)


def _initdb_command(draft: Path, binaries: Binaries) -> list[str | Path]:
    locale = ["--locale=C"]
    if binaries.major >= BUILTIN_LOCALE_MAJOR_MIN:
        # Not the system's collation: an update of the C library would reorder every index.
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return [
        binaries.bin_dir / "initdb",
        *("--pgdata", draft, f"--username={SUPERUSER}", "--encoding=UTF8", "--data-checksums"),
        # Whoever reaches the socket is trusted; the directory around it admits one account only.
        *("--auth-local=trust", "--auth-host=reject", "--no-instructions"),
        *locale,
    ]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def spawn(
    place: Place,
    binaries: Binaries,
    options: Sequence[str],
    *,
    keep_running: bool,
    server_lock: int,
) -> subprocess.Popen[bytes]:
    """Start a server process; it holds `server_lock` until the last of its processes is gone."""
    drops = is_root()
    dies_with_us = not keep_running and sys.platform == "linux"
    command = [
        *(sys.executable, "-I", "-S", launch.__file__),
        str(place.account.uid if drops else launch.NO_CHANGE),
        str(place.account.gid if drops else launch.NO_CHANGE),
        str(int(PARENT_DEATH_SIGNAL) if dies_with_us else 0),
        str(os.getpid()),
        *(str(binaries.bin_dir / "postgres"), "-D", str(place.data_dir), *options),
    ]
    log = open_log(place)
    try:
        return _spawn_from_lasting_thread(command, log=log, server_lock=server_lock)
    finally:
        os.close(log)


def _spawn_from_lasting_thread(
    command: list[str], *, log: int, server_lock: int
) -> subprocess.Popen[bytes]:
    """Start the command from a thread that lives as long as the server.

    The kernel's "parent died" is the end of the thread that forked, not of its process: started
    from a short-lived thread, the server would stop with it. The thread also collects the
    server's exit status, so no dead server looks alive.
    """
    answers: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()

    def keep() -> None:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own launcher
                command,
                env=dict(SERVER_ENVIRONMENT),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=0o077,
                pass_fds=(server_lock,),
                # Control-C in the terminal is for us; we end the server when we are done with it.
                start_new_session=True,
            )
        except OSError as error:
            answers.put(error)
            return
        answers.put(process)
        process.wait()

    threading.Thread(target=keep, name="tollbook-postgres", daemon=True).start()
    answer = answers.get()
    if isinstance(answer, OSError):
        raise answer
    return answer


def log_tail(place: Place) -> str:
    """Return the end of the server's log, for a message."""
    with place.log_file.open("rb") as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
        return log.read().decode(errors="replace").strip()
