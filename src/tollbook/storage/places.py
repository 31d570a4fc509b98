"""Places on disk: where a home keeps its database, its socket, its log and its locks.

The directory of a place belongs to whoever manages the server; only the data and the socket
directory belong to the account that runs it. So root never writes where that account could have
planted a link.
"""

import fcntl
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tollbook.errors import Blocked
from tollbook.storage.accounts import (
    SystemAccount,
    account_of_uid,
    can_traverse,
    is_root,
    make_passage,
    server_account,
)
from tollbook.values.clock import SystemClock

CLOCK = SystemClock()
SHARED_STATE = Path("/var/lib/tollbook")
SOCKET_ROOT = Path("/tmp")  # noqa: S108 - a socket path must be short; checked when used
MOUNTS = Path("/proc/mounts")
SOCKET_FILE = ".s.PGSQL.5432"
# The kernel takes 107 bytes for the whole path of a socket; this leaves room for the file name.
SOCKET_DIRECTORY_BYTES_MAX = 90
HASH_LENGTH = 12
LOG_BYTES_MAX = 10 * 1024 * 1024
LOG_FILES_KEPT = 3
LOCK_POLL_SECONDS = 0.01

# File systems where fsync, locks or a second machine can betray a database.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "drvfs", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "nfs", "nfs3", "nfs4", "smb2", "smb3", "smbfs"),
        *("fuse.ceph", "fuse.davfs2", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.sshfs"),
    }
)


@dataclass(frozen=True)
class Place:
    """One directory that holds a database server's files, and the account that runs the server."""

    directory: Path
    socket_dir: Path
    account: SystemAccount

    @property
    def data_dir(self) -> Path:
        """The directory PostgreSQL owns; nothing else writes in it."""
        return self.directory / "pgdata"

    @property
    def log_file(self) -> Path:
        """The file that the server's messages go to."""
        return self.directory / "server.log"

    @property
    def command_lock(self) -> Path:
        """The lock that start and stop hold while they work."""
        return self.directory / "command.lock"

    @property
    def server_lock(self) -> Path:
        """The lock that the server's processes hold as long as any of them lives."""
        return self.directory / "server.lock"


def existing_place(home: Path) -> Place | None:
    """Find where this home already has a database, or None."""
    for directory in _candidates(home):
        try:
            owner_uid = (directory / "pgdata").lstat().st_uid
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            raise _not_ours(directory, "another account") from error
        return _place_of_owner(home, directory, owner_uid)
    return None


def new_place(home: Path) -> Place:
    """Make the directory for a home's first database, where the server's account can reach it."""
    try:
        return _make_place(home, server_account())
    except PermissionError as error:
        raise Blocked(
            "storage.home_not_writable",
            f"{home} cannot hold the database, because {error.filename} may not be written. "
            "Choose another home, or give this account the right to write there.",
        ) from error


def _make_place(home: Path, account: SystemAccount) -> Place:
    directory, fallback = _candidates(home)
    if is_root() and not can_traverse(account, _nearest_existing(directory)):
        directory = fallback
    _make_directory(directory)
    if is_root() and not can_traverse(account, directory):
        # A strict umask closed the directories we made on the way.
        directory = fallback
        _make_directory(directory)
    return Place(directory=directory, socket_dir=_socket_dir(home, account), account=account)


def _candidates(home: Path) -> tuple[Path, Path]:
    resolved = home.resolve()
    return resolved / "postgres", SHARED_STATE / _hash_of(home)


def _hash_of(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:HASH_LENGTH]


def _socket_dir(home: Path, account: SystemAccount) -> Path:
    path = SOCKET_ROOT / f"tollbook-{account.uid}-{_hash_of(home)}"
    assert len(os.fsencode(path)) < SOCKET_DIRECTORY_BYTES_MAX, path
    return path


