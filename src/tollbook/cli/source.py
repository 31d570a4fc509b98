"""The command line of sources: where usage comes from, and how it becomes events."""

import click

from tollbook.cli.source_preview import import_command, preview_command, test_command


@click.group()
def source() -> None:
    """Preview, test and use the mappings by which foreign records become events."""


for _command in (preview_command, test_command, import_command):
    source.add_command(_command)
