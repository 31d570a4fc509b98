"""Makes a source of a local directory from its options."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tollbook.connectors.directory.place import DirectoryPlace, WhenDone
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rule import read_drop_rule
from tollbook.sdk.drops.settling import CompleteWhen, Settling
from tollbook.sdk.drops.source import DropSource
from tollbook.values.clock import Clock

POLL_SECONDS = 2


def connect(given: Mapping[str, str], clock: Clock) -> DropSource:
    """Make the source; Rejected when an option is wrong."""
    options = Options(given)
    place = DirectoryPlace(
        Path(options.required("path")).absolute(),
        Settling(clock, options.number("stable_seconds", 2, at_most=86_400)),
        complete_when=cast(
            "CompleteWhen", options.choice("complete_when", ("stable", "renamed", "marker"))
        ),
        when_done=cast("WhenDone", options.choice("when_done", ("keep", "move"))),
    )
    rule = read_drop_rule(options, poll_seconds=POLL_SECONDS)
    options.refuse_others()
    return DropSource(place, rule, clock)
