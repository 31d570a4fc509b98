"""How a file is written, as options of a command: those that a source of files has."""

from collections.abc import Callable
from typing import Any

import click

from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rows import FileRule, read_rule


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--option NAME=VALUE`, which may be repeated, to a command."""
    return click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        help="How the file is written, as in the options of a source: format, encoding, columns, ...",
    )(command)


def file_rule(given: tuple[str, ...], form: str | None = None) -> FileRule:
    """Read how a file is written; Rejected when an option is wrong or there is none of its name."""
    named = {} if form is None else {"format": form}
    for pair in given:
        name, _, value = pair.partition("=")
        named[name.strip()] = value
    options = Options(named)
    rule = read_rule(options)
    options.refuse_others()
    return rule