def _place_of_owner(home: Path, directory: Path, owner_uid: int) -> Place:
    account = account_of_uid(owner_uid)
    if owner_uid == 0 or (not is_root() and owner_uid != os.geteuid()):
        raise _not_ours(directory, account.name)
    if is_root() and not can_traverse(account, directory):
        raise Blocked(
            "storage.unreachable",
            f"The database in {directory} runs as the account {account.name}, which may not pass "
            f"through all directories above it. Give it passage (`chmod o+x`) or move the home.",
        )
    return Place(directory=directory, socket_dir=_socket_dir(home, account), account=account)


def _not_ours(directory: Path, owner: str) -> Blocked:
    return Blocked(
        "storage.not_owner",
        f"The database in {directory} belongs to {owner}. Start Tollbook as the account that "
        "created it (or as root), or choose another home. PostgreSQL never runs as root itself.",
    )


def _nearest_existing(path: Path) -> Path:
    return next(part for part in (path, *path.parents) if part.exists())


def _make_directory(directory: Path) -> None:
    if not is_root():
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        return
    if directory.is_relative_to(SHARED_STATE):
        make_passage(SHARED_STATE)
    make_passage(directory)


def prepare_socket_directory(place: Place) -> None:
    """Make the private directory of the server's socket, or check the one that is there.

    Whoever can enter this directory is a superuser of the database, and /tmp is open to all: a
    directory that somebody else made is refused, never repaired.
    """
    path, account = place.socket_dir, place.account
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if is_root() and found.st_uid == 0 and _is_private(found):
        # Made just now, or by a root that was interrupted here.
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
    check_socket_directory(path, account)


def _is_private(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o700


def check_socket_directory(path: Path, account: SystemAccount) -> None:
    """Refuse a socket directory that is not a private directory of the server's account."""
    found = path.lstat()
    if _is_private(found) and found.st_uid == account.uid:
        return
    raise Blocked(
        "storage.socket_directory",
        f"{path} must be a directory of the account {account.name} with mode 0700, but it has "
        f"owner {account_of_uid(found.st_uid).name} and mode {stat.filemode(found.st_mode)}. "
        "Somebody else made it, so it is not used. Find out who did, remove it, and start again.",
    )


def refuse_network_file_system(directory: Path, *, mounts: Path = MOUNTS) -> None:
    """Refuse a directory whose file system does not keep a database safe."""
    try:
        table = mounts.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return
    kind = file_system_kind(directory.resolve(), table)
    if kind in NETWORK_FILE_SYSTEMS:
        raise Blocked(
            "storage.network_filesystem",
            f"{directory} lies on a network file system ({kind}), where a crash or a second "
            "machine can destroy a database. Choose a home on a local disk, or configure the "
            "address of a PostgreSQL server.",
        )


def file_system_kind(path: Path, mounts: str) -> str | None:
    """Find the kind of file system that holds `path`, from a text like /proc/mounts."""
    kind, length_max = None, -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1]))
        # At equal length the later line wins: it was mounted over the earlier one.
        if path.is_relative_to(point) and len(point.parts) >= length_max:
            kind, length_max = fields[2], len(point.parts)
    return kind


def open_log(place: Place) -> int:
    """Rotate the log if it has grown large, and open it to append; the caller closes it."""
    log = place.log_file
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        for number in range(LOG_FILES_KEPT - 1, 0, -1):
            older = log.with_name(f"{log.name}.{number}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{number + 1}"))
        log.replace(log.with_name(f"{log.name}.1"))
    return _open_private(log, os.O_WRONLY | os.O_APPEND)


def _open_private(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    parent = path.parent.stat()
    if is_root() and parent.st_uid != 0:
        # An ordinary user owns this home; what root makes there must stay usable for that user.
        os.fchown(descriptor, parent.st_uid, parent.st_gid)
    return descriptor


@contextmanager
def locked(path: Path, *, timeout_seconds: float, refusal: Blocked) -> Iterator[int]:
    """Hold an exclusive lock on this file, or raise `refusal` when it stays taken.

    The lock belongs to the open file: a child that inherits the descriptor keeps it locked.
    """
    descriptor = _open_private(path, os.O_RDWR)
    try:
        deadline = CLOCK.monotonic() + timeout_seconds
        while not _try_lock(descriptor):
            if CLOCK.monotonic() > deadline:
                raise refusal
            threading.Event().wait(LOCK_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
