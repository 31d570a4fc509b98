"""Whether what a record names is there, and in force when the record starts."""

from collections.abc import Iterator
from datetime import date

from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.problems import Finding, Path, suggestion
from tollbook.values.money import minor_exponent
from tollbook.values.zone import zone_named


def check_reference(
    catalog: Catalog, kind: str, key: str, *, since: date, path: Path
) -> Iterator[Finding]:
    """Yield a finding when a record is not there, or starts after what needs it."""
    versions = catalog.versions.get((kind, key), ())
    name = kind.replace("_", " ")
    if not versions:
        hint = suggestion(key, catalog.keys(kind))
        message = f"there is no {name} {key!r}.{hint}"
        yield Finding(f"unknown_{kind}", message, path, (kind, key))
    elif (first := min(version.effective_from for version in versions)) > since:
        yield Finding(
            "not_yet_in_force",
            f"{name} {key!r} starts on {first}, but is needed from {since}: start it earlier.",
            path,
        )


def check_currency(currency: str) -> Iterator[Finding]:
    """Yield a finding when a currency is not one of ISO 4217."""
    try:
        minor_exponent(currency)
    except ValueError as error:
        yield Finding("unknown_currency", f"{error}: write a code such as USD.", ("currency",))


def check_span(start: date | None, end: date | None, path: Path) -> Iterator[Finding]:
    """Yield a finding when a span of days ends before it has begun."""
    if start is not None and end is not None and end <= start:
        yield Finding(
            "ends_before_start",
            f"effective_until ({end}) must be after effective_from ({start}); it is the first day "
            "that is not inside.",
            (*path, "effective_until"),
        )


def check_zone(zone: str) -> Iterator[Finding]:
    """Yield a finding when a time zone is named that there is none of."""
    if not zone:
        return
    try:
        zone_named(zone)
    except ValueError as error:
        yield Finding("unknown_zone", f"{error}.", ("zone",))
