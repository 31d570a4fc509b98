"""Northwind Inference, the demo company: its master data as YAML, and a month of its usage."""

from pathlib import Path


def directory() -> Path:
    """Return the directory with the company's master data, for `tollbook apply -f`."""
    return Path(__file__).parent
