"""Reads the options of a source from its table in the settings, each with a sentence when wrong."""

from collections.abc import Mapping
from typing import Final

from tollbook.errors import Rejected

# What the runtime reads of every source's table.
_OF_THE_RUNTIME: Final = frozenset({"name", "mapping", "records_max", "wait_seconds"})


class Options:
    """The options of one source; each is asked for once, and `refuse_others` names the rest."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self._known: set[str] = set(_OF_THE_RUNTIME)

    def text(self, name: str, default: str = "") -> str:
        """Return an option as text."""
        self._known.add(name)
        return self._given.get(name) or default

    def required(self, name: str) -> str:
        """Return an option that must be there."""
        found = self.text(name)
        if not found:
            raise _wrong(f"{name} is missing")
        return found

    def number(self, name: str, default: int, *, at_least: int = 0, at_most: int = 10**9) -> int:
        """Return an option as a whole number within bounds."""
        text = self.text(name, str(default))
        if not (text.isascii() and text.isdigit() and at_least <= int(text) <= at_most):
            raise _wrong(f"{name} must be a whole number from {at_least} to {at_most}, not {text}")
        return int(text)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return an option that is true or false."""
        text = self.text(name, str(default)).lower()
        if text not in {"true", "false"}:
            raise _wrong(f"{name} must be true or false, not {text}")
        return text == "true"

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return an option that is one of some words; the first is the default."""
        text = self.text(name, allowed[0])
        if text not in allowed:
            raise _wrong(f"{name} must be one of {', '.join(allowed)}, not {text}")
        return text

    def refuse_others(self) -> None:
        """Refuse options that nothing asked for: a misspelled one would be ignored silently."""
        strange = sorted(self._given.keys() - self._known)
        if strange:
            raise _wrong(f"there is no option {', '.join(strange)}")


def _wrong(why: str) -> Rejected:
    return Rejected("config.source_option", f"The source's options are wrong: {why}.")
