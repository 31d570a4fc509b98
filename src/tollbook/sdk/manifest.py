"""Reads a connector's manifest.toml: what the outside system can do."""

import tomllib
from importlib.resources import files

from tollbook.sdk.target import Capabilities
from tollbook.values.codec import from_builtins


def read_capabilities(package: str) -> Capabilities:
    """Return the capabilities that a connector package declares; ValueError tells what is wrong."""
    manifest = tomllib.loads(files(package).joinpath("manifest.toml").read_text())
    return from_builtins(manifest["capabilities"], Capabilities)
