"""The identities that a process took lately: most repeats come soon after the first, and by its door."""

import threading
from collections.abc import Iterable
from typing import Final

IDENTITIES_MAX: Final = 20_000


class Recent:
    """Remembers between one and two times `identities_max` identities; for any number of threads.

    It only says which identities are worth asking the database for: that decides.
    """

    def __init__(self, identities_max: int = IDENTITIES_MAX) -> None:
        self._max = identities_max
        self._lock = threading.Lock()
        self._newer: set[bytes] = set()
        self._older: set[bytes] = set()

    def meet(self, digests: Iterable[bytes]) -> frozenset[bytes]:
        """Return those of some identities that were met before, and remember all of them."""
        group = set(digests)
        with self._lock:
            met = frozenset((group & self._newer) | (group & self._older))
            if len(self._newer) + len(group) > self._max:
                self._older, self._newer = self._newer, set()
            self._newer |= group
        return met
