"""How a source of objects behaves: which objects, how they are written, what must be promised."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast

from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.place import DropObject, is_data
from tollbook.sdk.drops.register import Seen
from tollbook.sdk.drops.rows import FileRule, read_rule

OnChange = Literal["take", "refuse"]


@dataclass(frozen=True, slots=True)
class DropRule:
    """What holds for all objects of a source.

    `on_change` says what happens to an object whose name was taken before with other content.
    `relist_seconds` is how often everything is listed where listing after a key is cheaper.
    """

    files: FileRule
    pattern: str
    on_change: OnChange
    require_manifest: bool
    poll_seconds: int
    relist_seconds: int
    has_mapping: bool

    def wants(self, key: str) -> bool:
        """Tell whether an object holds usage for this source, by its name."""
        return is_data(key) and (not self.pattern or fnmatchcase(key, self.pattern))


def read_drop_rule(options: Options, *, poll_seconds: int) -> DropRule:
    """Read what every kind of place has in common; Rejected when it is wrong.

    `poll_seconds` is how often a place of this kind is looked at when nothing else is said.
    """
    return DropRule(
        files=read_rule(options),
        pattern=options.text("pattern"),
        on_change=cast("OnChange", options.choice("on_change", ("take", "refuse"))),
        require_manifest=options.flag("require_manifest"),
        poll_seconds=options.number("poll_seconds", poll_seconds, at_most=86_400),
        relist_seconds=options.number("relist_seconds", 600, at_most=86_400),
        has_mapping=bool(options.text("mapping")),
    )


def lane_of(found: DropObject) -> str:
    """Return the lane of a version of an object."""
    return f"{found.key}@{found.version}"


def is_to_take(found: DropObject, seen: list[Seen], *, said_by: str, rule: DropRule) -> bool:
    """Decide whether an object needs work; `said_by` names what is said of it now.

    What was refused or held is looked at again when the object or its manifest changed.
    """
    for one in seen:
        if one.version == found.version:
            if one.state == "held" and not rule.require_manifest:
                return True
            return one.state == "open" or (one.state != "done" and one.said_by != said_by)
    return True


def same_content(seen: list[Seen], sha256: str) -> Seen | None:
    """Return a version with this content that was taken whole, if there is one."""
    return next((one for one in seen if one.state == "done" and one.sha256 == sha256), None)


def replaced(found: DropObject, seen: list[Seen]) -> Seen | None:
    """Return the latest other version of an object of which rows were taken, if there is one."""
    taken = [one for one in seen if one.version != found.version]
    return next((one for one in reversed(taken) if one.state in {"done", "open", "damaged"}), None)
