"""Manifests: what a sender says of an object, checked before any of its rows is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from tollbook.errors import Rejected
from tollbook.sdk.drops.control_totals import Found
from tollbook.sdk.drops.place import MANIFEST_SUFFIX

MANIFEST_BYTES_MAX: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Promise:
    """What is said of one object; None where nothing is said. `said_by` names the manifest."""

    said_by: str
    sha256: str | None = None
    size: int | None = None
    rows: int | None = None
    sums: Mapping[str, Decimal] = field(default_factory=dict)
    complete_up_to: datetime | None = None


_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Said(msgspec.Struct, forbid_unknown_fields=True):
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F]{64}$")] | None = None
    bytes: _Count | None = None
    rows: _Count | None = None
    sums: dict[str, Decimal] = {}
    complete_up_to: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class _SaidOfOne(_Said):
    key: str = ""


class _SaidOfMany(msgspec.Struct, forbid_unknown_fields=True):
    objects: list[_SaidOfOne]
    complete_up_to: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


def read_manifest(key: str, raw: bytes, *, said_by: str) -> dict[str, Promise]:
    """Return what a manifest says, by object.

    `NAME.manifest.json` speaks of the object NAME. One with a list `objects` speaks of each that
    it lists, by its key beside the manifest, and its `complete_up_to` holds for all of them.
    Rejected with `capture.manifest_invalid` when it is none.
    """
    try:
        if "objects" not in msgspec.json.decode(raw, type=dict[str, Any]):
            return {_spoken_of(key): _promise(msgspec.json.decode(raw, type=_Said), said_by)}
        many = msgspec.json.decode(raw, type=_SaidOfMany)
    except (ValueError, RecursionError) as error:
        raise Rejected(
            "capture.manifest_invalid",
            f"The manifest {key} cannot be read ({error}): correct it. Nothing of what it speaks "
            "of is taken.",
        ) from error
    folder = key.rpartition("/")[0]
    return {
        f"{folder}/{one.key}" if folder else one.key: _promise(one, said_by, many.complete_up_to)
        for one in many.objects
    }


def _promise(said: _Said, said_by: str, complete_up_to: datetime | None = None) -> Promise:
    return Promise(
        said_by,
        said.sha256.lower() if said.sha256 else None,
        said.bytes,
        said.rows,
        said.sums,
        said.complete_up_to or complete_up_to,
    )


def _spoken_of(key: str) -> str:
    return key.removesuffix(MANIFEST_SUFFIX)


def check_bytes(promise: Promise, *, sha256: str, size: int) -> None:
    """Refuse an object whose size or digest is not the promised one."""
    if promise.size is not None and promise.size != size:
        raise _broken("capture.object_size", promise, f"{promise.size} bytes", f"{size}")
    if promise.sha256 is not None and promise.sha256 != sha256:
        raise _broken("capture.object_checksum", promise, f"sha256 {promise.sha256}", sha256)


def check_totals(promise: Promise, found: Found) -> None:
    """Refuse an object that has not the promised number of rows or does not add up."""
    if promise.rows is not None and promise.rows != found.rows:
        raise _broken("capture.object_rows", promise, f"{promise.rows} rows", f"{found.rows}")
    for name, total in sorted(promise.sums.items()):
        if found.unreadable:
            raise _broken("capture.object_sums", promise, f"{name} {total}", found.unreadable)
        if found.sums[name] != total:
            raise _broken("capture.object_sums", promise, f"{name} {total}", f"{found.sums[name]}")


def needs_rows(promise: Promise) -> bool:
    """Tell whether the rows must be read to check it."""
    return promise.rows is not None or bool(promise.sums)


def _broken(code: str, promise: Promise, said: str, is_so: Any) -> Rejected:
    return Rejected(
        code,
        f"{promise.said_by} says {said}, and it is {is_so}: nothing of it is taken. Have the "
        "object or what is said of it sent again.",
    )
