"""Becomes the PostgreSQL server: drops to its account, ties it to the parent's life, executes it.

This runs as a script in a process of its own, because none of it is safe between fork and exec in
a program that has threads. It imports only the standard library, so it starts fast and does not
depend on the import path. It starts with the parent's rights, because the Python interpreter may
lie in a directory that the server's account cannot enter.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
NO_CHANGE = -1
PARENT_GONE_EXIT_CODE = 75


def main(arguments: Sequence[str]) -> None:
    """Execute `uid gid death_signal parent_pid command...`; it returns only by failing."""
    uid, gid, death_signal, parent_pid = (int(argument) for argument in arguments[:4])
    command = list(arguments[4:])
    if uid != NO_CHANGE:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if death_signal:
        # After the change of account: the kernel forgets the signal when credentials change.
        _signal_on_parent_death(death_signal)
        if os.getppid() != parent_pid:
            # The parent died before the kernel knew whom to tell.
            sys.exit(PARENT_GONE_EXIT_CODE)
    # Python ignores SIGPIPE, and an ignored signal stays ignored in the program executed next.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - this is what the module is for


def _signal_on_parent_death(death_signal: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
