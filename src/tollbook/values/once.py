"""Works something out once for a record, however often it is asked for."""

from collections.abc import Callable
from functools import wraps
from typing import Final, TypeVar

R = TypeVar("R")
T = TypeVar("T")

# More than all price versions in force at once; the records are kept alive meanwhile.
RECORDS_MAX: Final = 4096


def once_a_record(work: Callable[[R], T]) -> Callable[[R], T]:
    """Return the function with what it found for a frozen record remembered.

    A record is told by identity, which costs nothing, and not by value: hashing a price takes as
    long as working it out. What was found must not be changed by who asked.
    """
    known: dict[int, tuple[R, T]] = {}

    @wraps(work)
    def remembered(record: R) -> T:
        found = known.get(id(record))
        # The record is kept with what was found, so nothing else can have its identity.
        if found is not None and found[0] is record:
            return found[1]
        result = work(record)
        if len(known) >= RECORDS_MAX:
            known.clear()
        known[id(record)] = (record, result)
        return result

    return remembered
