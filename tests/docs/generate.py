"""Writes the pages and schemas that are made from the source: `make docs`.

A test compares them with what is stored.
"""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

sys.path.append(str(Path(__file__).parents[1]))

from docs.refusals import KINDS, refusals
from tollbook import records
from tollbook.cli import COMMANDS, cli
from tollbook.worklist.codes import CODES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SCHEMAS = ROOT / "schemas"
NOTE = "<!-- Made from the source by `make docs`: do not edit. -->\n"
HELP_WIDTH = 96
WORDS_VARY = "(says what is wrong)"
CODES_INTRODUCTION = """
Every item on the worklist carries one of these codes. A code never changes its meaning. One item stands
for one cause and may hold many documents: fix the cause once, and all of them go on. An item that blocks
the close must be gone before the month is closed.
"""
REFUSALS_INTRODUCTION = """
These codes answer a caller: a command (exit code 1) or an HTTP request (`application/problem+json`).
Nothing waits on the worklist because of them. `…` stands for what varies. Codes of work items are in
[codes.md](codes.md).
"""
STAGES = tuple(dict.fromkeys(code.partition(".")[0] for code in CODES))


def generated() -> dict[Path, str]:
    """Return every generated file with its text."""
    return {
        REFERENCE / "codes.md": codes_page(),
        REFERENCE / "refusals.md": refusals_page(),
        REFERENCE / "cli.md": cli_page(),
        **dict(schemas()),
    }


def codes_page() -> str:
    """Return the page of work item codes, a section a stage."""
    parts = [f"# Work item codes\n\n{NOTE}{CODES_INTRODUCTION}"]
    for stage in STAGES:
        parts.append(f"\n## {stage.capitalize()}\n\n| Code | Owner | Blocks close | What to do |")
        parts.append("\n| --- | --- | --- | --- |\n")
        for code in CODES.values():
            if code.stage == stage:
                blocks = "yes" if code.blocks_close else "no"
                parts.append(f"| `{code.code}` | {code.owner} | {blocks} | {cell(code.action)} |\n")
    return "".join(parts)


def refusals_page() -> str:
    """Return the page of refusals that a caller gets and that are on no worklist."""
    rows = "".join(
        f"| `{one.code}` | {cell(one.sentence or WORDS_VARY)} | {KINDS[one.kind]} |\n"
        for one in refusals()
    )
    return (
        f"# Refusals\n\n{NOTE}{REFUSALS_INTRODUCTION}\n"
        f"| Code | What it says | What next |\n| --- | --- | --- |\n{rows}"
    )


def cli_page() -> str:
    """Return the help of every command."""
    parts = [f"# Commands\n\n{NOTE}\n```\n{help_of(cli, 'tollbook', None)}\n```\n"]
    top = click.Context(cli, info_name="tollbook", **cli.context_settings)
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        parts += list(command_parts(command, name, top))
    return "".join(parts)


def command_parts(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    """Yield the section of a command, then those of its own commands."""
    context = click.Context(command, info_name=name, parent=parent)
    yield f"\n## {context.command_path}\n\n```\n{help_of(command, name, parent)}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from command_parts(found, inner, context)


def help_of(command: click.Command, name: str, parent: click.Context | None) -> str:
    """Return a command's help at a fixed width."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        **command.context_settings,
        terminal_width=HELP_WIDTH,
        max_content_width=HELP_WIDTH,
    )
    return command.get_help(context)


def schemas() -> Iterator[tuple[Path, str]]:
    """Yield the JSON Schema of each record of the canonical model."""
    for module in pkgutil.iter_modules(records.__path__, f"{records.__name__}."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            if dataclasses.is_dataclass(kind) and kind.__module__ == module.name:
                schema = {
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "$id": f"urn:tollbook:record:{name}",
                    **msgspec.json.schema(kind),
                }
                for definition in schema["$defs"].values():
                    definition["description"] = inspect.cleandoc(definition["description"])
                yield SCHEMAS / f"{name}.json", json.dumps(schema, indent=2) + "\n"


def cell(text: str) -> str:
    """Return a text that may stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> None:
    """Write what differs, and remove schemas of records that are no more; `--check` only tells."""
    files = generated()
    if "--check" in sys.argv:
        stale = [
            path for path, text in files.items() if not path.exists() or path.read_text() != text
        ]
        sys.exit(" ".join(str(path.relative_to(ROOT)) for path in stale) or 0)
    for path in SCHEMAS.glob("*.json"):
        if path not in files:
            path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
