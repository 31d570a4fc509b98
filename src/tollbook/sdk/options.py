"""Reads the options of a connector, and says in one sentence what is wrong with one."""

from collections.abc import Collection, Mapping
from typing import Final

from tollbook.errors import Rejected

YES: Final = ("true", "yes", "1")
NO: Final = ("false", "no", "0")


class Options:
    """The options of one configured system, as texts; each is read by its kind.

    Rejected when an option is there that is not known: a name that was mistyped would be a setting
    that silently does nothing.
    """

    def __init__(self, options: Mapping[str, str], *, known: Collection[str]) -> None:
        strange = sorted(options.keys() - set(known))
        if strange:
            raise Rejected(
                "config.unknown_option",
                f"There is no option {', '.join(strange)}; there are {', '.join(sorted(known))}.",
            )
        self._options = options

    def required(self, name: str) -> str:
        """Return an option; Rejected if it is missing or empty."""
        value = self._options.get(name, "")
        if not value:
            raise Rejected("config.option_missing", f"The option {name} is missing: add it.")
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
                "config.out_of_range",
                f"The option {name} must be a whole number from {at_least} to {at_most}, "
                f"not {value!r}.",
            )
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """Return whether an option says yes; Rejected if it says neither yes nor no."""
        value = self._options.get(name, "").lower()
        if value and value not in YES + NO:
            raise Rejected(
                "config.not_a_flag", f"The option {name} must be true or false, not {value}."
            )
        return value in YES if value else default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of some words, the first if none is said; Rejected if it is another word."""
        value = self._options.get(name) or choices[0]
        if value not in choices:
            raise Rejected(
                "config.not_an_option",
                f"The option {name} must be one of {', '.join(choices)}, not {value}.",
            )
        return value
