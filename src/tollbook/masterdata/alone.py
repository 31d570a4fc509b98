"""Reads one part of a contract on its own, as master data would read and check it."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from tollbook.errors import Rejected
from tollbook.masterdata.documents import read_alone

R = TypeVar("R")


def read_sound(
    kind: type[R],
    written: object,
    section: str,
    problems_of: Callable[[R], Iterable[str]],
    *,
    code: str,
    name: str,
) -> R:
    """Return a part that is written as in `section`; Rejected `code` when it cannot be used."""
    record, problems = read_alone(kind, written, section)
    if isinstance(record, kind):
        problems = [*problems, *problems_of(record)]
        if not problems:
            return record
    said = "; ".join(problem.rstrip(".") for problem in problems)
    raise Rejected(code, f"The {name} cannot be used: {said}.")
