"""Loads the parts of sealing whose libraries come with an extra, when they are used."""

import importlib
from types import ModuleType
from typing import Final

from tollbook.errors import Blocked

# Module beside this one -> the extra that brings what it imports.
_EXTRA_OF: Final = {"writing": "parquet", "duck": "parquet", "spark": "spark", "s3": "aws"}


def part(name: str) -> ModuleType:
    """Return a module of this package; Blocked when its extra is not installed."""
    try:
        return importlib.import_module(f"tollbook.storage.segments.{name}")
    except ModuleNotFoundError as error:
        extra = _EXTRA_OF[name]
        raise Blocked(
            "config.extra_missing",
            f"This needs {error.name}, which is not installed: pip install 'tollbook[{extra}]'.",
        ) from error
