"""Processes that must not outlive the one that started them."""

import os
import signal
import threading
from typing import Final

LOOK_SECONDS: Final = 1.0


def end_with_parent() -> None:
    """End this process soon after the one that started it is gone, however it went."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
