"""Operating-system accounts: which one runs PostgreSQL, and which directories it can pass through.

PostgreSQL refuses to run as root, so a Tollbook that was started as root hands the server to an
unprivileged account. "Account" means an operating-system account here, never a GL account.
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tollbook.errors import Blocked

OWN_ACCOUNT_NAME = "tollbook"
SPARE_ACCOUNT_NAMES = ("postgres", "nobody")
COMMAND_TIMEOUT_SECONDS = 120
SYSTEM_SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# The server must not depend on who starts it: PGPORT, TZ, LC_ALL and the like would change it.
SERVER_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {"LC_ALL": "C", "PATH": SYSTEM_SEARCH_PATH, "TZ": "UTC"}
)


@dataclass(frozen=True)
class SystemAccount:
    """One operating-system account, as the kernel knows it."""

    name: str
    uid: int
    gid: int


def is_root() -> bool:
    """Tell whether this process may act for other accounts."""
    return os.geteuid() == 0


def server_account() -> SystemAccount:
    """Choose the account for a new server: ourselves, or an unprivileged one if we are root."""
    if not is_root():
        return account_of_uid(os.geteuid())
    own = _account_named(OWN_ACCOUNT_NAME) or _create_own_account()
    if own is not None:
        return own
    for name in SPARE_ACCOUNT_NAMES:
        spare = _account_named(name)
        if spare is not None:
            return spare
    raise Blocked(
        "storage.no_account",
        "PostgreSQL does not run as root and no unprivileged account exists for it. Create one "
        f"with `useradd --system {OWN_ACCOUNT_NAME}`, or start Tollbook as an ordinary user.",
    )


def account_of_uid(uid: int) -> SystemAccount:
    """Find the account with this uid; containers run with uids that have no entry."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return SystemAccount(name=str(uid), uid=uid, gid=os.getegid())
    return SystemAccount(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _account_named(name: str) -> SystemAccount | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        return None
    return SystemAccount(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _create_own_account() -> SystemAccount | None:
    useradd = shutil.which("useradd", path=SYSTEM_SEARCH_PATH)
    if useradd is None:
        return None
    command = [useradd, "--system", "--no-create-home"]
    command += ["--shell", "/usr/sbin/nologin", OWN_ACCOUNT_NAME]
    # The exit status is ignored on purpose: another process may have been first, and that is fine.
    subprocess.run(  # noqa: S603 - a fixed command
        command,
        env=dict(SERVER_ENVIRONMENT),
        capture_output=True,
        check=False,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    return _account_named(OWN_ACCOUNT_NAME)


def run_as(
    account: SystemAccount, command: Sequence[str | Path]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end as this account and return what it said."""
    drops = is_root()
    return subprocess.run(  # noqa: S603 - only programs of our own finding
        command,
        env=dict(SERVER_ENVIRONMENT),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_SECONDS,
        umask=0o077,
        user=account.uid if drops else None,
        group=account.gid if drops else None,
        extra_groups=[] if drops else None,
    )


def can_traverse(account: SystemAccount, directory: Path) -> bool:
    """Tell whether the account can pass through this existing directory and all its parents.

    Only the mode bits count. An access-control list that opens a directory is not seen, which
    costs a copy in another place but never gives a wrong "yes" that fails later.
    """
    resolved = directory.resolve()
    return all(can_execute(account, part) for part in (resolved, *resolved.parents))


def can_execute(account: SystemAccount, path: Path) -> bool:
    """Tell whether the mode bits let the account execute this file or enter this directory."""
    found = path.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def make_passage(directory: Path) -> None:
    """Make a directory that other accounts may pass through but not list; leave an existing one.

    The mode is set apart from the making, because a strict umask would close the passage.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return
    directory.chmod(0o711)
