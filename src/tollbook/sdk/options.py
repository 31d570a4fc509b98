"""Reads the options of a connector, and says in one sentence what is wrong with one."""

from collections.abc import Mapping
from typing import Final

from tollbook.errors import Rejected

YES: Final = ("true", "yes", "1")
NO: Final = ("false", "no", "0")


class Options:
    """The options of one configured system, as texts; each is read by its kind."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options

    def required(self, name: str) -> str:
        """Return an option; Rejected if it is missing or empty."""
        value = self._options.get(name, "")
        if not value:
            raise Rejected("source.option_missing", f"The option {name} is missing: add it.")
        return value

    def text(self, name: str, default: str = "") -> str:
        """Return an option, or what stands for it when it is missing or empty."""
        return self._options.get(name) or default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the parts of an option that stand between commas."""
        parts = (part.strip() for part in self._options.get(name, "").split(","))
        return tuple(part for part in parts if part)

    def number(self, name: str, default: int, *, at_least: int, at_most: int) -> int:
        """Return a whole number within its bounds; Rejected if it is another thing."""
        value = self._options.get(name, "")
        if not value:
            return default
        # Only ASCII digits: int() would take those of other scripts, and "1_000", too.
        if not (value.isascii() and value.isdigit() and at_least <= int(value) <= at_most):
            raise Rejected(
                "source.option_out_of_range",
                f"The option {name} must be a whole number from {at_least} to {at_most}, "
                f"not {value!r}.",
            )
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether an option says yes; Rejected if it says neither yes nor no."""
        value = self._options.get(name, "").lower()
        if value and value not in YES + NO:
            raise Rejected(
                "source.option_not_a_flag", f"The option {name} must be true or false, not {value}."
            )
        return value in YES if value else default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of some words, the first if none is said; Rejected if it is another word."""
        value = self._options.get(name) or choices[0]
        if value not in choices:
            raise Rejected(
                "source.option_not_a_choice",
                f"The option {name} must be one of {', '.join(choices)}, not {value}.",
            )
        return value
